import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { Options } from '../lib/options';
import { CLIENT } from './deployment';

/** Returns a remedy if the example is a REST API and API Gateway has no role to write the logs of REST APIs. The stage
 * could not be created, and CloudFormation would roll the stack back. HTTP APIs need no role. Returns `undefined` if the
 * account may not be read.
 *
 * Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway", permissions. */
export async function missingLogRole(options: Options): Promise<string | undefined> {
  if (options.example() !== 'rest' || options.isOn('account-role')) return undefined;
  const account = await new APIGatewayClient(CLIENT).send(new GetAccountCommand({})).catch(() => undefined);
  if (account === undefined || account.cloudwatchRoleArn) return undefined;
  return (
    'API Gateway has no role to write the logs of REST APIs in this account and region, and the example is a REST API. ' +
    'Deploy once with --set account-role=yes, which creates the role for all REST APIs of the account and region, set your own role ' +
    '(aws apigateway update-account), or choose an HTTP API as the example (--set example=http) or no example (example=none).'
  );
}
