import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { isProtected } from '../lib/settings';
import { CLIENT } from './deployment';
import { optionsOf } from './options';

/** The states of a stack whose creation was not completed. */
const NOT_CREATED = /^(ROLLBACK_COMPLETE|ROLLBACK_FAILED|REVIEW_IN_PROGRESS|DELETE_COMPLETE)$/;

async function isCreated(StackName: string): Promise<boolean> {
  try {
    const { Stacks } = await new CloudFormationClient(CLIENT).send(new DescribeStacksCommand({ StackName }));
    return Stacks?.[0] !== undefined && !NOT_CREATED.test(Stacks[0].StackStatus ?? '');
  } catch (error) {
    if (/does not exist/.test((error as Error).message)) return false;
    throw error;
  }
}

/** Prints conditions for deploy.sh: `creating-protected` if a protected stack does not exist yet, and `canary` if the
 * canary is deployed: `tsx verify/plan.ts ENVIRONMENT [OPTION=VALUE]...`. */
async function main(environment: string, pairs: string[]): Promise<void> {
  const options = optionsOf(environment, pairs);
  const protects = options.isOn('protect') ?? isProtected(environment);
  if (protects && !(await isCreated(`UsageMeter-${environment}`))) console.log('creating-protected');
  if (options.hasCanary()) console.log('canary');
}

main(process.argv[2]!, process.argv.slice(3)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
