import { Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { ApiKeyAuthorizer } from './constructs/api-key-authorizer';
import { ExampleApi, USAGE_RESOURCE } from './constructs/example-api';
import { GradualDeployment } from './constructs/gradual-deployment';
import { Invalidation } from './constructs/invalidation';
import { Reconciliation } from './constructs/reconciliation';
import { UsageAlarms } from './constructs/usage-alarms';
import { UsageDashboard } from './constructs/usage-dashboard';
import { UsagePipeline } from './constructs/usage-pipeline';
import { MeterSettings } from './settings';

export interface UsageMeterStackProps extends StackProps {
  readonly settings: MeterSettings;
}

/** The whole meter of one environment, with the example API in front of it. */
export class UsageMeterStack extends Stack {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  readonly invalidation: Invalidation;
  readonly authorizer: ApiKeyAuthorizer;
  readonly reconciliation: Reconciliation;
  readonly example: ExampleApi;
  readonly alarms: UsageAlarms;

  constructor(scope: Construct, id: string, props: UsageMeterStackProps) {
    super(scope, id, props);
    const { settings } = props;
    this.settings = settings;
    this.pipeline = new UsagePipeline(this, 'Pipeline', { settings, unbilledResources: [USAGE_RESOURCE] });
    this.invalidation = new Invalidation(this, 'Invalidation', { settings });
    const { usageTable, accessLogGroup } = this.pipeline;
    this.authorizer = new ApiKeyAuthorizer(this, 'Keys', { settings, invalidation: this.invalidation, usageTable });
    this.example = new ExampleApi(this, 'Example', { settings, authorizer: this.authorizer, usageTable, accessLogGroup });
    this.reconciliation = new Reconciliation(this, 'Reconciliation', {
      settings,
      usageTable,
      accessLogGroup,
      unbilledResources: [USAGE_RESOURCE],
      deadLetterQueue: this.invalidation.deadLetterQueue,
    });
    const { pipeline, invalidation, authorizer } = this;
    const apis = [{ name: this.example.api.restApiName, stageName: settings.environment }];
    new UsageDashboard(this, 'Dashboard', { settings, pipeline, invalidation, authorizer, apis });
    this.alarms = new UsageAlarms(this, 'Alarms', { settings, pipeline, invalidation, authorizer });
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
