import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { CLIENT } from './deployment';
import { withoutLogRole } from './log-role';
import { optionsOf } from './options';
import { quotas } from './quotas';

/** The qualifier that `cdk bootstrap` uses unless told otherwise. */
const DEFAULT_QUALIFIER = 'hnb659fds';

/** Prints the account of the credentials, and beside it which rates of calls its quotas allow. Says what to do where
 * there is no account, or it is not bootstrapped: `tsx verify/account.ts ENVIRONMENT [OPTION=VALUE]...`. */
async function main(environment: string, pairs: string[]): Promise<void> {
  const options = optionsOf(environment, pairs);
  const client = { ...CLIENT, maxAttempts: 3 };
  const sts = new STSClient(client);
  const region = await sts.config.region();
  const identity = await sts.send(new GetCallerIdentityCommand({})).catch((error: Error) => {
    throw new Error(`AWS does not know these credentials (${error.message}); run aws configure or aws sso login.`);
  });
  const qualifier = options.text('bootstrap-qualifier');
  // What `cdk bootstrap` leaves behind.
  const version = `/cdk-bootstrap/${qualifier ?? DEFAULT_QUALIFIER}/version`;
  await new SSMClient(client).send(new GetParameterCommand({ Name: version })).catch((error: Error) => {
    // Not from the folder stack: the cdk.json there would have CDK synthesise the app, which needs the binaries.
    const own = qualifier === undefined ? '' : ` --qualifier ${qualifier} --toolkit-stack-name CDKToolkit-${qualifier}`;
    const todo = `stack/node_modules/.bin/cdk bootstrap${own} aws://${identity.Account}/${region}`;
    throw new Error(`CDK cannot deploy to account ${identity.Account} in ${region} yet (${error.name}); run: ${todo}`);
  });
  const toDo = await withoutLogRole(options);
  if (toDo !== undefined) throw new Error(toDo);
  const interval_ms = options.number('sync-interval-ms');
  const lines = await quotas(interval_ms === undefined ? undefined : interval_ms / 1_000);
  console.error(['What this account allows (docs/OPERATION.md, "Limits"):', ...lines].join('\n'));
  console.log(identity.Account);
}

main(process.argv[2]!, process.argv.slice(3)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
