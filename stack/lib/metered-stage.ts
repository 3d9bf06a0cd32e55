import { IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { ApiKind } from './access-log';
import { PERIOD } from './meter-metric';

/** A stage whose calls are metered. */
export interface MeteredStage {
  readonly kind: ApiKind;
  /** The name of a REST API, or the id of an HTTP API: the dimension of its metrics. */
  readonly api: string;
  readonly stageName: string;
}

/**
 * How API Gateway names its metrics, by the kind of an API: all calls, and those that failed by fault of the client or
 * of the API.
 *
 * Source: API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics" (REST APIs) and "Monitor
 * CloudWatch metrics for HTTP APIs".
 */
const METRICS: Record<ApiKind, { readonly dimension: string; readonly names: readonly string[] }> = {
  rest: { dimension: 'ApiName', names: ['Count', '4XXError', '5XXError'] },
  http: { dimension: 'ApiId', names: ['Count', '4xx', '5xx'] },
};

/** The calls of a stage by status, as API Gateway counts them. */
export function callsByStatus({ kind, api, stageName }: MeteredStage): IMetric[] {
  const { dimension, names } = METRICS[kind];
  return names.map(
    (metricName) =>
      new Metric({
        namespace: 'AWS/ApiGateway',
        metricName,
        dimensionsMap: { [dimension]: api, Stage: stageName },
        statistic: 'Sum',
        period: PERIOD,
      }),
  );
}
