import { Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { ApiKind } from './access-log';
import { ApiKeyAuthorizer } from './constructs/api-key-authorizer';
import { ExampleApi } from './constructs/example-api';
import { ExampleHttpApi } from './constructs/example-http-api';
import { GradualDeployment } from './constructs/gradual-deployment';
import { Invalidation } from './constructs/invalidation';
import { Reconciliation } from './constructs/reconciliation';
import { UsageAlarms } from './constructs/usage-alarms';
import { UsageDashboard } from './constructs/usage-dashboard';
import { UsagePipeline } from './constructs/usage-pipeline';
import { MeterSettings } from './settings';

export interface UsageMeterStackProps extends StackProps {
  readonly settings: MeterSettings;
  /** Which kind of API is put in front of the meter as an example, or none; a REST API where it is not given. */
  readonly example?: ApiKind | 'none';
  /** Whether to write the role with which API Gateway writes the logs of all REST APIs of this account and region. */
  readonly writesAccountRole?: boolean;
}

/** The whole meter of one environment, with an example API in front of it. */
export class UsageMeterStack extends Stack {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  readonly invalidation: Invalidation;
  readonly authorizer: ApiKeyAuthorizer;
  readonly reconciliation: Reconciliation;
  readonly example?: ExampleApi | ExampleHttpApi;
  readonly alarms: UsageAlarms;

  constructor(scope: Construct, id: string, props: UsageMeterStackProps) {
    super(scope, id, props);
    const { settings } = props;
    this.settings = settings;
    this.pipeline = new UsagePipeline(this, 'Pipeline', { settings });
    this.invalidation = new Invalidation(this, 'Invalidation', { settings });
    const { usageTable, accessLogGroup } = this.pipeline;
    this.authorizer = new ApiKeyAuthorizer(this, 'Keys', { settings, invalidation: this.invalidation, usageTable });
    const exampleProps = { settings, authorizer: this.authorizer, usageTable, accessLogGroup };
    if (props.example === 'http') {
      this.example = new ExampleHttpApi(this, 'Example', exampleProps);
    } else if (props.example !== 'none') {
      this.example = new ExampleApi(this, 'Example', { ...exampleProps, writesAccountRole: props.writesAccountRole });
    }
    this.reconciliation = new Reconciliation(this, 'Reconciliation', { settings, pipeline: this.pipeline });
    const { pipeline, invalidation, authorizer, reconciliation } = this;
    const stages = this.example === undefined ? [] : [this.example.stage];
    new UsageDashboard(this, 'Dashboard', { settings, pipeline, invalidation, authorizer, stages });
    this.alarms = new UsageAlarms(this, 'Alarms', { settings, pipeline, invalidation, authorizer, reconciliation });
    const alarms = (...ids: string[]) => ids.map((id) => this.alarms.alarm(id));
    new GradualDeployment(this, 'ConsumerDeployment', {
      function: pipeline.consumer,
      alarms: alarms('consumer-errors', 'iterator-age', 'quarantine'),
    });
    new GradualDeployment(this, 'AuthorizerDeployment', {
      function: authorizer.authorizer,
      alarms: alarms('authorizer-errors', 'authorizer-latency', 'invalidation-lag'),
    });
  }
}
