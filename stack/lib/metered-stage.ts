import { IMetric, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { ApiKind } from './access-log';
import { PERIOD } from './meter-metric';

/** A stage whose calls are metered. */
export interface MeteredStage {
  readonly kind: ApiKind;
  /** The dimension of the API's metrics: the name of a REST API, or the id of an HTTP API. */
  readonly api: string;
  readonly stageName: string;
}

/**
 * The names of API Gateway's metrics by kind of API: all calls, client errors and server errors.
 *
 * Source: API Gateway Developer Guide, "Amazon API Gateway dimensions and metrics" (REST APIs) and "Monitor
 * CloudWatch metrics for HTTP APIs".
 */
const METRICS: Record<ApiKind, { readonly dimension: string; readonly names: readonly string[] }> = {
  rest: { dimension: 'ApiName', names: ['Count', '4XXError', '5XXError'] },
  http: { dimension: 'ApiId', names: ['Count', '4xx', '5xx'] },
};

/** Returns API Gateway's counts of the calls of a stage: all, client errors and server errors. */
export function callsByStatus({ kind, api, stageName }: MeteredStage): IMetric[] {
  // Languages other than TypeScript do not check the kind.
  if (!(kind in METRICS)) {
    throw new Error(
      `There is no kind of API ${JSON.stringify(kind)}: set kind to ${Object.keys(METRICS).join(' or ')}.`,
    );
  }
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
