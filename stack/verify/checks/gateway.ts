import {
  APIGatewayClient,
  GetAccountCommand,
  GetAuthorizerCommand,
  GetDeploymentCommand,
  GetGatewayResponseCommand,
  GetMethodCommand,
  GetRequestValidatorsCommand,
  GetResourceCommand,
  GetRestApiCommand,
  GetStageCommand,
} from '@aws-sdk/client-api-gateway';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';

const gateway = new APIGatewayClient(CLIENT);

const api = (resource: Resource) => ({ restApiId: resource.properties.RestApiId as string });

/** Checks a REST API. */
export async function restApi({ physicalId, properties }: Resource): Promise<Problems> {
  const actual = await gateway.send(new GetRestApiCommand({ restApiId: physicalId }));
  return differs('its name', actual.name, properties.Name);
}

/** Checks that API Gateway has a role to write logs of all REST APIs of the account and region, from any stack. */
export async function account(): Promise<Problems> {
  const actual = await gateway.send(new GetAccountCommand({}));
  return actual.cloudwatchRoleArn ? [] : ['it is missing: API Gateway has no role to write logs'];
}

/** Checks the authorizer of a REST API. */
export async function authorizer(resource: Resource): Promise<Problems> {
  const { physicalId, properties } = resource;
  const actual = await gateway.send(new GetAuthorizerCommand({ ...api(resource), authorizerId: physicalId }));
  return [
    ...differs('its URI', actual.authorizerUri, properties.AuthorizerUri),
    ...differs(
      'its cache TTL in seconds',
      actual.authorizerResultTtlInSeconds,
      properties.AuthorizerResultTtlInSeconds,
    ),
  ];
}

/** Checks that a deployment of a REST API exists. */
export async function deployment(resource: Resource): Promise<Problems> {
  await gateway.send(new GetDeploymentCommand({ ...api(resource), deploymentId: resource.physicalId }));
  return [];
}

/** Checks a path of a REST API. */
export async function path(resource: Resource): Promise<Problems> {
  const actual = await gateway.send(new GetResourceCommand({ ...api(resource), resourceId: resource.physicalId }));
  return differs('its path', actual.pathPart, resource.properties.PathPart);
}

/** Checks a method: its authorizer and integration. */
export async function method(resource: Resource): Promise<Problems> {
  const { ResourceId, HttpMethod, AuthorizationType, AuthorizerId, Integration } = resource.properties as Record<
    string,
    string
  >;
  const actual = await gateway.send(
    new GetMethodCommand({ ...api(resource), resourceId: ResourceId, httpMethod: HttpMethod }),
  );
  return [
    ...differs('its authorization type', actual.authorizationType, AuthorizationType),
    ...differs('its authorizer', actual.authorizerId, AuthorizerId),
    ...differs('its integration', actual.methodIntegration?.type, (Integration as unknown as { Type: string }).Type),
  ];
}

/** Checks a gateway response. */
export async function gatewayResponse(resource: Resource): Promise<Problems> {
  const { ResponseType, StatusCode } = resource.properties as Record<string, string>;
  const actual = await gateway.send(
    new GetGatewayResponseCommand({ ...api(resource), responseType: ResponseType as 'ACCESS_DENIED' }),
  );
  return [
    ...differs('its status', actual.statusCode, StatusCode),
    ...differs('its body', actual.responseTemplates, resource.properties.ResponseTemplates),
  ];
}

/** Checks that the API has a request validator with these settings. */
export async function requestValidator(resource: Resource): Promise<Problems> {
  const { ValidateRequestBody, ValidateRequestParameters } = resource.properties;
  const { items } = await gateway.send(new GetRequestValidatorsCommand(api(resource)));
  const fits = items?.some(
    (actual) =>
      actual.validateRequestBody === ValidateRequestBody &&
      actual.validateRequestParameters === ValidateRequestParameters,
  );
  return fits ? [] : ['it is missing: requests are not validated'];
}

/** Checks a stage: the destination and the format of its access log. */
export async function stage(resource: Resource): Promise<Problems> {
  const { StageName, AccessLogSetting, DeploymentId } = resource.properties;
  const actual = await gateway.send(new GetStageCommand({ ...api(resource), stageName: StageName as string }));
  const wanted = AccessLogSetting as { DestinationArn: string; Format: string };
  // API Gateway removes the suffix ":*" from the ARN of a log group.
  const group = (arn: string | undefined) => arn?.replace(/:\*$/, '');
  return [
    ...differs(
      'the destination of its access log',
      group(actual.accessLogSettings?.destinationArn),
      group(wanted.DestinationArn),
    ),
    ...differs('the format of its access log', actual.accessLogSettings?.format, wanted.Format),
    ...differs('its deployment', actual.deploymentId, DeploymentId),
  ];
}
