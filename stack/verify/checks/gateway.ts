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

/** An API. */
export async function restApi({ physicalId, properties }: Resource): Promise<Problems> {
  const is = await gateway.send(new GetRestApiCommand({ restApiId: physicalId }));
  return differs('its name', is.name, properties.Name);
}

/** That API Gateway has a role by which it writes logs, for all APIs of the account and region: of whichever stack. */
export async function account(): Promise<Problems> {
  const is = await gateway.send(new GetAccountCommand({}));
  return is.cloudwatchRoleArn ? [] : ['it is missing: API Gateway has no role by which it writes logs'];
}

/** What asks the authorizer. */
export async function authorizer(resource: Resource): Promise<Problems> {
  const { physicalId, properties } = resource;
  const is = await gateway.send(new GetAuthorizerCommand({ ...api(resource), authorizerId: physicalId }));
  return [
    ...differs('what it asks', is.authorizerUri, properties.AuthorizerUri),
    ...differs(
      'for how many seconds its answers are kept',
      is.authorizerResultTtlInSeconds,
      properties.AuthorizerResultTtlInSeconds,
    ),
  ];
}

/** A snapshot of the API. */
export async function deployment(resource: Resource): Promise<Problems> {
  await gateway.send(new GetDeploymentCommand({ ...api(resource), deploymentId: resource.physicalId }));
  return [];
}

/** A path. */
export async function path(resource: Resource): Promise<Problems> {
  const is = await gateway.send(new GetResourceCommand({ ...api(resource), resourceId: resource.physicalId }));
  return differs('its path', is.pathPart, resource.properties.PathPart);
}

/** A method: that it asks the authorizer first. */
export async function method(resource: Resource): Promise<Problems> {
  const { ResourceId, HttpMethod, AuthorizationType, AuthorizerId, Integration } = resource.properties as Record<
    string,
    string
  >;
  const is = await gateway.send(
    new GetMethodCommand({ ...api(resource), resourceId: ResourceId, httpMethod: HttpMethod }),
  );
  return [
    ...differs('how it is authorized', is.authorizationType, AuthorizationType),
    ...differs('its authorizer', is.authorizerId, AuthorizerId),
    ...differs('its integration', is.methodIntegration?.type, (Integration as unknown as { Type: string }).Type),
  ];
}

/** What an error looks like. */
export async function gatewayResponse(resource: Resource): Promise<Problems> {
  const { ResponseType, StatusCode } = resource.properties as Record<string, string>;
  const is = await gateway.send(
    new GetGatewayResponseCommand({ ...api(resource), responseType: ResponseType as 'ACCESS_DENIED' }),
  );
  return [
    ...differs('its status', is.statusCode, StatusCode),
    ...differs('its body', is.responseTemplates, resource.properties.ResponseTemplates),
  ];
}

/** What is checked of a request: that some validator of the API does so. */
export async function requestValidator(resource: Resource): Promise<Problems> {
  const { ValidateRequestBody, ValidateRequestParameters } = resource.properties;
  const { items } = await gateway.send(new GetRequestValidatorsCommand(api(resource)));
  const fits = items?.some(
    (is) =>
      is.validateRequestBody === ValidateRequestBody && is.validateRequestParameters === ValidateRequestParameters,
  );
  return fits ? [] : ['it is missing: requests are not validated'];
}

/** A stage: where it writes its access log, and in which format. */
export async function stage(resource: Resource): Promise<Problems> {
  const { StageName, AccessLogSetting, DeploymentId } = resource.properties;
  const is = await gateway.send(new GetStageCommand({ ...api(resource), stageName: StageName as string }));
  const wanted = AccessLogSetting as { DestinationArn: string; Format: string };
  // API Gateway drops the ":*" that the ARN of a log group ends with.
  const group = (arn: string | undefined) => arn?.replace(/:\*$/, '');
  return [
    ...differs('where its access log goes', group(is.accessLogSettings?.destinationArn), group(wanted.DestinationArn)),
    ...differs('the format of its access log', is.accessLogSettings?.format, wanted.Format),
    ...differs('its deployment', is.deploymentId, DeploymentId),
  ];
}
