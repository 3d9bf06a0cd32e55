import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import accessLog from './generated/access-log.json';

/** The kinds of API that can be metered: REST API (API Gateway version 1) and HTTP API (version 2). */
export type ApiKind = 'rest' | 'http';

/** What an access log has besides the fields that counting needs. */
export interface AccessLogFields {
  /**
   * Whether a line has the length of the response, so that the bytes of responses are counted.
   *
   * @default false
   */
  readonly responseLength?: boolean;
}

/** The access-log formats for the stages of metered APIs, for languages without functions of a module. */
export class MeterAccessLogFormat {
  /** The format for stages of REST APIs. */
  static rest(fields?: AccessLogFields): AccessLogFormat {
    return accessLogFormat('rest', fields);
  }

  /** The format for stages of HTTP APIs. */
  static http(fields?: AccessLogFields): AccessLogFormat {
    return accessLogFormat('http', fields);
  }

  private constructor() {}
}

/**
 * Returns the access-log format for the stages of metered APIs, for `RestApi` and `HttpStage`. `toString()` returns its
 * text, for example for `CfnStage`. The kinds have different formats because they have different variables.
 *
 * Source: API Gateway Developer Guide, "Variables for access logging for API Gateway" (REST APIs) and "Customize
 * HTTP API access logs".
 */
export function accessLogFormat(kind: ApiKind, fields: AccessLogFields = {}): AccessLogFormat {
  const { restFormat, httpFormat, restFormatWithResponseLength, httpFormatWithResponseLength } = accessLog;
  const plain = kind === 'rest' ? restFormat : httpFormat;
  const withResponseLength = kind === 'rest' ? restFormatWithResponseLength : httpFormatWithResponseLength;
  return AccessLogFormat.custom(fields.responseLength ? withResponseLength : plain);
}
