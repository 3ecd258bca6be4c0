import { createRequire } from 'node:module';

/**
 * Returns `NODE_OPTIONS` with an addition that makes each Node program load the rules of its environment.
 *
 * The path is absolute, because a relative one, or the package's name, ends every Node program that starts
 * in another folder. `--require`, because on Node 20 any `--import` loses messages between cluster processes.
 */
export function nodeOptions(): string {
  const register = createRequire(import.meta.url).resolve('tcp-keepalive/register');
  return [process.env.NODE_OPTIONS, `--require ${quoted(register)}`].filter(Boolean).join(' ');
}

/** Quotes a path: in `NODE_OPTIONS` spaces separate options, and a backslash escapes inside double quotes. */
function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}
