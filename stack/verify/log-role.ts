import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { Options } from '../lib/options';
import { CLIENT } from './deployment';

/** Says what to do where the example is a REST API, and API Gateway has no role by which it writes the logs of such: its
 * stage could not be made, and CloudFormation would take the whole stack back. HTTP APIs need none. Nothing is said
 * where the account may not be asked.
 *
 * Source: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway", permissions. */
export async function withoutLogRole(options: Options): Promise<string | undefined> {
  if (options.example() !== 'rest' || options.isOn('account-role')) return undefined;
  const account = await new APIGatewayClient(CLIENT).send(new GetAccountCommand({})).catch(() => undefined);
  if (account === undefined || account.cloudwatchRoleArn) return undefined;
  return (
    'API Gateway has no role in this account and region by which it writes the logs of REST APIs, and the example is one. ' +
    'Deploy once with --set account-role=yes, which makes the role and sets it for all REST APIs of account and region, or set a role of yours ' +
    '(aws apigateway update-account), or take an HTTP API as the example (--set example=http) or none (example=none).'
  );
}
