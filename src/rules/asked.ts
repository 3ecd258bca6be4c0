import type { RuleEnvironment } from './environment.ts';

// This is a file of its own, because the library is loaded only if the environment asks for something.

/** Whether the environment asks for rules, or for lines about connections. */
export function isAsked(environment: RuleEnvironment): boolean {
  const { TCP_KEEPALIVE: text, TCP_KEEPALIVE_CONFIG: path } = environment;
  return Boolean(text || path || wantsLines(environment));
}

/** Whether a line is to be printed for each connection. */
export function wantsLines({ TCP_KEEPALIVE_DEBUG: debug = '' }: RuleEnvironment): boolean {
  return /^(?:1|true|yes|on)$/i.test(debug);
}
