export type { AppliedKeepAlive } from './kernel/calls.ts';
export { getTcpInfo, type TcpInfo, type TcpState } from './kernel/tcp-info.ts';
export type { KeepAliveError, KeepAliveErrorCode } from './options/errors.ts';
export type { KeepAliveInput, KeepAliveOptions, KeepAliveSettings, OptionName } from './options/options.ts';
export { type Preset, type PresetName, presets } from './options/presets.ts';
export { type PathIdleLimit, type PathName, pathIdleLimits } from './predict/paths.ts';
export { type KeepAliveGoal, type KeepAlivePlan, planKeepAlive } from './predict/plan.ts';
export {
  type Detection,
  type DetectionSystem,
  type DetectionWindow,
  predictDetection,
} from './predict/predict.ts';
export { type Finding, type FindingCode, type ReviewContext, reviewKeepAlive } from './predict/review.ts';
export { installKeepAlive } from './rules/install.ts';
export type { KeepAliveRule, PortRange } from './rules/rule.ts';
export { type Capabilities, capabilities, type OptionCapability } from './sockets/capabilities.ts';
export { keepAlive } from './sockets/hold.ts';
export type { OnError } from './sockets/report.ts';
export { keepAliveServer } from './sockets/server.ts';
export { getKeepAlive, setKeepAlive } from './sockets/set.ts';
