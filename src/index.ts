/** Detects dead TCP connections in a time that the program chose. @module tcp-keepalive */
export {
  capabilities,
  getKeepAlive,
  getTcpInfo,
  inspectKeepAlive,
  installKeepAlive,
  isKeepAliveError,
  keepAlive,
  keepAliveFor,
  keepAliveServer,
  keepAliveStats,
  keepAliveStream,
  optionsFromLibpq,
  pathIdleLimits,
  planKeepAlive,
  predictDetection,
  presets,
  reapLostSockets,
  reviewKeepAlive,
  setKeepAlive,
} from '#core';
export type { AppliedKeepAlive } from './kernel/calls.ts';
export type { DarwinTcpInfo, LinuxTcpInfo, TcpInfo, TcpState } from './kernel/tcp-info.ts';
export type { DetectionTimes, KeepAliveStats } from './metrics/stats.ts';
export type { KeepAliveError, KeepAliveErrorCode, KeepAliveWarningCode } from './options/errors.ts';
export type { LibpqTimes } from './options/libpq.ts';
export type { KeepAliveInput, KeepAliveOptions, KeepAliveSettings, OptionName } from './options/options.ts';
export type { Preset, PresetName } from './options/presets.ts';
export type { PathIdleLimit, PathInput, PathName } from './predict/paths.ts';
export type { KeepAliveGoal, KeepAlivePlan } from './predict/plan.ts';
export type {
  DataWindow,
  Detection,
  DetectionSystem,
  DetectionWindow,
  SurvivedOutages,
} from './predict/predict.ts';
export type { Finding, FindingCode, ReviewContext } from './predict/review.ts';
export type { RuleHits } from './rules/install.ts';
export type { KeepAliveRule, PortRange } from './rules/rule.ts';
export type { Capabilities, OptionCapability } from './sockets/capabilities.ts';
export type {
  KeepAliveLostMessage,
  KeepAliveRestoredMessage,
  KeepAliveSetMessage,
  KeepAliveSkippedMessage,
} from './sockets/events.ts';
export type { KeepAliveHolder } from './sockets/hold-record.ts';
export type { InspectedKeepAlive } from './sockets/inspect.ts';
export type { LossState, LossTimer } from './sockets/loss.ts';
export type { KeepAlivePeer } from './sockets/peer.ts';
export type { ReapOptions } from './sockets/reap.ts';
export type { OnError } from './sockets/report.ts';
