/** Lets a test worker answer the test runner after each test. Synchronous tests in a row would keep it from doing so
 * until the runner reports that the worker does not answer. */
import { afterEach } from 'vitest';

afterEach(() => new Promise((resolve) => setImmediate(resolve)));
