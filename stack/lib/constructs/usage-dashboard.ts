import { Duration, Stack } from 'aws-cdk-lib';
import {
  Dashboard,
  GraphWidget,
  IMetric,
  IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  MathExpression,
  Metric,
} from 'aws-cdk-lib/aws-cloudwatch';
import { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { statusExpression } from '../billed-statuses';
import prices from '../generated/prices.json';
import { callsByStatus, MeteredStage } from '../metered-stage';
import { namesOf } from '../names';
import { meterMetric, metricsOf, PERIOD } from '../meter-metric';
import { MeterSettings } from '../settings';
import { ApiKeyAuthorizer } from './api-key-authorizer';
import { Invalidation } from './invalidation';
import { FRESHNESS_LIMIT_MS } from './alarm-rules';
import { UsageCanary } from './usage-canary';
import { UsagePipeline } from './usage-pipeline';

export interface UsageDashboardProps {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  /** The invalidation log, if the meter's authorizer is used. */
  readonly invalidation?: Invalidation;
  readonly authorizer?: ApiKeyAuthorizer;
  readonly canary?: UsageCanary;
  /** The stages whose calls by status are shown. */
  readonly stages: MeteredStage[];
}

/** List prices of us-east-1 (docs/CAPACITY_AND_COST.md) in US dollars per million units: write request units of
 * DynamoDB, invocations, milliseconds of a function with the memory of the consumer, bytes of log. */
const USD_PER_MILLION = prices.usdPerMillion;

const WIDTH = 8;

/** The unit of the values of a graph. The web page of the local stack formats values by it. */
type Unit = 'calls' | 'count' | 'ms' | 'µs' | 'percent' | 'US dollars';

/** The dashboard `usage-meter-ENVIRONMENT-REGION`. */
export class UsageDashboard extends Construct {
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, props: UsageDashboardProps) {
    super(scope, id);
    this.dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: namesOf(props.settings.environment).dashboard(Stack.of(this).region),
      widgets: [
        usageWidgets(props),
        pipelineWidgets(props),
        keysWidgets(props),
        [driftWidget(props), ...canaryWidgets(props)],
      ],
    });
  }
}

/** Returns a graph whose values have one unit: a text of `Unit`. */
function graph(title: string, unit: Unit, left: IMetric[], limit?: { value: number; label: string }): GraphWidget {
  const leftYAxis = { min: 0, label: unit, showUnits: false };
  const leftAnnotations = limit === undefined ? [] : [limit];
  return new GraphWidget({ title, left, width: WIDTH, period: PERIOD, leftYAxis, leftAnnotations });
}

function usageWidgets(props: UsageDashboardProps): IWidget[] {
  const consumer = metricsOf(props.settings, 'usage-consumer');
  const topKeys = new LogQueryWidget({
    title: 'Top keys by calls with a billed status',
    logGroupNames: props.pipeline.accessLogGroups.map(({ logGroupName }) => logGroupName),
    view: LogQueryVisualizationType.TABLE,
    queryLines: [
      `filter status like /${statusExpression(props.pipeline.billedStatuses)}/`,
      'stats count(*) as calls by coalesce(apiKeyId, key) as api_key_id',
      'sort calls desc',
      'limit 20',
    ],
    width: WIDTH,
  });
  return [
    graph('Calls by status', 'calls', props.stages.flatMap(callsByStatus)),
    graph('Billable calls', 'calls', [
      consumer('BillableCalls'),
      consumer('SkippedUnbilledStatus'),
      consumer('SkippedNoApiKey'),
    ]),
    topKeys,
  ];
}

function pipelineWidgets(props: UsageDashboardProps): IWidget[] {
  const consumer = metricsOf(props.settings, 'usage-consumer');
  const limit = { value: FRESHNESS_LIMIT_MS, label: '60 s' };
  const { consumer: lambda, quarantineQueue } = props.pipeline;
  return [
    graph(
      'Freshness',
      'ms',
      ['p50', 'p99', 'Maximum'].map((statistic) => consumer('Freshness', statistic)),
      limit,
    ),
    graph('Freshness in parts, p99', 'ms', [
      consumer('LogDeliveryDelay', 'p99'),
      consumer('StreamWait', 'p99'),
      lambda.function.metricDuration({ statistic: 'p99', period: PERIOD }),
    ]),
    graph(
      'Iterator age',
      'ms',
      [lambda.function.metric('IteratorAge', { statistic: 'Maximum', period: PERIOD })],
      limit,
    ),
    graph('Duplicates, fenced updates, failures', 'count', [
      consumer('DuplicateCalls'),
      consumer('ClaimConflicts'),
      consumer('FencedUpdates'),
      consumer('FailedRecords'),
      consumer('UnreadableClaims'),
    ]),
    graph('Quarantine', 'count', [
      quarantineQueue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: PERIOD }),
      consumer('QuarantinedRecords'),
      consumer('RefusedCalls'),
      consumer('GivenUpRecords'),
    ]),
    graph('Cost of a million billable calls', 'US dollars', cost(props)),
  ];
}

/** Returns the costs that are proportional to calls, without those by the hour. */
function cost(props: UsageDashboardProps): IMetric[] {
  const consumer = metricsOf(props.settings, 'usage-consumer');
  const sum = { statistic: 'Sum', period: PERIOD };
  const counting = props.pipeline.consumer.function;
  const admitting = props.authorizer?.authorizer.function;
  const logged = props.pipeline.accessLogGroups.map(({ logGroupName: LogGroupName }, place): [string, IMetric] => [
    `logged${place === 0 ? '' : place + 1}`,
    new Metric({ namespace: 'AWS/Logs', metricName: 'IncomingBytes', dimensionsMap: { LogGroupName }, ...sum }),
  ]);
  const usingMetrics: Record<string, IMetric> = {
    billable: consumer('BillableCalls'),
    ledger: props.pipeline.usageTable.metricConsumedWriteCapacityUnits(sum),
    claims: props.pipeline.claimsTable.metricConsumedWriteCapacityUnits(sum),
    counted: counting.metricInvocations(sum),
    counting: counting.metricDuration(sum),
    ...(admitting && { decided: admitting.metricInvocations(sum), deciding: admitting.metricDuration(sum) }),
    ...Object.fromEntries(logged),
  };
  const { write, invocation, byte } = USD_PER_MILLION;
  const millisecond =
    USD_PER_MILLION.millisecond[props.settings.architecture === Architecture.ARM_64 ? 'arm64' : 'x86_64'];
  const [invoked, taken] =
    admitting === undefined ? ['counted', 'counting'] : ['(counted + decided)', '(counting + deciding)'];
  const parts: Record<string, [string, string[]]> = {
    'ledger and claims': [`${write} * (ledger + claims)`, ['ledger', 'claims']],
    functions: [
      `${invocation} * ${invoked} + ${millisecond} * ${taken}`,
      ['counted', 'counting', ...(admitting === undefined ? [] : ['decided', 'deciding'])],
    ],
    'access log': [logged.map(([id]) => `${byte} * ${id}`).join(' + '), logged.map(([id]) => id)],
  };
  return Object.entries(parts).map(
    ([label, [dollars, names]]) =>
      new MathExpression({
        expression: `(${dollars}) / billable`,
        usingMetrics: Object.fromEntries([...names, 'billable'].map((name) => [name, usingMetrics[name]!])),
        period: PERIOD,
        label,
      }),
  );
}

function driftWidget(props: UsageDashboardProps): IWidget {
  const names = ['LoggedCalls', 'MissingCalls', 'SurplusCalls', 'OpenHours'] as const;
  const hourly = names.map((name) =>
    meterMetric(props.settings, 'usage-reconciler', name, 'Maximum', Duration.hours(1)),
  );
  return graph('Ledger against access log, hour by hour', 'count', hourly);
}

/** Returns the graphs of the canary's measurements, if there is a canary. */
function canaryWidgets({ settings, canary }: UsageDashboardProps): IWidget[] {
  if (canary === undefined) return [];
  const metric = metricsOf(settings, 'usage-canary');
  const limit = { value: FRESHNESS_LIMIT_MS, label: '60 s' };
  return [
    graph('Freshness of the canary', 'ms', [metric('CanaryFreshness', 'Maximum')], limit),
    graph('Failed calls of the canary', 'calls', [metric('CanaryMisses'), metric('CanaryFailures')]),
  ];
}

function keysWidgets(props: UsageDashboardProps): IWidget[] {
  return [
    ...(props.authorizer === undefined ? [] : decisions(props)),
    graph('Throttled requests of DynamoDB', 'count', throttles(props)),
  ];
}

function throttles({ pipeline, authorizer, invalidation }: UsageDashboardProps): IMetric[] {
  const tables: (ITable | undefined)[] = [
    pipeline.usageTable,
    pipeline.claimsTable,
    authorizer?.keysTable,
    authorizer?.alertsTable,
    invalidation?.table,
  ];
  return tables
    .filter((table) => table !== undefined)
    .flatMap((table) =>
      ['ReadThrottleEvents', 'WriteThrottleEvents'].map((name) =>
        table.metric(name, { statistic: 'Sum', period: PERIOD, label: `${table.tableName} ${name}` }),
      ),
    );
}

function decisions(props: UsageDashboardProps): IWidget[] {
  const authorizer = metricsOf(props.settings, 'api-authorizer');
  const remembered = new MathExpression({
    expression: '100 * hits / (hits + misses)',
    usingMetrics: { hits: authorizer('CacheHits'), misses: authorizer('CacheMisses') },
    period: PERIOD,
    label: 'remembered keys',
  });
  return [
    graph('Decisions', 'calls', [
      authorizer('Allowed'),
      authorizer('DeniedMissing'),
      authorizer('DeniedUnknown'),
      authorizer('DeniedMalformed'),
      authorizer('DeniedDeleted'),
      authorizer('DeniedExpired'),
      authorizer('DeniedOverQuota'),
      authorizer('Unavailable'),
    ]),
    graph(
      'Decision',
      'µs',
      ['p50', 'p99', 'Maximum'].map((statistic) => authorizer('DecisionDuration', statistic)),
    ),
    graph('Cache', 'percent', [remembered]),
    graph('Invalidation lag', 'ms', [authorizer('InvalidationLag', 'Maximum')]),
  ];
}
