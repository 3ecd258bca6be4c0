/**
 * What driver modules and `tcp-keepalive/register` use of the main entry. Nothing here is public.
 *
 * @module
 */
export { invalidOption, isPlain, keepAliveError, readable, shown, shownInstead } from './errors.ts';
export { holdSocket } from './hold.ts';
export { DRIVER } from './hold-record.ts';
export { installRules } from './install.ts';
export { getKeepAlive } from './keepalive.ts';
export { onErrorOf, report, warnOnce } from './report.ts';
export { checkHost, checkPorts, checkUse, compileRules, inContext, ruleText } from './rules.ts';
export { keepAliveServer } from './server.ts';
export { parseKeepAliveOptions } from './validate.ts';
