import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import accessLog from './generated/access-log.json';

/** The kinds of API that can be metered: a REST API (API Gateway version 1) or an HTTP API (version 2). */
export type ApiKind = 'rest' | 'http';

/**
 * The access-log format that the stage of an API has to be set to, for `RestApi` and `HttpStage`. `toString()` gives
 * the text for `CfnStage` and for whatever else makes the stage. The kinds differ, since their variables do.
 *
 * Source: API Gateway Developer Guide, "Variables for access logging for API Gateway" (REST APIs) and "Customize
 * HTTP API access logs".
 */
export function accessLogFormat(kind: ApiKind): AccessLogFormat {
  return AccessLogFormat.custom(kind === 'rest' ? accessLog.restFormat : accessLog.httpFormat);
}
