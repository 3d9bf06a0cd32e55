import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    // The time of a synthesis depends on the machine, so the time limits are long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // The default on two cores is one worker, and the programs that most tests start leave a core idle.
    minWorkers: 2,
    maxWorkers: 2,
    // Concurrent tests of a file each have a local stack.
    maxConcurrency: 3,
    // The validation of CDK takes half the time of a synthesis. scripts/test-stack.sh validates both examples once.
    env: { CDK_VALIDATION: 'false', CDK_DISABLE_CLI_TELEMETRY: 'true' },
  },
});
