import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from './doc-blocks';
import { LocalMeter } from './local-meter';
import { run } from './run';

describe('the verification finds no problems', () => {
  test.each([
    ['rest', [], 'a call over its limit was denied, with the header of its limit'],
    ['http', [], 'a call over its limit was denied'],
    ['rest', ['--api-url', 'status/204'], 'a call over its limit was denied'],
  ])('of a local stack with an API of the kind %s, with %j', async (kind, words, message) => {
    const local = await LocalMeter.start('--api-kind', kind, '--no-canary');
    try {
      const at = words.map((word) => word.replace('status', `${local.endpoints().gateway}/status`));
      const script = path.join(ROOT, 'scripts/verify-deployment.sh');
      const { status, stdout, stderr } = await run(script, ['local', '--data', local.data, ...at], {
        env: { ...process.env, METER: path.join(ROOT, 'target/debug/meter') },
      });
      expect(status, `${stdout}${stderr}`).toBe(0);
      expect(stdout).toContain(`ok    ${message}\n`);
      expect(stdout).toMatch(/the call was counted after \d+ s/);
    } finally {
      await local.stop();
    }
  });
});
