/**
 * What driver modules and `tcp-keepalive/register` use of the main entry. Nothing here is public.
 *
 * @module
 */

export {
  invalidOption,
  isPlain,
  keepAliveError,
  quoted,
  readable,
  shown,
  shownInstead,
} from './options/errors.ts';
export { didYouMean, listed } from './options/fields.ts';
export { parseKeepAliveOptions } from './options/parse.ts';
export { presets } from './options/presets.ts';
export { installRules } from './rules/install.ts';
export { checkHost, checkPorts, compileRules, inContext, ruleText } from './rules/rule.ts';
export { holdSocket } from './sockets/hold.ts';
export { DRIVER } from './sockets/hold-record.ts';
export { onErrorOf, report, warnOnce } from './sockets/report.ts';
export { keepAliveServer } from './sockets/server.ts';
export { getKeepAlive } from './sockets/set.ts';
