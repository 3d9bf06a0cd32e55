import { CHECKS } from './checks';
import { Deployment, Resource } from './deployment';
import { Problems } from './expect';
import { ON_AWS, Waits } from './waits';

/** The result of the checks of one resource. */
export interface Finding {
  readonly resource: Resource;
  readonly problems: Problems;
  /** Remarks about correct but unfinished changes. */
  readonly notes: string[];
}

/** Matches AWS errors that mean that a resource does not exist. */
const MISSING = /NotFound|NoSuch|NonExistent|DoesNotExist|doesn't exist|does not exist|404/i;

/** Checks every resource of a deployment. */
export async function verify(deployment: Deployment, waits = ON_AWS): Promise<Finding[]> {
  return Promise.all(
    deployment.resources.map(async (resource) => {
      const notes: string[] = [];
      return { resource, problems: await problemsOf(resource, waits, notes), notes };
    }),
  );
}

async function problemsOf(resource: Resource, waits: Waits, notes: string[]): Promise<Problems> {
  const check = CHECKS[resource.type];
  if (check === undefined) {
    return [`there is no check for ${resource.type}`];
  }
  if (resource.physicalId === undefined) {
    return ['the stack was deployed without it'];
  }
  try {
    return await check(resource, waits, (note) => void notes.push(note));
  } catch (error) {
    const { name, message } = error as Error;
    return [
      MISSING.test(`${name} ${message}`) ? `it is missing (${name})` : `it cannot be checked: ${name}: ${message}`,
    ];
  }
}

/** Formats a finding as one line, with a line for each problem and note. */
export function line({ resource, problems, notes }: Finding): string {
  const { type, path, physicalId } = resource;
  const name = `${type.replace('AWS::', '')} ${path}`;
  const details = [...problems, ...notes].map((each) => `\n        ${each}`).join('');
  return problems.length === 0 ? `  ok    ${name}${details}` : `  FAIL  ${name} (${physicalId ?? 'no id'})${details}`;
}
