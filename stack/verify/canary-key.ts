import { execFileSync, spawnSync } from 'node:child_process';
import { GetParameterCommand, ParameterNotFound, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { CANARY_KEY_ID } from '../lib/constructs/usage-canary';
import { namesOf } from '../lib/names';
import { CLIENT } from './deployment';

const METER = process.env.METER ?? 'meter';
const ssm = new SSMClient(CLIENT);

/** Makes the canary's key and keeps its secret as an encrypted parameter, where that is not done yet:
 * `tsx verify/canary-key.ts ENVIRONMENT`, with the command `meter` in METER. The secret is printed nowhere. */
async function main(environment: string): Promise<string> {
  const Name = namesOf(environment).canarySecretParameter;
  const hasSecret = await hasParameter(Name);
  const key = keyOf(environment);
  if (key === 'deleted') {
    return `!!! the key ${CANARY_KEY_ID} was deleted, so the canary is refused: deploy with --set canary=no`;
  }
  if (key === 'there') {
    if (!hasSecret)
      throw new Error(`The key ${CANARY_KEY_ID} is there, and no secret in ${Name}. ${newSecret(environment, Name)}`);
    return `the canary has its key, whose secret is in ${Name}`;
  }
  const Value = makeKey(environment);
  // A parameter outlives the tables of an environment that is destroyed and deployed again.
  const parameter = {
    Name,
    Value,
    Overwrite: hasSecret,
    Type: 'SecureString',
    Description: `The secret of the key ${CANARY_KEY_ID}`,
  } as const;
  await ssm.send(new PutParameterCommand(parameter)).catch((error: Error) => {
    throw new Error(
      `The key ${CANARY_KEY_ID} is made, and its secret is not in ${Name} (${error.message}). ${newSecret(environment, Name)}`,
    );
  });
  return `made the key ${CANARY_KEY_ID} of the canary; its secret is in ${Name}`;
}

async function hasParameter(Name: string): Promise<boolean> {
  try {
    await ssm.send(new GetParameterCommand({ Name }));
    return true;
  } catch (error) {
    if (error instanceof ParameterNotFound) return false;
    throw error;
  }
}

/** What there is of the canary's key. */
function keyOf(environment: string): 'there' | 'deleted' | 'missing' {
  const { status, stdout, stderr, error } = spawnSync(
    METER,
    ['keys', 'show', CANARY_KEY_ID, '--json', '--aws', environment],
    { encoding: 'utf8' },
  );
  if (status === 0)
    return (JSON.parse(stdout) as { deleted_at: string | null }).deleted_at === null ? 'there' : 'deleted';
  if (stderr?.includes(`there is no key ${CANARY_KEY_ID}`)) return 'missing';
  throw error ?? new Error(`It cannot be seen whether the canary has its key: ${stderr}`);
}

/** Makes the key; returns its secret. */
function makeKey(environment: string): string {
  const words = ['keys', 'create', '--id', CANARY_KEY_ID, '--owner', 'usage meter', '--json', '--aws', environment];
  return (JSON.parse(execFileSync(METER, words, { encoding: 'utf8' })) as { api_key: string }).api_key;
}

function newSecret(environment: string, Name: string): string {
  const rotate = `meter keys rotate ${CANARY_KEY_ID} --overlap 0s --aws ${environment}`;
  return `Give it a new secret (${rotate}) and put that into ${Name} as a SecureString.`;
}

main(process.argv[2]!).then(console.log, (error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
