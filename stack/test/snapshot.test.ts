import { expect, test } from 'vitest';
import { templateOf } from '../verify/offline';

/** Replaces what changes with every build: the hashes of assets. */
function withoutHashes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replace(/[0-9a-f]{64}/g, 'HASH'));
}

test('the template of an environment is this', () => {
  expect(withoutHashes(templateOf('test').toJSON())).toMatchSnapshot();
});
