import environment from '../lib/generated/environment.json';
import { Deployment } from './deployment';

const CANARY_URL = environment['usage-canary'].canaryUrl.variable;

/** The API that a verification calls. */
export interface CalledApi {
  /** The URL of the call: a GET that is answered with 2xx if the key is valid, and billed. */
  readonly url: string;
  /** The responses with the limit of a key in the header X-RateLimit-Limit. */
  readonly limitHeader: 'always' | 'if admitted' | 'never';
}

/** The path of the examples that answers 200 to a call with a valid key. */
export const STATUS_PATH = '/status/200';

/** Returns the API to call: the given URL, else the example of the deployment, else the URL of its canary, if any. */
export function calledApi(deployment: Deployment, given?: string): CalledApi | undefined {
  if (given !== undefined) return { url: given, limitHeader: 'never' };
  const example = exampleUrl(deployment);
  if (example !== undefined) {
    return {
      url: `${example.replace(/\/$/, '')}${STATUS_PATH}`,
      limitHeader: isHttp(deployment) ? 'if admitted' : 'always',
    };
  }
  const url = canaryUrl(deployment);
  return url === undefined ? undefined : { url, limitHeader: 'never' };
}

/** Returns the URL of the example of a deployment, if it has one. */
export function exampleUrl({ outputs }: Deployment): string | undefined {
  return Object.entries(outputs).find(([output]) => output.startsWith('ExampleUrl'))?.[1];
}

/** Returns whether the example is an HTTP API. Its backend sets the limit headers. Its denials have none, because HTTP
 * APIs have no gateway responses.
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
