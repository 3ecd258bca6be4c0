import {
  checkHost,
  checkPorts,
  checkUse,
  compileRules,
  DRIVER,
  getKeepAlive,
  holdSocket,
  inContext,
  installRules,
  invalidOption,
  keepAliveError,
  keepAliveServer,
  onErrorOf,
  parseKeepAliveOptions,
  readable,
  report,
  ruleText,
  shown,
  warnOnce,
} from './internal.ts';

export * from './index.ts';

/**
 * What the package's other entries find here, so that this one is a single file: each more delays an
 * import by a millisecond. A plain object, because a namespace made of getters takes ten times as long.
 */
export const _internal: typeof import('./internal.ts') = {
  checkHost,
  checkPorts,
  checkUse,
  compileRules,
  DRIVER,
  getKeepAlive,
  holdSocket,
  inContext,
  installRules,
  invalidOption,
  keepAliveError,
  keepAliveServer,
  onErrorOf,
  parseKeepAliveOptions,
  readable,
  report,
  ruleText,
  shown,
  warnOnce,
};
