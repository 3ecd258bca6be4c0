export default {
  logLevel: 'warn',
  build: { ssr: 'entry.mjs', outDir: 'vite', rollupOptions: { output: { entryFileNames: 'ssr.mjs' } } },
  ssr: { noExternal: true },
};
