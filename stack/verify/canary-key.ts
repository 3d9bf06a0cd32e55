import { execFileSync, spawnSync } from 'node:child_process';
import { GetParameterCommand, ParameterNotFound, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { CANARY_KEY_ID } from '../lib/constructs/usage-canary';
import { namesOf } from '../lib/names';
import { CLIENT } from './deployment';

const METER = process.env.METER ?? 'meter';
const ssm = new SSMClient(CLIENT);

/** Creates the canary's key and stores its secret as an encrypted parameter, unless they exist:
 * `tsx verify/canary-key.ts ENVIRONMENT`, with the path of `meter` in METER. The secret is never printed. */
async function main(environment: string): Promise<string> {
  const Name = namesOf(environment).canarySecretParameter;
  const hasSecret = await hasParameter(Name);
  const key = keyState(environment);
  if (key === 'deleted') {
    return `!!! the key ${CANARY_KEY_ID} was deleted, so the canary's calls are denied: deploy with --set canary=no`;
  }
  if (key === 'active') {
    if (!hasSecret)
      throw new Error(
        `The key ${CANARY_KEY_ID} exists, but the parameter ${Name} does not. ${rotationRemedy(environment, Name)}`,
      );
    return `the canary has its key, whose secret is in ${Name}`;
  }
  const Value = createKey(environment);
  // The parameter remains when an environment is destroyed, and has to be overwritten when it is deployed again.
  const parameter = {
    Name,
    Value,
    Overwrite: hasSecret,
    Type: 'SecureString',
    Description: `The secret of the key ${CANARY_KEY_ID}`,
  } as const;
  await ssm.send(new PutParameterCommand(parameter)).catch((error: Error) => {
    throw new Error(
      `The key ${CANARY_KEY_ID} was created, but its secret could not be stored in ${Name} (${error.message}). ${rotationRemedy(environment, Name)}`,
    );
  });
  return `created the key ${CANARY_KEY_ID} of the canary; its secret is in ${Name}`;
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

/** Returns the state of the canary's key. */
function keyState(environment: string): 'active' | 'deleted' | 'missing' {
  const { status, stdout, stderr, error } = spawnSync(
    METER,
    ['keys', 'show', CANARY_KEY_ID, '--json', '--aws', environment],
    { encoding: 'utf8' },
  );
  if (status === 0)
    return (JSON.parse(stdout) as { deleted_at: string | null }).deleted_at === null ? 'active' : 'deleted';
  if (stderr?.includes(`there is no key ${CANARY_KEY_ID}`)) return 'missing';
  throw error ?? new Error(`The canary's key could not be read: ${stderr}`);
}

/** Creates the key and returns its secret. */
function createKey(environment: string): string {
  const words = ['keys', 'create', '--id', CANARY_KEY_ID, '--owner', 'usage meter', '--json', '--aws', environment];
  return (JSON.parse(execFileSync(METER, words, { encoding: 'utf8' })) as { api_key: string }).api_key;
}

function rotationRemedy(environment: string, Name: string): string {
  const rotate = `meter keys rotate ${CANARY_KEY_ID} --overlap 0s --aws ${environment}`;
  return `Create a new secret (${rotate}) and store it in ${Name} as a SecureString.`;
}

main(process.argv[2]!).then(console.log, (error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
