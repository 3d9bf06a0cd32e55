import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { CLIENT } from './deployment';

/** What `cdk bootstrap` leaves behind, under the qualifier that CDK uses unless told otherwise. */
const BOOTSTRAP_VERSION = '/cdk-bootstrap/hnb659fds/version';

/** Prints the account of the credentials, and says what to do where there is none, or it is not bootstrapped. */
async function main(): Promise<void> {
  const client = { ...CLIENT, maxAttempts: 3 };
  const sts = new STSClient(client);
  const region = await sts.config.region();
  const identity = await sts.send(new GetCallerIdentityCommand({})).catch((error: Error) => {
    throw new Error(`AWS does not know these credentials (${error.message}); run aws configure or aws sso login.`);
  });
  await new SSMClient(client).send(new GetParameterCommand({ Name: BOOTSTRAP_VERSION })).catch((error: Error) => {
    // Not from the folder stack: the cdk.json there would have CDK synthesise the app, which needs the binaries.
    const todo = `stack/node_modules/.bin/cdk bootstrap aws://${identity.Account}/${region}`;
    throw new Error(`CDK cannot deploy to account ${identity.Account} in ${region} yet (${error.name}); run: ${todo}`);
  });
  console.log(identity.Account);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
