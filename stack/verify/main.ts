import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { apiUrl, Deployment, readDeployment } from './deployment';
import { localDeployment } from './local';
import { syntheticCall } from './synthetic-call';
import { line, verify } from './verify';

/** The environment that is a stack on this machine. */
const LOCAL = 'local';

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: 'string', default: process.env.METER_DATA ?? 'meter-data' },
      'api-url': { type: 'string' },
      'without-counting': { type: 'boolean', default: false },
    },
  });
  const environment = positionals[0]!;
  const data = path.resolve(process.env.CALLED_FROM ?? '.', values.data);
  let deployment: Deployment;
  let url = values['api-url'];
  let target = ['--aws', environment];
  if (environment === LOCAL) {
    const local = localDeployment(data);
    ({ deployment } = local);
    url ??= local.gateway;
    target = ['--data', data];
  } else {
    deployment = await readDeployment(`UsageMeter-${environment}`);
    url ??= apiUrl(deployment);
  }
  const areFine = await verifyResources(deployment);
  const meter = process.env.METER ?? 'meter';
  return (await callOnce({ meter, target, apiUrl: url, waitsForCount: !values['without-counting'] })) && areFine;
}

async function verifyResources(deployment: Deployment): Promise<boolean> {
  console.log(`Resources of ${deployment.name}:`);
  const findings = await verify(deployment);
  findings.forEach((finding) => console.log(line(finding)));
  const failed = findings.filter(({ problems }) => problems.length > 0);
  console.log(`${findings.length - failed.length} of ${findings.length} are as they should be.`);
  if (deployment.name === LOCAL) {
    console.log('A stack on one machine has no roles, alarms or API Gateway to check; the call below goes through its parts.');
  }
  return failed.length === 0;
}

async function callOnce(call: Parameters<typeof syntheticCall>[0]): Promise<boolean> {
  console.log(`\nA call to ${call.apiUrl}:`);
  try {
    for await (const seen of syntheticCall(call)) {
      console.log(`  ok    ${seen}`);
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
