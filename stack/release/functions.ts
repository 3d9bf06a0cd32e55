import environment from '../lib/generated/environment.json';
import { Service } from '../lib/function-settings';

/** The functions of the meter. */
const SERVICES = Object.keys(environment) as Service[];

/** Returns the service of a function, whose name begins with it. */
export function functionOf(functionName: string): Service {
  const service = SERVICES.find((each) => functionName.startsWith(`${each}-`));
  if (service === undefined) throw new Error(`The function ${functionName} is none of ${SERVICES.join(', ')}.`);
  return service;
}
