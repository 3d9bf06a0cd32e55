import { defineConfig } from 'vitest/config';

// How long a synthesis takes says more of the machine than of the stack.
export default defineConfig({ test: { include: ['test/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000 } });
