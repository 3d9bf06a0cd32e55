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
import { unheard } from '../verify/audience';
import { CLIENT, Deployment, readDeployment } from '../verify/deployment';
import { Finding, line, verify } from '../verify/verify';
import { limitedTo, ON_AWS } from '../verify/waits';
import { LEFT_OUT, NOT_SHOWN, setUnset, UNSET } from './ministack/gaps';
import { Project } from './ministack/project';
import { CHANGES, REMOVALS } from './ministack/removals';
import { Ministack } from './ministack/server';

const BINARIES = path.join(__dirname, '../../target/lambda-local');
const METER = path.join(__dirname, '../../target/debug/meter');
const ENVIRONMENT = 'dev';
const WITHOUT_ROLE = ['--binaries', BINARIES, '--omit', Object.keys(LEFT_OUT).join(',')];
const UNVERIFIED = [...WITHOUT_ROLE, '--set', 'account-role=yes'];
const OPTIONS = [...UNVERIFIED, '--no-verify'];

/** Nothing here happens later than it is asked for. */
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

function newKey(): { apiKeyId: string; apiKey: string } {
  return JSON.parse(meter('keys', 'create', '--owner', 'acme', '--json'));
}

/** The findings with problems, by the path of their resource. */
function problems(findings: Finding[]): Map<string, string> {
  return new Map(findings.filter((found) => found.problems.length > 0).map((found) => [found.resource.path, line(found)]));
}

/** Takes all items away that name something. */
async function removeItems(TableName: string, name: string): Promise<void> {
  const client = new DynamoDBClient(CLIENT);
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  const { Items } = await client.send(new ScanCommand({ TableName }));
  for (const item of Items!.filter((each) => JSON.stringify(each).includes(`"${name}"`))) {
    const Key = Object.fromEntries(Table!.KeySchema!.map(({ AttributeName }) => [AttributeName!, item[AttributeName!]!]));
    await client.send(new DeleteItemCommand({ TableName, Key }));
  }
}

/** Tags a deployment by the command that the script told. */
function tagAsTold(output: string): void {
  const [, words] = /run: git (tag \S+ \S+)/.exec(output)!;
  project.git(...words!.split(' '));
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 200));
}

beforeAll(async () => {
  ministack = await Ministack.start(folder);
  ministack.becomeAws();
  project = new Project(path.join(folder, 'project'));
});

afterAll(async () => {
  await ministack?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('the deploy script', () => {
  test('says what to do where CDK was never set up', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS]);
    expect(status).toBe(1);
    const [program, ...words] = /run: (.*cdk bootstrap .*)/.exec(output)![1]!.split(' ');
    execFileSync(program!, words, { cwd: project.folder, stdio: 'pipe' });
  });

  test('says so by the qualifier, where the account is to have one of its own', async () => {
    const qualified = [ENVIRONMENT, 'us-east-1', ...OPTIONS, '--set', 'bootstrap-qualifier=ours'];
    const { status, output } = await project.run('deploy.sh', qualified);
    expect(status).toBe(1);
    const [, command] = /run: (.*cdk bootstrap .*)/.exec(output)!;
    expect(command).toContain(' bootstrap --qualifier ours --toolkit-stack-name CDKToolkit-ours aws://000000000000/us-east-1');
    const [program, ...words] = command!.split(' ');
    execFileSync(program!, words, { cwd: project.folder, stdio: 'pipe' });
    expect((await project.run('deploy.sh', [...qualified, '--diff'])).output).not.toContain('cdk bootstrap');
  });

  test('says what to do where API Gateway has no role by which it writes logs', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...WITHOUT_ROLE]);
    expect(output).toContain('Deploy once with --set account-role=yes');
    expect(status).toBe(1);
  });

  test.each([
    [['Prod', 'us-east-1'], 'use 1 to 20 of a-z'],
    [['dev', 'us-east-1', '--binaries', '/nowhere'], 'the folder /nowhere cannot be found'],
    [['dev', 'us-east-1', '--fast'], 'scripts/deploy.sh ENVIRONMENT [REGION]'],
    [['dev', 'us-east-1', '--set', 'shard=2'], 'There is no option shard'],
  ])('refuses %j and says why', async (words, said) => {
    const { status, output } = await project.run('deploy.sh', words);
    expect(output).toContain(said);
    expect(status).not.toBe(0);
  });

  test('deploys everything, and says what the account allows, whom alarms tell, and how to tag it once it is verified', async () => {
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS]);
    expect(status, output).toBe(0);
    expect(output).toMatch(/[1-9][\d,]* calls\/s: Lambda's concurrency, of all functions of account and region \([\d,]+ at once/);
    expect(output).toMatch(/30,000 calls\/s: the invalidation log, one partition \(3,000 read units\/s\)/);
    expect(output).toMatch(/!!! THE \d+ ALARMS TELL NOBODY !!!/);
    expect(output).toContain('made the key canary of the canary; its secret is in /usage-meter/dev/canary-secret');
    expect(project.git('tag', '--points-at', 'HEAD')).toMatch(/^attempted\/dev\/\d{8}T\d{6}Z\n$/);
    tagAsTold(output);
    deployment = await readDeployment(`UsageMeter-${ENVIRONMENT}`);
    const api = deployment.resources.find(({ type }) => type === 'AWS::ApiGateway::RestApi')!;
    apiUrl = ministack.apiUrl(api.physicalId!, ENVIRONMENT);
  });

  test('shows what a change would do, and does nothing', async () => {
    project.edit('stack/lib/constructs/usage-pipeline.ts', 'Counts successful API calls', 'Counts API calls that succeeded');
    const { status, output } = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...OPTIONS, '--diff']);
    expect(output).toContain('Counts API calls that succeeded');
    expect(status, output).toBe(0);
  });

  test('is taken back by the rollback script', async () => {
    const description = async () => {
      const command = new GetFunctionConfigurationCommand({ FunctionName: `usage-consumer-${ENVIRONMENT}` });
      return (await new LambdaClient(CLIENT).send(command)).Description;
    };
    expect(await description()).toMatch(/^Counts successful API calls/);
    const tooEarly = await project.run('rollback.sh', [ENVIRONMENT, ...OPTIONS]);
    expect(tooEarly.output).toContain('has no earlier verified deployment');
    project.commit('another description');
    // The emulator leaves things unset, which verification finds.
    const deployed = await project.run('deploy.sh', [ENVIRONMENT, 'us-east-1', ...UNVERIFIED, '--wait-at-most', '1']);
    expect(deployed.output).toContain('deployed, but the verification failed, so it is not tagged');
    expect(deployed.status).toBe(1);
    expect(await description()).toMatch(/^Counts API calls that succeeded/);
    // What was deployed last is not verified, so the way back leads to the last that was.
    const { status, output } = await project.run('rollback.sh', [ENVIRONMENT, '--region', 'us-east-1', ...OPTIONS]);
    expect(output).toContain('the first version');
    expect(status, output).toBe(0);
    expect(await description()).toMatch(/^Counts successful API calls/);
    deployment = await readDeployment(`UsageMeter-${ENVIRONMENT}`);
  });
});

describe('the key of the canary', () => {
  const parameter = '/usage-meter/dev/canary-secret';
  const makeKey = () =>
    execFileSync('npx', ['tsx', 'verify/canary-key.ts', ENVIRONMENT], { cwd: path.join(project.folder, 'stack'), encoding: 'utf8', env: { ...process.env, METER } });
  const secret = async () =>
    (await new SSMClient(CLIENT).send(new GetParameterCommand({ Name: parameter, WithDecryption: true }))).Parameter!;

  test('is made once, by the first deployment, and its secret kept as an encrypted parameter', async () => {
    expect(makeKey()).toContain('the canary has its key');
    const { Type, Value } = await secret();
    expect(Type).toBe('SecureString');
    expect(await call(Value!)).toBe(200);
  });

  test('is made again where the parameter has outlived the keys', async () => {
    const before = (await secret()).Value;
    await removeItems('usage-keys-dev', 'canary');
    expect(makeKey()).toContain('made the key canary of the canary');
    const { Type, Value } = await secret();
    expect([Type, Value === before]).toEqual(['SecureString', false]);
    expect(await call(Value!)).toBe(200);
    expect(makeKey()).toContain('the canary has its key');
  });

  test('is not made again where somebody deleted it, which is said', async () => {
    const before = (await secret()).Value;
    meter('keys', 'delete', 'canary');
    expect(makeKey()).toContain('!!! the key canary was deleted');
    expect((await secret()).Value).toBe(before);
  });
});

describe('whom the alarms tell', () => {
  test('is said loudly where it is nobody', async () => {
    const sns = new SNSClient(CLIENT);
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }));
    const alarms = (AlarmActions: unknown[]): Deployment => ({
      ...deployment, resources: [{ logicalId: 'a', type: 'AWS::CloudWatch::Alarm', path: 'a', physicalId: 'a', properties: { AlarmActions } }] });
    expect(await unheard(alarms([]))).toContain('THE 1 ALARMS TELL NOBODY');
    expect(await unheard(alarms([TopicArn]))).toContain('NOBODY LISTENS TO THE TOPIC OF THE ALARMS');
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:us-east-1:000000000000:usage-quarantine-dev' }));
    expect(await unheard(alarms([TopicArn]))).toBeUndefined();
  });
});

describe('what is deployed', () => {
  test('has a key admitted, stopped and refused by the real authorizer behind API Gateway', async () => {
    const { apiKeyId, apiKey } = newKey();
    expect(await call(apiKey)).toBe(200);
    expect(await call(`${apiKey}x`)).toBe(403);
    meter('keys', 'delete', apiKeyId);
    await until(async () => (await call(apiKey)) === 403);
  });

  test('is spoken to by the commands of an operator', () => {
    const { apiKeyId } = newKey();
    expect(meter('keys', 'show', apiKeyId)).toContain('acme');
    expect(meter('keys', 'export')).toContain(`"api_key_id":"${apiKeyId}"`);
    expect(meter('stream', 'show')).toContain('on demand: it gets shards by itself');
    expect(meter('quarantine', 'list')).toContain('0 records in quarantine');
    expect(meter('usage', apiKeyId)).toContain(apiKeyId);
  });

  test('counts a record of its stream in its ledger, once, by the real consumer', async () => {
    const { apiKeyId } = newKey();
    const at = Date.now();
    const message = (status: string, id: number) =>
      JSON.stringify({ extendedRequestId: `request-${id}`, apiKeyId, requestTimeEpoch: String(at), status, resourcePath: '/status/{code}' });
    const logEvents = ['200', '204', '404', '500', '201'].map((status, id) => ({ id: `${id}`, timestamp: at, message: message(status, id) }));
    const envelope = { messageType: 'DATA_MESSAGE', logGroup: '/aws/api-gateway/usage-dev', logStream: 'a', subscriptionFilters: ['usage'], logEvents };
    const record = { StreamName: `usage-${ENVIRONMENT}`, Data: Buffer.from(JSON.stringify(envelope)) };
    const kinesis = new KinesisClient(CLIENT);
    // CloudWatch Logs may deliver a batch twice.
    await kinesis.send(new PutRecordCommand({ ...record, PartitionKey: 'one' }));
    await kinesis.send(new PutRecordCommand({ ...record, PartitionKey: 'two' }));
    const last = { ...envelope, logEvents: [{ ...logEvents[0]!, id: 'last', message: message('200', 9).replace(apiKeyId, `${apiKeyId}-last`) }] };
    await kinesis.send(new PutRecordCommand({ ...record, Data: Buffer.from(JSON.stringify(last)), PartitionKey: 'one' }));
    await kinesis.send(new PutRecordCommand({ ...record, Data: Buffer.from(JSON.stringify(last)), PartitionKey: 'two' }));
    const calls = (key: string) => meter('usage', key, '--csv').trim().split('\n').slice(1).reduce((sum, row) => sum + Number(row.split(',')[2]), 0);
    await until(() => calls(`${apiKeyId}-last`) > 0);
    await until(() => calls(apiKeyId) > 0);
    expect([calls(apiKeyId), calls(`${apiKeyId}-last`)]).toEqual([3, 1]);
  });
});

describe('verification', () => {
  test('finds nothing wrong, but for what the emulator leaves unset', async () => {
    const unset = new Set(UNSET.map(({ type }) => type));
    const before = await verify({ ...deployment, resources: deployment.resources.filter(({ type }) => type !== 'AWS::CloudWatch::Alarm') }, WAITS);
    for (const { resource, problems } of before.filter((found) => found.problems.length > 0)) {
      expect(unset, `${resource.path}: ${problems.join()}`).toContain(resource.type);
    }
    await setUnset(deployment);
    expect([...problems(await verify(deployment, WAITS)).values()]).toEqual([]);
    expect(NOT_SHOWN.length).toBeGreaterThan(0);
  });

  test('is a script that says so, and makes a call', async () => {
    const { status, output } = await project.run('verify-deployment.sh', [ENVIRONMENT, 'us-east-1', '--api-url', `${apiUrl}/status/200`, '--without-counting', '--wait-at-most', '1']);
    expect(status, output).toBe(0);
    expect(output).toContain('the key was deleted, and its calls are denied');
  });

  test('takes any role by which API Gateway writes its logs, of whichever stack', async () => {
    const role = 'arn:aws:iam::000000000000:role/another';
    const gateway = new APIGatewayClient(CLIENT);
    await gateway.send(new UpdateAccountCommand({ patchOperations: [{ op: 'replace', path: '/cloudwatchRoleArn', value: role }] }));
    expect((await gateway.send(new GetAccountCommand({}))).cloudwatchRoleArn).toBe(role);
    expect(problems(await verify(deployment, WAITS))).toEqual(new Map());
  });

  test.each(CHANGES)('misses $what', async ({ path, change, said }) => {
    const resource = deployment.resources.find((each) => each.path === path)!;
    const before = problems(await verify(deployment, WAITS));
    await change(resource);
    const after = problems(await verify(deployment, WAITS));
    expect(after.get(path)).toMatch(said);
    expect([...after.keys()].filter((each) => !before.has(each))).toEqual([path]);
  });

  test('misses any one resource, permission or subscription that is taken away', async () => {
    const types = Object.keys(REMOVALS);
    expect([...new Set(deployment.resources.map(({ type }) => type))].filter((type) => !types.includes(type))).toEqual([]);
    const order = deployment.resources.map((resource) => ({ resource, place: types.indexOf(resource.type) }));
    const changed = new Set(CHANGES.map(({ path }) => path));
    let before = problems(await verify(deployment, WAITS));
    const taken: string[] = [];
    for (const { resource } of order.sort((left, right) => left.place - right.place)) {
      await REMOVALS[resource.type]!(resource);
      const after = problems(await verify(deployment, WAITS));
      expect(after.get(resource.path), `${resource.type} ${resource.path}`).toMatch(/missing|no subscription|should be/);
      const news = [...after.keys()].filter((each) => !before.has(each));
      expect(news, `${resource.type} ${resource.path}`).toEqual(changed.has(resource.path) ? [] : [resource.path]);
      before = after;
      taken.push(resource.path);
    }
    expect(taken.length).toBe(deployment.resources.length);
    console.log(`${taken.length} resources were taken away, one by one, and each was named as the one that is missing`);
  });

  test('is a script that fails then', async () => {
    const { status, output } = await project.run('verify-deployment.sh', [ENVIRONMENT, 'us-east-1', '--api-url', `${apiUrl}/status/200`, '--without-counting', '--wait-at-most', '1']);
    expect(status).toBe(1);
    expect(output).toContain('FAIL  Logs::SubscriptionFilter Pipeline/Subscription');
    expect(output).toContain('is named above');
  });
});

// Last, since a second example API sets the role by which API Gateway writes logs, which the first has set too.
describe('a first deployment that is protected', () => {
  test('is made in two steps, of which the first can be taken back, and is protected in the end', async () => {
    const deploy = () => project.run('deploy.sh', ['prod', 'us-east-1', ...OPTIONS]);
    const first = await deploy();
    expect(first.status, first.output).toBe(0);
    expect(first.output).toContain('the stack is created first and protected afterwards');
    const { Table } = await new DynamoDBClient(CLIENT).send(new DescribeTableCommand({ TableName: 'usage-keys-prod' }));
    expect(Table?.DeletionProtectionEnabled).toBe(true);
    const { Stacks } = await new CloudFormationClient(CLIENT).send(new DescribeStacksCommand({ StackName: 'UsageMeter-prod' }));
    expect(Stacks?.[0]?.EnableTerminationProtection).toBe(true);
    expect((await deploy()).output).not.toContain('the stack is created first');
  });
});
