import environment from '../lib/generated/environment.json';
import { Deployment } from './deployment';

const CANARY_URL = environment['usage-canary'].canaryUrl.variable;

/** The API that a verification calls. */
export interface CalledApi {
  /** What is called: a GET that is answered with 2xx where the key is valid, and is billed. */
  readonly url: string;
  /** Which answers tell the limit of a key in the header X-RateLimit-Limit. */
  readonly tellsLimit: 'always' | 'where admitted' | 'never';
}

/** What of an example answers 200 to a call with a key. */
export const STATUS_PATH = '/status/200';

/** What is called: the URL that is given, else the example of the deployment, else what its canary calls. Undefined
 * where there is none of these. */
export function calledApi(deployment: Deployment, given?: string): CalledApi | undefined {
  if (given !== undefined) return { url: given, tellsLimit: 'never' };
  const example = exampleUrl(deployment);
  if (example !== undefined) {
    return {
      url: `${example.replace(/\/$/, '')}${STATUS_PATH}`,
      tellsLimit: isHttp(deployment) ? 'where admitted' : 'always',
    };
  }
  const url = canaryUrl(deployment);
  return url === undefined ? undefined : { url, tellsLimit: 'never' };
}

/** Where the example of a deployment is, if it has one. */
export function exampleUrl({ outputs }: Deployment): string | undefined {
  return Object.entries(outputs).find(([output]) => output.startsWith('ExampleUrl'))?.[1];
}

/** Whether the example is an HTTP API: its backend tells limits, and its denials cannot, for want of gateway responses.
 *
 * Source: API Gateway Developer Guide, "Choose between REST APIs and HTTP APIs". */
function isHttp({ resources }: Deployment): boolean {
  return resources.some(({ type }) => type === 'AWS::ApiGatewayV2::Api');
}

function canaryUrl({ resources }: Deployment): string | undefined {
  const variables = resources.map(
    ({ properties }) => (properties.Environment as { Variables?: Record<string, string> } | undefined)?.Variables,
  );
  return variables.find((each) => each?.[CANARY_URL] !== undefined)?.[CANARY_URL];
}
