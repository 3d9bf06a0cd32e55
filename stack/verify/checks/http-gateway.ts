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

/** An HTTP API. */
export async function httpApi({ physicalId, properties }: Resource): Promise<Problems> {
  const is = await gateway.send(new GetApiCommand({ ApiId: physicalId }));
  return [
    ...differs('its name', is.Name, properties.Name),
    ...differs('its protocol', is.ProtocolType, properties.ProtocolType),
  ];
}

/** What asks the authorizer. */
export async function authorizer(resource: Resource): Promise<Problems> {
  const { properties } = resource;
  const is = await gateway.send(new GetAuthorizerCommand({ ...api(resource), AuthorizerId: resource.physicalId }));
  return [
    ...differs('what it asks', is.AuthorizerUri, properties.AuthorizerUri),
    ...differs(
      'for how many seconds its answers are kept',
      is.AuthorizerResultTtlInSeconds,
      properties.AuthorizerResultTtlInSeconds,
    ),
    ...differs(
      'the format of what it asks',
      is.AuthorizerPayloadFormatVersion,
      properties.AuthorizerPayloadFormatVersion,
    ),
    ...differs('whether its answers are simple', is.EnableSimpleResponses, properties.EnableSimpleResponses),
    ...differs('where the key is', is.IdentitySource, properties.IdentitySource),
  ];
}

/** What a route calls. */
export async function integration(resource: Resource): Promise<Problems> {
  const { IntegrationType, IntegrationUri, PayloadFormatVersion } = resource.properties;
  const is = await gateway.send(new GetIntegrationCommand({ ...api(resource), IntegrationId: resource.physicalId }));
  return [
    ...differs('its kind', is.IntegrationType, IntegrationType),
    ...differs('what it calls', is.IntegrationUri, IntegrationUri),
    ...differs('the format of its calls', is.PayloadFormatVersion, PayloadFormatVersion),
  ];
}

/** The id of a route; an emulator puts that of its API before it. */
export function routeId({ physicalId }: Resource): string {
  return lastPart(physicalId!, '/');
}

/** A route: that it asks the authorizer first. */
export async function route(resource: Resource): Promise<Problems> {
  const { RouteKey, AuthorizationType, AuthorizerId, Target } = resource.properties;
  const is = await gateway.send(new GetRouteCommand({ ...api(resource), RouteId: routeId(resource) }));
  return [
    ...differs('its method and path', is.RouteKey, RouteKey),
    ...differs('how it is authorized', is.AuthorizationType, AuthorizationType),
    ...differs('its authorizer', is.AuthorizerId, AuthorizerId),
    ...differs('its integration', is.Target, Target),
  ];
}

/** A stage: where it writes its access log, and in which format. */
export async function stage(resource: Resource): Promise<Problems> {
  const { StageName, AccessLogSettings, AutoDeploy } = resource.properties;
  const is = await gateway.send(new GetStageCommand({ ...api(resource), StageName: StageName as string }));
  const wanted = AccessLogSettings as { DestinationArn: string; Format: string };
  const group = (arn: string | undefined) => arn?.replace(/:\*$/, '');
  return [
    ...differs('where its access log goes', group(is.AccessLogSettings?.DestinationArn), group(wanted.DestinationArn)),
    ...differs('the format of its access log', is.AccessLogSettings?.Format, wanted.Format),
    ...differs('whether it deploys by itself', is.AutoDeploy, AutoDeploy),
  ];
}
