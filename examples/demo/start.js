// Node 20 cannot run TypeScript by itself. tsx does it here, without the cache that it would leave
// behind in the temporary directory.
process.env.TSX_DISABLE_CACHE = '1';
const { tsImport } = await import('tsx/esm/api');
await tsImport('./main.ts', import.meta.url);
