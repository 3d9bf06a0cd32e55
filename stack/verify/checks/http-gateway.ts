import {
  ApiGatewayV2Client,
  GetApiCommand,
  GetAuthorizerCommand,
  GetIntegrationCommand,
  GetRouteCommand,
  GetStageCommand,
} from '@aws-sdk/client-apigatewayv2';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';
import { lastPart } from '../resolver';

const gateway = new ApiGatewayV2Client(CLIENT);

const api = (resource: Resource) => ({ ApiId: resource.properties.ApiId as string });

/** Checks an HTTP API. */
export async function httpApi({ physicalId, properties }: Resource): Promise<Problems> {
  const is = await gateway.send(new GetApiCommand({ ApiId: physicalId }));
  return [
    ...differs('its name', is.Name, properties.Name),
    ...differs('its protocol', is.ProtocolType, properties.ProtocolType),
  ];
}

/** Checks the authorizer of an HTTP API. */
export async function authorizer(resource: Resource): Promise<Problems> {
  const { properties } = resource;
  const is = await gateway.send(new GetAuthorizerCommand({ ...api(resource), AuthorizerId: resource.physicalId }));
  return [
    ...differs('its URI', is.AuthorizerUri, properties.AuthorizerUri),
    ...differs('its cache TTL in seconds', is.AuthorizerResultTtlInSeconds, properties.AuthorizerResultTtlInSeconds),
    ...differs('its payload format', is.AuthorizerPayloadFormatVersion, properties.AuthorizerPayloadFormatVersion),
    ...differs('its simple responses', is.EnableSimpleResponses, properties.EnableSimpleResponses),
    ...differs('its identity source', is.IdentitySource, properties.IdentitySource),
  ];
}

/** Checks the integration of a route. */
export async function integration(resource: Resource): Promise<Problems> {
  const { IntegrationType, IntegrationUri, PayloadFormatVersion } = resource.properties;
  const is = await gateway.send(new GetIntegrationCommand({ ...api(resource), IntegrationId: resource.physicalId }));
  return [
    ...differs('its type', is.IntegrationType, IntegrationType),
    ...differs('its URI', is.IntegrationUri, IntegrationUri),
    ...differs('its payload format', is.PayloadFormatVersion, PayloadFormatVersion),
  ];
}

/** Returns the id of a route. An emulator puts the id of the API before it. */
export function routeId({ physicalId }: Resource): string {
  return lastPart(physicalId!, '/');
}

/** Checks a route: its authorizer and integration. */
export async function route(resource: Resource): Promise<Problems> {
  const { RouteKey, AuthorizationType, AuthorizerId, Target } = resource.properties;
  const is = await gateway.send(new GetRouteCommand({ ...api(resource), RouteId: routeId(resource) }));
  return [
    ...differs('its method and path', is.RouteKey, RouteKey),
    ...differs('its authorization type', is.AuthorizationType, AuthorizationType),
    ...differs('its authorizer', is.AuthorizerId, AuthorizerId),
    ...differs('its integration', is.Target, Target),
  ];
}

/** Checks a stage: the destination and the format of its access log. */
export async function stage(resource: Resource): Promise<Problems> {
  const { StageName, AccessLogSettings, AutoDeploy } = resource.properties;
  const is = await gateway.send(new GetStageCommand({ ...api(resource), StageName: StageName as string }));
  const wanted = AccessLogSettings as { DestinationArn: string; Format: string };
  const group = (arn: string | undefined) => arn?.replace(/:\*$/, '');
  return [
    ...differs(
      'the destination of its access log',
      group(is.AccessLogSettings?.DestinationArn),
      group(wanted.DestinationArn),
    ),
    ...differs('the format of its access log', is.AccessLogSettings?.Format, wanted.Format),
    ...differs('its automatic deployment', is.AutoDeploy, AutoDeploy),
  ];
}
