/**
 * What driver modules and `tcp-keepalive/register` use of the main entry. Nothing here is public.
 *
 * @module
 */
export { didYouMean, listed } from './check-input.ts';
export { invalidOption, isPlain, keepAliveError, quoted, readable, shown, shownInstead } from './errors.ts';
export { holdSocket } from './hold.ts';
export { DRIVER } from './hold-record.ts';
export { installRules } from './install.ts';
export { getKeepAlive } from './keepalive.ts';
export { presets } from './presets.ts';
export { onErrorOf, report, warnOnce } from './report.ts';
export { checkHost, checkPorts, compileRules, inContext, ruleText } from './rules.ts';
export { keepAliveServer } from './server.ts';
export { parseKeepAliveOptions } from './validate.ts';
