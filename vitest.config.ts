import { defineConfig } from 'vitest/config';

/** Whoever names a file wants it. */
const isNamed = process.argv.some((word) => word.includes('test/long'));
const isAll = isNamed || process.env['CI'] !== undefined || process.env['TESTS'] === 'all';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Whole matrices of kills, floods and lives: in CI, and by npm run test:all.
    exclude: isAll ? [] : ['test/long/**'],
    setupFiles: ['test/support/runtime.ts'],
    // Most tests wait for other processes: two files at a time on two cores, where the default would be one.
    maxWorkers: 2,
    // Hundreds of processes are started from source: what one has compiled the next need not.
    env: { NODE_COMPILE_CACHE: new URL('node_modules/.cache/compiled', import.meta.url).pathname },
    // In CI a machine that others load must not keep work from landing; whoever runs them by hand sees every failure.
    retry: process.env['CI'] === undefined ? 0 : 2,
    // A condition is waited for as long as a busy machine may take, not for vitest's one second.
    expect: { poll: { timeout: 20_000, interval: 20 } },
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
});
