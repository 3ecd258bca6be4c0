import { fileURLToPath } from 'node:url';
import type { ViteUserConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const isCi = process.env.CI === 'true';

const config: ViteUserConfig = {
  test: {
    include: ['test/**/*.test.ts', 'examples/testing/*.test.ts'],
    // Most tests wait for kernel timers, not for a processor.
    maxWorkers: 8,
    // A test of kernel timers may be upset by what else a shared machine does.
    retry: isCi ? 1 : 0,
    reporters: isCi ? ['default', 'github-actions', './test/helpers/retried-reporter.ts'] : ['default'],
    // For a machine that is busy with 20 times as much as it has processors. Otherwise no test takes 30 s.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
  resolve: {
    alias: [
      { find: /^#core$/, replacement: source('./src/core.ts') },
      { find: /^tcp-keepalive$/, replacement: source('./src/index.ts') },
      {
        find: /^tcp-keepalive\/(predict|heartbeat|machine|testing)$/,
        replacement: source('./src/$1/index.ts'),
      },
      {
        find: /^tcp-keepalive\/(opentelemetry|prometheus)$/,
        replacement: source('./src/metrics/$1.ts'),
      },
      { find: /^tcp-keepalive\/register$/, replacement: source('./src/register.ts') },
      { find: /^tcp-keepalive\/(.+)$/, replacement: source('./src/drivers/$1.ts') },
      { find: /^tedious$/, replacement: source('./test/drivers/more/node_modules/tedious') },
      // Its ES modules cannot load ioredis by themselves.
      { find: /^bullmq$/, replacement: source('./test/drivers/more/node_modules/bullmq/dist/cjs/index.js') },
    ],
  },
};

export default config;
