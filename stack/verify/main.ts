import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { unheard } from './audience';
import { apiUrl, Deployment, readDeployment } from './deployment';
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
  readonly call: SyntheticCall;
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
  const call = {
    meter: process.env.METER ?? 'meter',
    target: isLocal ? ['--data', data] : ['--aws', environment],
    apiUrl: values['api-url'] ?? local?.gateway ?? apiUrl(deployment),
    waitsForCount: !withoutCounting,
    hasLimitHeaders: !withoutCounting,
    waits,
  };
  return { deployment, call, waits };
}

async function main(): Promise<boolean> {
  const { deployment, call, waits } = await planned();
  const areFine = await verifyResources(deployment, waits);
  console.log(`\nA call to ${call.apiUrl}:`);
  const isCounted = await steps(syntheticCall(call));
  const environment = call.target[1]!;
  const areSeen = waits.metrics_s === 0 || (await steps(metricsArrived(fromCloudWatch(environment), waits)));
  const said = deployment.name === LOCAL ? undefined : await unheard(deployment);
  if (said !== undefined) console.log(said);
  return areFine && isCounted && areSeen;
}

async function verifyResources(deployment: Deployment, waits: Waits): Promise<boolean> {
  console.log(`Resources of ${deployment.name}:`);
  const findings = await verify(deployment, waits);
  findings.forEach((finding) => console.log(line(finding)));
  const failed = findings.filter(({ problems }) => problems.length > 0);
  console.log(`${findings.length - failed.length} of ${findings.length} are as they should be.`);
  if (deployment.name === LOCAL) {
    console.log('A stack on one machine has no roles, alarms or API Gateway to check; the call below goes through its parts.');
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
