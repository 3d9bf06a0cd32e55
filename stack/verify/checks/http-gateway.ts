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
  const actual = await gateway.send(new GetApiCommand({ ApiId: physicalId }));
  return [
    ...differs('its name', actual.Name, properties.Name),
    ...differs('its protocol', actual.ProtocolType, properties.ProtocolType),
  ];
}

/** Checks the authorizer of an HTTP API. */
export async function authorizer(resource: Resource): Promise<Problems> {
  const { properties } = resource;
  const actual = await gateway.send(new GetAuthorizerCommand({ ...api(resource), AuthorizerId: resource.physicalId }));
  return [
    ...differs('its URI', actual.AuthorizerUri, properties.AuthorizerUri),
    ...differs(
      'its cache TTL in seconds',
      actual.AuthorizerResultTtlInSeconds,
      properties.AuthorizerResultTtlInSeconds,
    ),
    ...differs('its payload format', actual.AuthorizerPayloadFormatVersion, properties.AuthorizerPayloadFormatVersion),
    ...differs('its simple responses', actual.EnableSimpleResponses, properties.EnableSimpleResponses),
    ...differs('its identity source', actual.IdentitySource, properties.IdentitySource),
  ];
}

/** Checks the integration of a route. */
export async function integration(resource: Resource): Promise<Problems> {
  const { IntegrationType, IntegrationUri, PayloadFormatVersion } = resource.properties;
  const actual = await gateway.send(
    new GetIntegrationCommand({ ...api(resource), IntegrationId: resource.physicalId }),
  );
  return [
    ...differs('its type', actual.IntegrationType, IntegrationType),
    ...differs('its URI', actual.IntegrationUri, IntegrationUri),
    ...differs('its payload format', actual.PayloadFormatVersion, PayloadFormatVersion),
  ];
}

/** Returns the id of a route. An emulator puts the id of the API before it. */
export function routeId({ physicalId }: Resource): string {
  return lastPart(physicalId!, '/');
}

/** Checks a route: its authorizer and integration. */
export async function route(resource: Resource): Promise<Problems> {
  const { RouteKey, AuthorizationType, AuthorizerId, Target } = resource.properties;
  const actual = await gateway.send(new GetRouteCommand({ ...api(resource), RouteId: routeId(resource) }));
  return [
    ...differs('its method and path', actual.RouteKey, RouteKey),
    ...differs('its authorization type', actual.AuthorizationType, AuthorizationType),
    ...differs('its authorizer', actual.AuthorizerId, AuthorizerId),
    ...differs('its integration', actual.Target, Target),
  ];
}

/** Checks a stage: the destination and the format of its access log. */
export async function stage(resource: Resource): Promise<Problems> {
  const { StageName, AccessLogSettings, AutoDeploy } = resource.properties;
  const actual = await gateway.send(new GetStageCommand({ ...api(resource), StageName: StageName as string }));
  const wanted = AccessLogSettings as { DestinationArn: string; Format: string };
  const group = (arn: string | undefined) => arn?.replace(/:\*$/, '');
  return [
    ...differs(
      'the destination of its access log',
      group(actual.AccessLogSettings?.DestinationArn),
      group(wanted.DestinationArn),
    ),
    ...differs('the format of its access log', actual.AccessLogSettings?.Format, wanted.Format),
    ...differs('its automatic deployment', actual.AutoDeploy, AutoDeploy),
  ];
}
