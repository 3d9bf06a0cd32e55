import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './doc-blocks';
import { run } from './run';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-rollback-'));

function git(...words: string[]): void {
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...words], {
    cwd: folder,
    stdio: 'pipe',
  });
}

/** Commits a version of the project whose deploy script only prints its arguments. */
function version(name: string): void {
  fs.writeFileSync(path.join(folder, 'scripts/deploy.sh'), `#!/bin/bash\necho "${name} deploys: $*"\n`, {
    mode: 0o755,
  });
  git('add', '--all');
  git('commit', '--quiet', '--message', name);
}

beforeAll(() => {
  fs.mkdirSync(path.join(folder, 'scripts'));
  fs.copyFileSync(path.join(ROOT, 'scripts/rollback.sh'), path.join(folder, 'scripts/rollback.sh'));
  git('init', '--quiet');
  for (const [name, tag] of [
    ['one', 'deployed/dev/20260101T000000Z'],
    ['two', 'deployed/dev/20260102T000000Z'],
  ] as const) {
    version(name);
    git('tag', tag);
  }
  version('three');
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

async function rollback(...words: string[]): Promise<string | undefined> {
  const { stdout } = await run(path.join(folder, 'scripts/rollback.sh'), words);
  return stdout.trim().split('\n').at(-1);
}

// An alarm that is on would stop a gradual deployment or roll it back.
test('a rollback routes all calls at once, with the scripts of the version that it restores', async () => {
  expect(await rollback('dev')).toBe('one deploys: dev --all-at-once');
  expect(await rollback('dev', 'deployed/dev/20260102T000000Z', '--region', 'eu-west-1', '--alarm-topic', 'arn')).toBe(
    'two deploys: dev eu-west-1 --all-at-once --alarm-topic arn',
  );
});

test('a rollback restores the newest verified version if the last is not verified', async () => {
  git('tag', 'attempted/dev/20260103T000000Z');
  expect(await rollback('dev')).toBe('two deploys: dev --all-at-once');
});
