const built = new URL('../../dist/index.js', import.meta.url);

/**
 * The library as it is published, from `npm run build`. Run from its source, tsx would give every
 * closure its name at each call, which a user's program never pays for.
 */
export const library: typeof import('../../src/index.ts') = await import(built.href);

/** For programs that import it themselves. */
export const builtEntry: string = built.href;
