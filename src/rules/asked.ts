import type { RuleEnvironment } from './environment.ts';

/** Whether the environment asks for anything, found out before anything of the library is loaded. */
export function isAsked(environment: RuleEnvironment): boolean {
  const { TCP_KEEPALIVE: text, TCP_KEEPALIVE_CONFIG: path, TCP_KEEPALIVE_DEBUG: debug } = environment;
  return Boolean(text || path || debug === '1');
}
