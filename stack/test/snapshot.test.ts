import { expect, test } from 'vitest';
import { templateOf } from '../verify/offline';

/** Replaces the hashes of assets, which change with every build. */
function withoutHashes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replace(/[0-9a-f]{64}/g, 'HASH'));
}

test('the template of an environment is this', () => {
  expect(withoutHashes(templateOf('test').toJSON())).toMatchSnapshot();
});
