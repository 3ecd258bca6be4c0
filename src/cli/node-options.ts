import { createRequire } from 'node:module';

/**
 * `NODE_OPTIONS` with which each Node program loads the rules of its environment, beside what it holds already.
 *
 * The path is absolute, because a relative one, or the package's name, ends every Node program that starts in another
 * folder. It is required and not imported: on Node 20 any `--import` loses messages between cluster processes.
 */
export function nodeOptions(): string {
  const register = createRequire(import.meta.url).resolve('tcp-keepalive/register');
  return [process.env.NODE_OPTIONS, `--require ${quoted(register)}`].filter(Boolean).join(' ');
}

/** Spaces separate options there, and a backslash escapes inside of double quotes. */
function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}
