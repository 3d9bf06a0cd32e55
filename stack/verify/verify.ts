import { CHECKS } from './checks';
import { Deployment, Resource } from './deployment';
import { Problems } from './expect';
import { ON_AWS, Waits } from './waits';

/** What was found of one resource. */
export interface Finding {
  readonly resource: Resource;
  readonly problems: Problems;
}

/** Errors of AWS that mean: it is not there. */
const MISSING = /NotFound|NoSuch|NonExistent|DoesNotExist|doesn't exist|does not exist|404/i;

/** Checks every resource of a deployment. */
export async function verify(deployment: Deployment, waits = ON_AWS): Promise<Finding[]> {
  return Promise.all(
    deployment.resources.map(async (resource) => ({ resource, problems: await problemsOf(resource, waits) })),
  );
}

async function problemsOf(resource: Resource, waits: Waits): Promise<Problems> {
  const check = CHECKS[resource.type];
  if (check === undefined) {
    return [`nothing checks a ${resource.type} yet`];
  }
  if (resource.physicalId === undefined) {
    return ['the stack was deployed without it'];
  }
  try {
    return await check(resource, waits);
  } catch (error) {
    const { name, message } = error as Error;
    return [MISSING.test(`${name} ${message}`) ? `it is missing (${name})` : `it cannot be checked: ${name}: ${message}`];
  }
}

/** The finding as one line. */
export function line({ resource, problems }: Finding): string {
  const { type, path, physicalId } = resource;
  const name = `${type.replace('AWS::', '')} ${path}`;
  const said = problems.map((problem) => `\n        ${problem}`).join('');
  return problems.length === 0 ? `  ok    ${name}` : `  FAIL  ${name} (${physicalId ?? 'no id'})${said}`;
}
