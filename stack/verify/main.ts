import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { unheard } from './audience';
import { calledApi } from './called-api';
import { Deployment, readDeployment } from './deployment';
import { localDeployment } from './local';
import { fromCloudWatch, metricsArrived } from './metrics-arrived';
import { SyntheticCall, syntheticCall } from './synthetic-call';
import { line, verify } from './verify';
import { limitedTo, ON_AWS, ON_ONE_MACHINE, Waits } from './waits';

/** The environment that is a stack on this machine. */
const LOCAL = 'local';

/** What is verified. */
interface Plan {
  readonly deployment: Deployment;
  /** The call that is made, where it is known of what. */
  readonly call: SyntheticCall | undefined;
  readonly waits: Waits;
}

async function planned(): Promise<Plan> {
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
  const byDefault = limitedTo(limit === undefined ? Infinity : Number(limit), isLocal ? ON_ONE_MACHINE : ON_AWS);
  const waits = withoutCounting ? { ...byDefault, metrics_s: 0 } : byDefault;
  const given = values['api-url'];
  const api = given === undefined && local !== undefined ? await local.api() : calledApi(deployment, given);
  const meter = process.env.METER ?? 'meter';
  const target = isLocal ? ['--data', data] : ['--aws', environment];
  const call = api && { meter, target, api, waitsForCount: !withoutCounting, waits };
  return { deployment, call, waits };
}

async function main(): Promise<boolean> {
  const { deployment, call, waits } = await planned();
  const areFine = await verifyResources(deployment, waits);
  const isCounted = call === undefined ? sayNoCall() : await verifyCall(call);
  const said = deployment.name === LOCAL ? undefined : await unheard(deployment);
  if (said !== undefined) console.log(said);
  return areFine && isCounted;
}

/** Says that no call is made. A deployment without an API is as it should be all the same. */
function sayNoCall(): boolean {
  console.log(
    '\nNo call was made: the stack has no example, and no canary-url. Name an API that asks its authorizer with --api-url URL.',
  );
  return true;
}

/** Makes a call, and waits until it is counted and the metrics of the functions that it went through are there. */
async function verifyCall(call: SyntheticCall): Promise<boolean> {
  console.log(`\nA call to ${call.api.url}:`);
  const isCounted = await steps(syntheticCall(call));
  const environment = call.target[1]!;
  const areSeen = call.waits.metrics_s === 0 || (await steps(metricsArrived(fromCloudWatch(environment), call.waits)));
  return isCounted && areSeen;
}

async function verifyResources(deployment: Deployment, waits: Waits): Promise<boolean> {
  console.log(`Resources of ${deployment.name}:`);
  const findings = await verify(deployment, waits);
  findings.forEach((finding) => console.log(line(finding)));
  const failed = findings.filter(({ problems }) => problems.length > 0);
  console.log(`${findings.length - failed.length} of ${findings.length} are as they should be.`);
  if (deployment.name === LOCAL) {
    console.log(
      'A stack on one machine has no roles, alarms or API Gateway to check; the call below goes through its parts.',
    );
  }
  return failed.length === 0;
}

/** Prints what is seen, step by step. Returns whether all went well. */
async function steps(seen: AsyncGenerator<string>): Promise<boolean> {
  try {
    for await (const step of seen) {
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
    console.log(isFine ? '\nVerified.' : '\nverify: something is wrong, and is named above.');
    process.exitCode = isFine ? 0 : 1;
  },
  (error: Error) => {
    console.error(`verify: ${error.message}`);
    process.exitCode = 2;
  },
);
