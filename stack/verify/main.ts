import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { missingSubscribers } from './audience';
import { calledApi } from './called-api';
import { Deployment, readDeployment } from './deployment';
import { localDeployment } from './local';
import { fromCloudWatch, metricsArrived } from './metrics-arrived';
import { SyntheticCall, syntheticCall } from './synthetic-call';
import { line, verify } from './verify';
import { limitedTo, ON_AWS, ON_ONE_MACHINE, Waits } from './waits';

/** The name of the environment for a local stack. */
const LOCAL = 'local';

/** A verification. */
interface Plan {
  readonly deployment: Deployment;
  /** The synthetic call, if there is an API to call. */
  readonly call: SyntheticCall | undefined;
  readonly waits: Waits;
}

async function plan(): Promise<Plan> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: 'string', default: process.env.METER_DATA ?? 'meter-data' },
      'api-url': { type: 'string' },
      'without-counting': { type: 'boolean', default: false },
      'wait-at-most': { type: 'string' },
    },
  });
  const environment = positionals[0]!;
  const data = path.resolve(process.env.CALLED_FROM ?? '.', values.data);
  const isLocal = environment === LOCAL;
  const local = isLocal ? localDeployment(data) : undefined;
  const deployment = local?.deployment ?? (await readDeployment(`UsageMeter-${environment}`));
  const withoutCounting = values['without-counting'];
  const limit = values['wait-at-most'];
  const limited = limitedTo(limit === undefined ? Infinity : Number(limit), isLocal ? ON_ONE_MACHINE : ON_AWS);
  const waits = withoutCounting ? { ...limited, metrics_s: 0 } : limited;
  const given = values['api-url'];
  const api = given === undefined && local !== undefined ? await local.api() : calledApi(deployment, given);
  const meter = process.env.METER ?? 'meter';
  const target = isLocal ? ['--data', data] : ['--aws', environment];
  const call = api && { meter, target, api, waitsForCount: !withoutCounting, waits };
  return { deployment, call, waits };
}

async function main(): Promise<boolean> {
  const { deployment, call, waits } = await plan();
  const areFine = await verifyResources(deployment, waits);
  const isCounted = call === undefined ? printNoCall() : await verifyCall(call);
  const warning = deployment.name === LOCAL ? undefined : await missingSubscribers(deployment);
  if (warning !== undefined) console.log(warning);
  return areFine && isCounted;
}

/** Prints that there is no API to call. Returns `true`, because this is not an error. */
function printNoCall(): boolean {
  console.log(
    '\nNo call was made: the stack has neither an example nor a canary-url. Name an API with the authorizer by --api-url URL.',
  );
  return true;
}

/** Makes a call, and waits until it is counted and the metrics of its functions are in CloudWatch. */
async function verifyCall(call: SyntheticCall): Promise<boolean> {
  console.log(`\nA call to ${call.api.url}:`);
  const isCounted = await printSteps(syntheticCall(call));
  const environment = call.target[1]!;
  const hasMetrics =
    call.waits.metrics_s === 0 || (await printSteps(metricsArrived(fromCloudWatch(environment), call.waits)));
  return isCounted && hasMetrics;
}

async function verifyResources(deployment: Deployment, waits: Waits): Promise<boolean> {
  console.log(`Resources of ${deployment.name}:`);
  const findings = await verify(deployment, waits);
  findings.forEach((finding) => console.log(line(finding)));
  const failed = findings.filter(({ problems }) => problems.length > 0);
  console.log(`${findings.length - failed.length} of ${findings.length} match the template.`);
  if (deployment.name === LOCAL) {
    console.log('A local stack has no roles, alarms or API Gateway to check. The call below tests its parts.');
  }
  return failed.length === 0;
}

/** Prints the steps of a check. Returns `false` if it fails. */
async function printSteps(steps: AsyncGenerator<string>): Promise<boolean> {
  try {
    for await (const step of steps) {
      console.log(step.startsWith('...') ? `        ${step}` : `  ok    ${step}`);
    }
    return true;
  } catch (error) {
    console.log(`  FAIL  ${(error as Error).message}`);
    return false;
  }
}

main().then(
  (isFine) => {
    console.log(isFine ? '\nVerified.' : '\nverify: failed; the problems are listed above.');
    process.exitCode = isFine ? 0 : 1;
  },
  (error: Error) => {
    console.error(`verify: ${error.message}`);
    process.exitCode = 2;
  },
);
