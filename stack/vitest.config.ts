import { defineConfig } from 'vitest/config';

// The time of a synthesis depends on the machine, so the time limits are long.
export default defineConfig({ test: { include: ['test/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000 } });
