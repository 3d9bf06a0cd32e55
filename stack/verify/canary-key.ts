import { execFileSync } from 'node:child_process';
import { GetParameterCommand, ParameterNotFound, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { CANARY_KEY_ID } from '../lib/constructs/usage-canary';
import { namesOf } from '../lib/names';
import { CLIENT } from './deployment';

/** Makes the canary's key and keeps its secret as an encrypted parameter, where that is not done yet:
 * `tsx verify/canary-key.ts ENVIRONMENT`, with the command `meter` in METER. The secret is printed nowhere. */
async function main(environment: string): Promise<void> {
  const ssm = new SSMClient(CLIENT);
  const Name = namesOf(environment).canarySecretParameter;
  const there = await ssm.send(new GetParameterCommand({ Name })).catch((error: Error) => {
    if (error instanceof ParameterNotFound) return undefined;
    throw error;
  });
  if (there !== undefined) {
    console.log(`the canary has its key, whose secret is in ${Name}`);
    return;
  }
  const words = ['keys', 'create', '--id', CANARY_KEY_ID, '--owner', 'usage meter', '--json', '--aws', environment];
  let made: string;
  try {
    made = execFileSync(process.env.METER ?? 'meter', words, { encoding: 'utf8' });
  } catch {
    throw new Error(
      `The key ${CANARY_KEY_ID} cannot be made, and there is no secret in ${Name}. If the key is there, give it a new secret ` +
        `(meter keys rotate ${CANARY_KEY_ID} --overlap 0s --aws ${environment}) and put that into ${Name} as a SecureString.`,
    );
  }
  const { apiKey } = JSON.parse(made) as { apiKey: string };
  await ssm.send(new PutParameterCommand({ Name, Value: apiKey, Type: 'SecureString', Description: `The secret of the key ${CANARY_KEY_ID}` }));
  console.log(`made the key ${CANARY_KEY_ID} of the canary; its secret is in ${Name}`);
}

main(process.argv[2]!).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
