/** Lists the TCP connections of a Linux machine, and changes and drills those of other processes. @module tcp-keepalive/machine */
export type { LinuxTcpInfo, TcpState } from '../kernel/tcp-info.ts';
export type { KeepAliveInput, KeepAliveOptions, KeepAliveSettings, OptionName } from '../options/options.ts';
export type { Preset, PresetName } from '../options/presets.ts';
export type { DetectionWindow } from '../predict/predict.ts';
export { applyToProcess, type ProcessChange, type ProcessFilter } from './apply.ts';
export {
  type ConnectionInDrill,
  type DrillBehaviour,
  type DrilledConnection,
  type DrillReport,
  type DrillVerdict,
  drillProcess,
} from './drill.ts';
export type { Endpoint } from './endpoint.ts';
export { type Connection, type ConnectionFilter, type ConnectionTimer, listConnections } from './list.ts';
export type { Owner } from './owner.ts';
