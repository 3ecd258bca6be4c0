import type { RuleEnvironment } from './environment.ts';

/** Whether the environment asks for rules, in a file of its own: the library is loaded only if it does. */
export function isAsked(environment: RuleEnvironment): boolean {
  const { TCP_KEEPALIVE: text, TCP_KEEPALIVE_CONFIG: path, TCP_KEEPALIVE_DEBUG: debug } = environment;
  return Boolean(text || path || debug === '1');
}
