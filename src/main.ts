/**
 * The main entry as it is built: one file, because each further one delays every import by a millisecond.
 * The package's other entries find in it, under a name that is not public, what they share with it.
 *
 * @module
 */

export * as _internal from './core.ts';
export * from './index.ts';
