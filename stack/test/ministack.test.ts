import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { APIGatewayClient, GetAccountCommand, UpdateAccountCommand } from '@aws-sdk/client-api-gateway';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DeleteItemCommand, DescribeTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingSubscribers } from '../verify/audience';
import { CLIENT, Deployment, readDeployment } from '../verify/deployment';
import { Finding, line, verify } from '../verify/verify';
import { limitedTo, ON_AWS } from '../verify/waits';
import { OMITTED, NOT_COVERED, setUnset, UNSET } from './ministack/gaps';
import { Project } from './ministack/project';
import { CHANGES, REMOVALS } from './ministack/removals';
import { Ministack } from './ministack/server';
import { PORTAL_KEY } from './parts';
import { outputOf } from './run';

const BINARIES = path.join(__dirname, '../../target/lambda-local');
const METER = path.join(__dirname, '../../target/debug/meter');
const ENVIRONMENT = 'dev';
const WITHOUT_ROLE = ['--binaries', BINARIES, '--omit', Object.keys(OMITTED).join(',')];
const PORTAL = ['--set', `portal-public-keys=${PORTAL_KEY}`];
const UNVERIFIED = [...WITHOUT_ROLE, ...PORTAL, '--set', 'account-role=yes'];
const OPTIONS = [...UNVERIFIED, '--no-verify'];

/** The emulator changes everything synchronously. */
const WAITS = limitedTo(1, ON_AWS);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'usage-meter-deployment-'));
let ministack: Ministack;
let project: Project;
let deployment: Deployment;
let apiUrl: string;

function meter(...words: string[]): string {
  return execFileSync(METER, [...words, '--aws', ENVIRONMENT], { encoding: 'utf8' });
}

async function call(secret: string): Promise<number> {
  return (await fetch(`${apiUrl}/status/200`, { headers: { 'x-api-key': secret } })).status;
}

function newKey(): { keyId: string; secret: string } {
  const created = JSON.parse(meter('keys', 'create', '--owner', 'acme', '--json'));
  return { keyId: created.api_key_id, secret: created.api_key };
}

/** Returns the findings with problems, by the path of their resource. */
function problems(findings: Finding[]): Map<string, string> {
  return new Map(
    findings.filter((found) => found.problems.length > 0).map((found) => [found.resource.path, line(found)]),
  );
}

/** Deletes all items that contain a text. */
async function removeItems(TableName: string, name: string): Promise<void> {
  const client = new DynamoDBClient(CLIENT);
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  const { Items } = await client.send(new ScanCommand({ TableName }));
  for (const item of Items!.filter((each) => JSON.stringify(each).includes(`"${name}"`))) {
    const Key = Object.fromEntries(
      Table!.KeySchema!.map(({ AttributeName }) => [AttributeName!, item[AttributeName!]!]),
    );
    await client.send(new DeleteItemCommand({ TableName, Key }));
  }
}

/** Tags a deployment with the command in the output of the script. */
function tagAsPrinted(output: string): void {
  const [, words] = /run: git (tag \S+ \S+)/.exec(output)!;
  project.git(...words!.split(' '));
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 200));
}

beforeAll(async () => {
  ministack = await Ministack.start(folder);
  ministack.useAsAws();
  project = new Project(path.join(folder, 'project'));
});

afterAll(async () => {
  await ministack?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('the deploy script', () => {
  test('prints a remedy if the account is not bootstrapped', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS]);
    expect(status).toBe(1);
    const [program, ...words] = /run: (.*cdk bootstrap .*)/.exec(output)![1]!.split(' ');
    await outputOf(program!, words, { cwd: project.folder });
  });

  test('prints the remedy with the qualifier, if there is one', async () => {
    const qualified = [ENVIRONMENT, 'us-east-1', ...OPTIONS, '--set', 'bootstrap-qualifier=ours'];
    const { status, output } = await project.run('deploy.sh', qualified);
    expect(status).toBe(1);
    const [, command] = /run: (.*cdk bootstrap .*)/.exec(output)!;
    expect(command).toContain(
      ' bootstrap --qualifier ours --toolkit-stack-name CDKToolkit-ours aws://000000000000/us-east-1',
    );
    const [program, ...words] = command!.split(' ');
    await outputOf(program!, words, { cwd: project.folder });
    expect((await project.run('deploy.sh', [...qualified, '--diff'])).output).not.toContain('cdk bootstrap');
  });

  test('prints a remedy if API Gateway has no role to write logs', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...WITHOUT_ROLE]);
    expect(output).toContain('Deploy once with --set account-role=yes');
    expect(status).toBe(1);
  });

  test.each([
    [['Prod', 'us-east-1'], 'use 1 to 20 of a-z'],
    [['dev', 'us-east-1', '--binaries', '/nowhere'], 'the folder /nowhere cannot be found'],
    [['dev', 'us-east-1', '--fast'], 'scripts/deploy.sh ENVIRONMENT [REGION]'],
    [['dev', 'us-east-1', '--set', 'shard=2'], 'There is no option shard'],
  ])('refuses %j with the reason', async (words, message) => {
    const { status, output } = await project.run('deploy.sh', words);
    expect(output).toContain(message);
    expect(status).not.toBe(0);
  });

  test('deploys everything, and prints quotas, missing subscribers and the command to tag it after the verification', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS]);
    expect(status, output).toBe(0);
    expect(output).toMatch(
      /[1-9][\d,]* calls\/s: Lambda concurrency of all functions of the account and region \([\d,]+ concurrent/,
    );
    expect(output).toMatch(/30,000 calls\/s: the invalidation log, one partition \(3,000 read units\/s\)/);
    expect(output).toMatch(/!!! THE \d+ ALARMS NOTIFY NO TOPIC !!!/);
    expect(output).toContain('created the key canary of the canary; its secret is in /usage-meter/dev/canary-secret');
    expect(project.git('tag', '--points-at', 'HEAD')).toMatch(/^attempted\/dev\/\d{8}T\d{6}Z\n$/);
    tagAsPrinted(output);
    deployment = await readDeployment(`UsageMeter-${ENVIRONMENT}`);
    const api = deployment.resources.find(({ type }) => type === 'AWS::ApiGateway::RestApi')!;
    apiUrl = ministack.apiUrl(api.physicalId!, ENVIRONMENT);
  });

  test('shows a change without deploying it', async () => {
    project.edit(
      'stack/lib/constructs/usage-pipeline.ts',
      'Counts billed API calls',
      'Counts API calls that succeeded',
    );
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS, '--diff']);
    expect(output).toContain('Counts API calls that succeeded');
    expect(status, output).toBe(0);
  });

  test('is reverted by the rollback script', async () => {
    const description = async () => {
      const command = new GetFunctionConfigurationCommand({ FunctionName: `usage-consumer-${ENVIRONMENT}` });
      return (await new LambdaClient(CLIENT).send(command)).Description;
    };
    expect(await description()).toMatch(/^Counts billed API calls/);
    const tooEarly = await project.run('rollback.sh', [ENVIRONMENT, ...OPTIONS]);
    expect(tooEarly.output).toContain('has no earlier verified deployment');
    project.commit('another description');
    // The emulator leaves settings unset, which the verification finds.
    const deployed = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...UNVERIFIED, '--wait-at-most', '1']);
    expect(deployed.output).toContain('deployed, but the verification failed, so it is not tagged');
    expect(deployed.status).toBe(1);
    expect(await description()).toMatch(/^Counts API calls that succeeded/);
    // The last deployment is not verified, so the rollback is to the last verified one.
    const { status, output } = await project.run('rollback.sh', [ENVIRONMENT, '--region', 'us-east-1', ...OPTIONS]);
    expect(output).toContain('the first version');
    expect(status, output).toBe(0);
    expect(await description()).toMatch(/^Counts billed API calls/);
    deployment = await readDeployment(`UsageMeter-${ENVIRONMENT}`);
  });
});

describe('the key of the canary', () => {
  const parameter = '/usage-meter/dev/canary-secret';
  const createKey = () =>
    outputOf('npx', ['tsx', 'verify/canary-key.ts', ENVIRONMENT], {
      cwd: path.join(project.folder, 'stack'),
      env: { ...process.env, METER },
    });
  const secret = async () =>
    (await new SSMClient(CLIENT).send(new GetParameterCommand({ Name: parameter, WithDecryption: true }))).Parameter!;

  test('is created once, by the first deployment, and its secret stored as an encrypted parameter', async () => {
    expect(await createKey()).toContain('the canary has its key');
    const { Type, Value } = await secret();
    expect(Type).toBe('SecureString');
    expect(await call(Value!)).toBe(200);
  });

  test('is created again if only the parameter remains', async () => {
    const before = (await secret()).Value;
    await removeItems('usage-keys-dev', 'canary');
    expect(await createKey()).toContain('created the key canary of the canary');
    const { Type, Value } = await secret();
    expect([Type, Value === before]).toEqual(['SecureString', false]);
    expect(await call(Value!)).toBe(200);
    expect(await createKey()).toContain('the canary has its key');
  });

  test('is not created again after its deletion, which is printed', async () => {
    const before = (await secret()).Value;
    meter('keys', 'delete', 'canary');
    expect(await createKey()).toContain('!!! the key canary was deleted');
    expect((await secret()).Value).toBe(before);
  });
});

describe('missing subscribers of alarms', () => {
  test('are a warning', async () => {
    const sns = new SNSClient(CLIENT);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }));
    const alarms = (AlarmActions: unknown[]): Deployment => ({
      ...deployment,
      resources: [
        { logicalId: 'a', type: 'AWS::CloudWatch::Alarm', path: 'a', physicalId: 'a', properties: { AlarmActions } },
      ],
    });
    expect(await missingSubscribers(alarms([]))).toContain('THE 1 ALARMS NOTIFY NO TOPIC');
    expect(await missingSubscribers(alarms([TopicArn]))).toContain('THE TOPIC OF THE ALARMS HAS NO SUBSCRIBERS');
    await sns.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: 'arn:aws:sqs:us-east-1:000000000000:usage-quarantine-dev',
      }),
    );
    expect(await missingSubscribers(alarms([TopicArn]))).toBeUndefined();
  });
});

describe('what is deployed', () => {
  test('admits a key, and denies it after its deletion, by the real authorizer behind API Gateway', async () => {
    const { keyId, secret: key } = newKey();
    expect(await call(key)).toBe(200);
    expect(await call(`${key}x`)).toBe(403);
    meter('keys', 'delete', keyId);
    await until(async () => (await call(key)) === 403);
  });

  test('is used by the commands of an operator', () => {
    const { keyId } = newKey();
    expect(meter('keys', 'show', keyId)).toContain('acme');
    expect(meter('keys', 'export')).toContain(`"api_key_id":"${keyId}"`);
    expect(meter('stream', 'show')).toContain('provisioned');
    expect(meter('quarantine', 'list')).toContain('0 records in quarantine');
    expect(meter('usage', keyId)).toContain(keyId);
  });

  test('counts a record of its stream in its ledger, once, by the real consumer', async () => {
    const { keyId } = newKey();
    const at = Date.now();
    const message = (status: string, id: number) =>
      JSON.stringify({
        extendedRequestId: `request-${id}`,
        apiKeyId: keyId,
        requestTimeEpoch: String(at),
        status,
        resourcePath: '/status/{code}',
      });
    const logEvents = ['200', '204', '404', '500', '201'].map((status, id) => ({
      id: `${id}`,
      timestamp: at,
      message: message(status, id),
    }));
    const envelope = {
      messageType: 'DATA_MESSAGE',
      logGroup: '/aws/api-gateway/usage-dev',
      logStream: 'a',
      subscriptionFilters: ['usage'],
      logEvents,
    };
    const record = { StreamName: `usage-${ENVIRONMENT}`, Data: Buffer.from(JSON.stringify(envelope)) };
    const kinesis = new KinesisClient(CLIENT);
    // CloudWatch Logs may deliver a batch twice.
    await kinesis.send(new PutRecordCommand({ ...record, PartitionKey: 'one' }));
    await kinesis.send(new PutRecordCommand({ ...record, PartitionKey: 'two' }));
    const last = {
      ...envelope,
      logEvents: [{ ...logEvents[0]!, id: 'last', message: message('200', 9).replace(keyId, `${keyId}-last`) }],
    };
    await kinesis.send(
      new PutRecordCommand({ ...record, Data: Buffer.from(JSON.stringify(last)), PartitionKey: 'one' }),
    );
    await kinesis.send(
      new PutRecordCommand({ ...record, Data: Buffer.from(JSON.stringify(last)), PartitionKey: 'two' }),
    );
    const calls = (key: string) =>
      meter('usage', key, '--csv')
        .trim()
        .split('\n')
        .slice(1)
        .reduce((sum, row) => sum + Number(row.split(',')[2]), 0);
    await until(() => calls(`${keyId}-last`) > 0);
    await until(() => calls(keyId) > 0);
    expect([calls(keyId), calls(`${keyId}-last`)]).toEqual([3, 1]);
  });
});

/** Runs the script that verifies the deployment, without waiting for counts. */
function runVerification(): ReturnType<Project['run']> {
  const url = `${apiUrl}/status/200`;
  const options = ['--api-url', url, '--without-counting', '--wait-at-most', '1'];
  return project.run('verify-deployment.sh', [ENVIRONMENT, 'us-east-1', ...options]);
}

describe('verification', () => {
  test('finds only settings that the emulator leaves unset', async () => {
    const unset = new Set(UNSET.map(({ type }) => type));
    const before = await verify(
      { ...deployment, resources: deployment.resources.filter(({ type }) => type !== 'AWS::CloudWatch::Alarm') },
      WAITS,
    );
    for (const found of before.filter((finding) => finding.problems.length > 0)) {
      expect(unset, `${found.resource.path}: ${found.problems.join()}`).toContain(found.resource.type);
    }
    await setUnset(deployment);
    expect([...problems(await verify(deployment, WAITS)).values()]).toEqual([]);
    expect(NOT_COVERED.length).toBeGreaterThan(0);
  });

  test('is a script that succeeds, and makes a call', async () => {
    const { status, output } = await runVerification();
    expect(status, output).toBe(0);
    expect(output).toContain('the key was deleted, and its calls are denied');
  });

  test('accepts a role of any stack for the logs of API Gateway', async () => {
    const role = 'arn:aws:iam::000000000000:role/another';
    const gateway = new APIGatewayClient(CLIENT);
    await gateway.send(
      new UpdateAccountCommand({ patchOperations: [{ op: 'replace', path: '/cloudwatchRoleArn', value: role }] }),
    );
    expect((await gateway.send(new GetAccountCommand({}))).cloudwatchRoleArn).toBe(role);
    expect(problems(await verify(deployment, WAITS))).toEqual(new Map());
  });

  test.each(CHANGES)('detects a change of $what', async ({ path: place, change, message }) => {
    const resource = deployment.resources.find((each) => each.path === place)!;
    const before = problems(await verify(deployment, WAITS));
    await change(resource);
    const after = problems(await verify(deployment, WAITS));
    expect(after.get(place)).toMatch(message);
    expect([...after.keys()].filter((each) => !before.has(each))).toEqual([place]);
  });

  test('detects the removal of each resource, permission and subscription', async () => {
    const types = Object.keys(REMOVALS);
    expect([...new Set(deployment.resources.map(({ type }) => type))].filter((type) => !types.includes(type))).toEqual(
      [],
    );
    const order = deployment.resources.map((resource) => ({ resource, place: types.indexOf(resource.type) }));
    const changed = new Set(CHANGES.map((change) => change.path));
    let before = problems(await verify(deployment, WAITS));
    const taken: string[] = [];
    for (const { resource } of order.sort((left, right) => left.place - right.place)) {
      await REMOVALS[resource.type]!(resource);
      const after = problems(await verify(deployment, WAITS));
      expect(after.get(resource.path), `${resource.type} ${resource.path}`).toMatch(/missing|no subscription|expected/);
      const news = [...after.keys()].filter((each) => !before.has(each));
      expect(news, `${resource.type} ${resource.path}`).toEqual(changed.has(resource.path) ? [] : [resource.path]);
      before = after;
      taken.push(resource.path);
    }
    expect(taken.length).toBe(deployment.resources.length);
    console.log(`${taken.length} resources were removed one by one, and each was reported`);
  });

  test('is a script that fails after the removals', async () => {
    const { status, output } = await runVerification();
    expect(status).toBe(1);
    expect(output).toContain('FAIL  Logs::SubscriptionFilter Pipeline/Subscription');
    expect(output).toContain('the problems are listed above');
  });
});

// This is last, because a second example API sets the role for the logs of API Gateway, which the first also sets.
describe('a first deployment with protection', () => {
  test('has two steps, of which the first can be rolled back, and is protected at the end', async () => {
    const deploy = () => project.run('deploy.sh', ['prod', 'us-east-1', ...OPTIONS]);
    const first = await deploy();
    expect(first.status, first.output).toBe(0);
    expect(first.output).toContain('the stack is created first and protected afterwards');
    const { Table } = await new DynamoDBClient(CLIENT).send(new DescribeTableCommand({ TableName: 'usage-keys-prod' }));
    expect(Table?.DeletionProtectionEnabled).toBe(true);
    const { Stacks } = await new CloudFormationClient(CLIENT).send(
      new DescribeStacksCommand({ StackName: 'UsageMeter-prod' }),
    );
    expect(Stacks?.[0]?.EnableTerminationProtection).toBe(true);
    expect((await deploy()).output).not.toContain('the stack is created first');
  });
});
