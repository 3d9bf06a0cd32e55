import * as fs from 'node:fs';
import * as path from 'node:path';
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { expect } from 'vitest';
import { namesOf } from '../lib/names';
import { Json } from '../release/json';
import { CLIENT } from '../verify/deployment';
import { Ministack } from './ministack/server';
import { outputOf } from './run';
import { Steps } from './steps';

/** Somebody who deploys the meter for the first time, to the emulator. */
export class Newcomer {
  /** `meter` is the path of the command. */
  constructor(
    private readonly ministack: Ministack,
    private readonly meter: string,
    private readonly steps: Steps,
  ) {}

  /** Runs a command of `meter` on an environment, and returns its JSON. */
  async run(environment: string, ...words: string[]): Promise<Record<string, Json>> {
    return JSON.parse(await outputOf(this.meter, [...words, '--aws', environment, '--json'])) as Record<string, Json>;
  }

  /** Creates a key, expects that the API at a URL admits it and no other one, and that its call is counted. Returns the
   * secret of the key. The names of the steps begin with the prefix. */
  async countCall(environment: string, url: string, prefix = ''): Promise<string> {
    const words = ['keys', 'create', '--owner', 'acme'];
    const created = await this.steps.run(`${prefix}create a key`, () => this.run(environment, ...words));
    const { api_key: secret, api_key_id: key } = created as Record<string, string>;
    const call = async (apiKey: string) => (await fetch(url, { headers: { 'x-api-key': apiKey } })).status;
    expect([await call(secret!), await call('unknown')]).toEqual([200, 403]);

    // The emulator writes no access log.
    const line = { id: 'a', key, time: Date.now(), status: '200' };
    const logEvents = [{ id: '1', timestamp: Date.now(), message: JSON.stringify(line) }];
    const envelope = { messageType: 'DATA_MESSAGE', owner: '1', logGroup: 'a', logStream: 'b', logEvents };
    const Data = Buffer.from(JSON.stringify({ ...envelope, subscriptionFilters: ['usage'] }));
    const StreamName = namesOf(environment).stream;
    await new KinesisClient(CLIENT).send(new PutRecordCommand({ StreamName, PartitionKey: 'one', Data }));
    const counted = async () => (await this.run(environment, 'usage', key!)).calls;
    await this.steps.run(`${prefix}see the call of the key counted`, async () => {
      while ((await counted()) !== 1) await new Promise((resolve) => setTimeout(resolve, 200));
    });
    return secret!;
  }

  /** Deploys the first program of stack/README.md, which is in an app, with the CDK CLI, and counts a call. */
  async deployReadme(app: { folder: string; cdk: string; command: string }, prefix: string): Promise<void> {
    const { folder, cdk, command } = app;
    const run = (...words: string[]) =>
      outputOf(cdk, [...words, '--no-notices', '--app', command, '--output', 'deploy.out'], { cwd: folder });
    await this.steps.run(`${prefix}cdk bootstrap`, () => run('bootstrap'));
    const words = ['deploy', 'Meter', '--require-approval', 'never', '--outputs-file', 'outputs.json'];
    await this.steps.run(`${prefix}cdk deploy`, () => run(...words));
    const { Meter } = JSON.parse(fs.readFileSync(path.join(folder, 'outputs.json'), 'utf8'));
    const [, apiId] = /https:\/\/(\w+)\.execute-api/.exec(Object.values<string>(Meter).join(' '))!;
    await this.countCall('dev', `${this.ministack.httpApiUrl(apiId!, 'prod')}/orders`, prefix);
  }
}
