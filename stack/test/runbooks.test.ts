import * as fs from 'node:fs';
import * as path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { describe, expect, test } from 'vitest';
import { templateOf } from '../verify/offline';
import { blocksOf, ROOT } from './doc-blocks';
import { LocalMeter } from './local-meter';
import { run } from './run';
import { Shell } from './shell';

const FOLDER = path.join(ROOT, 'docs/runbooks');
const RUNBOOKS = fs.readdirSync(FOLDER).filter((name) => name !== 'README.md');

/** Commands that change a deployment, which a local stack does not have. They run in ministack.test.ts. */
const RUN_ELSEWHERE = ['scripts/deploy.sh $ENVIRONMENT $OTHER_REGION', 'scripts/rollback.sh $ENVIRONMENT'];

function read(runbook: string): string {
  return fs.readFileSync(path.join(FOLDER, runbook), 'utf8');
}

/** Returns the commands of a runbook, by block. */
function blocks(runbook: string): string[] {
  return blocksOf(`docs/runbooks/${runbook}`, 'sh').map(({ code }) => code);
}

/** Creates data for the commands, and returns the variables in which they expect it. */
async function prepare(local: LocalMeter): Promise<Record<string, string>> {
  await local.meter('traffic', '--calls', '100');
  const created = JSON.parse(await local.meter('keys', 'create', '--owner', 'acme', '--json')) as {
    api_key_id: string;
  };
  const line = { extendedRequestId: 'a', apiKeyId: 'key-1', requestTimeEpoch: String(Date.now()), status: '200' };
  fs.writeFileSync(path.join(local.folder, 'calls.jsonl'), `${JSON.stringify(line)}\n`);
  const kinesis = new KinesisClient({
    endpoint: local.endpoints().aws_endpoint_url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const { SequenceNumber } = await kinesis.send(
    new PutRecordCommand({ StreamName: 'usage-local', PartitionKey: 'a', Data: Buffer.from('no access log') }),
  );
  while (!(await local.meter('quarantine', 'list')).includes('1 record in quarantine')) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { KEY: created.api_key_id, RECORD: SequenceNumber!, LOG_FILE: path.join(local.folder, 'calls.jsonl') };
}

// The commands mostly wait for the batching window of their stack, so the runbooks run at the same time.
describe.concurrent.each(RUNBOOKS)('%s', (runbook) => {
  test('begins with its alarm, and has commands', () => {
    expect(read(runbook)).toMatch(/^# .+\n\n\*\*Alarms?:\*\* /);
    expect(blocks(runbook).length).toBeGreaterThan(1);
  });

  test('has commands that work on a local stack', async () => {
    const local = await LocalMeter.start();
    try {
      const shell = new Shell(local, await prepare(local));
      for (const block of blocks(runbook)) {
        const commands = block
          .split('\n')
          .filter((line) => !RUN_ELSEWHERE.includes(line))
          .join('\n');
        const { status, output } = await shell.run(commands);
        expect(status, `${commands}${output}`).toBe(0);
      }
    } finally {
      await local.stop();
    }
  });
});

/** Returns the events of the records in a file with a record in JSON on each line. */
function events(file: string): string[] {
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
  const payloads = lines.map((line) =>
    gunzipSync(Buffer.from((JSON.parse(line) as { data: string }).data, 'base64')).toString(),
  );
  return payloads
    .flatMap((payload) => (JSON.parse(payload) as { logEvents: { message: string }[] }).logEvents)
    .map(({ message }) => message);
}

test.concurrent('the runbook of the quarantine saves payloads, and saves records before it deletes them', async () => {
  const local = await LocalMeter.start('--no-canary');
  try {
    const shell = new Shell(local, await prepare(local));
    const saving = blocks('quarantine.md').filter((block) => block.includes('.json'));
    for (const block of saving) expect((await shell.run(block)).status, block).toBe(0);
    const written = fs.readdirSync(local.folder).filter((name) => /\.jsonl?$/.test(name) && name !== 'calls.jsonl');
    expect(written.sort()).toEqual(['discarded.jsonl', 'record.json', 'records.jsonl']);
    for (const name of written) expect(events(path.join(local.folder, name)), name).toEqual(['no access log']);
    expect(await local.meter('quarantine', 'list')).toContain('0 records in quarantine');
  } finally {
    await local.stop();
  }
});

test('every alarm has a runbook that begins with it', () => {
  const alarms = Object.values(templateOf('environment').findResources('AWS::CloudWatch::Alarm'));
  expect(alarms.length).toBeGreaterThan(25);
  for (const { Properties } of alarms) {
    const [, runbook] = (Properties.AlarmDescription as string).match(/Runbook: docs\/runbooks\/(.+)$/)!;
    const [beginning] = read(runbook!).split('\n## ');
    const id = (Properties.AlarmName as string).replace('usage-environment-', '');
    expect(beginning, runbook).toContain(`usage-ENVIRONMENT-${id}\``);
    expect(read('README.md')).toContain(`\`${id}\``);
  }
});

test('all other commands run here', () => {
  const all = RUNBOOKS.flatMap(blocks).join('');
  for (const command of RUN_ELSEWHERE) expect(all).toContain(command);
  expect(all.match(/scripts\/(deploy|rollback)\.sh/g)?.length).toBe(RUN_ELSEWHERE.length);
});

describe.concurrent('the script that tests metering', () => {
  const script = (local: LocalMeter, ...words: string[]) =>
    run(path.join(ROOT, 'scripts/test-usage-metering.sh'), ['local', ...words, '--data', local.data]);

  test('compares the counts, and fails if they differ', async () => {
    const local = await LocalMeter.start();
    try {
      const [{ api_key: secret }] = JSON.parse(fs.readFileSync(path.join(local.data, 'demo-keys.json'), 'utf8'));
      const fine = await script(local, secret, '--calls', '30');
      expect(fine.stdout, fine.stderr).toContain('21 answered with 200');
      expect(fine.stdout).toContain('Equal: all calls that succeeded are billed');
      expect(fine.status).toBe(0);
      const wrong = await script(local, 'no-key');
      expect(wrong.stderr).toContain('does not return the usage of this key');
      expect(wrong.status).toBe(2);
    } finally {
      await local.stop();
    }
    const losing = await LocalMeter.start('--lose-deliveries', '100');
    try {
      const [{ api_key: secret }] = JSON.parse(fs.readFileSync(path.join(losing.data, 'demo-keys.json'), 'utf8'));
      const { status, stdout, stderr } = await script(losing, secret, '--calls', '10', '--wait-at-most', '5');
      expect(stderr, stdout).toContain('DIFFERENT: the client saw 7 successful calls, the ledger counted 0');
      expect(status).toBe(1);
    } finally {
      await losing.stop();
    }
  });
});

describe.concurrent('the script that verifies', () => {
  test('fails if calls are not counted', async () => {
    const verify = (local: LocalMeter) =>
      run(path.join(ROOT, 'scripts/verify-deployment.sh'), ['local', '--data', local.data, '--wait-at-most', '5'], {
        env: { ...process.env, METER: path.join(ROOT, 'target/debug/meter') },
      });
    const losing = await LocalMeter.start('--lose-deliveries', '100');
    try {
      const { status, stdout } = await verify(losing);
      expect(stdout).toContain('FAIL  the call was not counted within 5 s');
      expect(status).toBe(1);
    } finally {
      await losing.stop();
    }
  });
});
