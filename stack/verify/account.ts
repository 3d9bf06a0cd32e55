import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { CLIENT } from './deployment';
import { missingLogRole } from './log-role';
import { optionsOf } from './options';
import { quotas } from './quotas';

/** The default qualifier of `cdk bootstrap`. */
const DEFAULT_QUALIFIER = 'hnb659fds';

/** Prints the account of the credentials to standard output, and the rates of calls that its quotas allow to standard
 * error. Fails with a remedy if there is no account or it is not bootstrapped:
 * `tsx verify/account.ts ENVIRONMENT [OPTION=VALUE]...`. */
async function main(environment: string, pairs: string[]): Promise<void> {
  const options = optionsOf(environment, pairs);
  const client = { ...CLIENT, maxAttempts: 3 };
  const sts = new STSClient(client);
  const region = await sts.config.region();
  const identity = await sts.send(new GetCallerIdentityCommand({})).catch((error: Error) => {
    throw new Error(`AWS rejects the credentials (${error.message}): run aws configure or aws sso login.`);
  });
  const qualifier = options.text('bootstrap-qualifier');
  // `cdk bootstrap` creates this parameter.
  const version = `/cdk-bootstrap/${qualifier ?? DEFAULT_QUALIFIER}/version`;
  await new SSMClient(client).send(new GetParameterCommand({ Name: version })).catch((error: Error) => {
    // The command is not run in the folder stack, whose cdk.json would make CDK synthesise the app and need the binaries.
    const own = qualifier === undefined ? '' : ` --qualifier ${qualifier} --toolkit-stack-name CDKToolkit-${qualifier}`;
    const todo = `stack/node_modules/.bin/cdk bootstrap${own} aws://${identity.Account}/${region}`;
    throw new Error(
      `The account ${identity.Account} is not bootstrapped for CDK in ${region} (${error.name}); run: ${todo}`,
    );
  });
  const remedy = await missingLogRole(options);
  if (remedy !== undefined) throw new Error(remedy);
  const interval_ms = options.number('sync-interval-ms');
  const lines = await quotas(interval_ms === undefined ? undefined : interval_ms / 1_000);
  console.error(
    ['Rates of calls that the quotas of this account allow (docs/OPERATION.md, "Limits"):', ...lines].join('\n'),
  );
  console.log(identity.Account);
}

main(process.argv[2]!, process.argv.slice(3)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
