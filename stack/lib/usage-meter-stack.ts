import { ArnFormat, CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { LambdaDeploymentConfig } from 'aws-cdk-lib/aws-codedeploy';
import { ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { ApiKind } from './access-log';
import { alarmTopic } from './constructs/alarm-topic';
import { ApiKeyAuthorizer, ApiKeyAuthorizerProps } from './constructs/api-key-authorizer';
import { ExampleApi } from './constructs/example-api';
import { ExampleHttpApi } from './constructs/example-http-api';
import { GradualDeployment } from './constructs/gradual-deployment';
import { Invalidation, InvalidationProps } from './constructs/invalidation';
import { meterLogGroup } from './constructs/meter-log-group';
import { Reconciliation, ReconciliationProps } from './constructs/reconciliation';
import { UsageAlarms } from './constructs/usage-alarms';
import { UsageCanary, UsageCanaryProps } from './constructs/usage-canary';
import { UsageDashboard } from './constructs/usage-dashboard';
import { UsagePipeline, UsagePipelineProps } from './constructs/usage-pipeline';
import { UsagePortal } from './constructs/usage-portal';
import { MeterSettings } from './settings';

/** The props of constructs that the stack passes on. */
type ConstructProps = Pick<
  UsagePipelineProps,
  | 'streamMode'
  | 'shardCount'
  | 'batchWindow'
  | 'usageRetentionDays'
  | 'billedStatuses'
  | 'claimLayout'
  | 'consumerSettings'
> &
  Pick<ApiKeyAuthorizerProps, 'syncInterval' | 'authorizerSettings'> &
  Pick<InvalidationProps, 'cachingStages' | 'fanoutConcurrency'> &
  Pick<ReconciliationProps, 'reconcilerSettings'> &
  Pick<UsageCanaryProps, 'canarySettings'>;

export interface UsageMeterStackProps extends StackProps, ConstructProps {
  readonly settings: MeterSettings;
  /** The kind of the example API. Default: REST. */
  readonly example?: ApiKind | 'none';
  /** `true` to create the role with which API Gateway writes the logs of all REST APIs of this account and region. */
  readonly writesAccountRole?: boolean;
  /** The ARN of an existing topic that alarms notify. */
  readonly alarmTopicArn?: string;
  /** An e-mail address that alarms notify. */
  readonly alarmEmail?: string;
  /** `true` to deploy the canary. Default: if there is an API for it to call. */
  readonly hasCanary?: boolean;
  /** The URL that the canary calls. Default: the example. */
  readonly canaryUrl?: string;
  /** The public keys of the tokens with which a customer sees its usage page. Default: none, and no page. */
  readonly portalPublicKeys?: string[];
  /** The origins of pages that may embed the usage page. Default: none. */
  readonly portalFrameAncestors?: string[];
  /** The reserved concurrency of the usage page, or `none`. Default: 10. */
  readonly portalConcurrency?: number | 'none';
  /** `true` to route all calls to new versions at once. */
  readonly allAtOnce?: boolean;
}

/** The meter of one environment, with an example API. */
export class UsageMeterStack extends Stack {
  readonly settings: MeterSettings;
  readonly pipeline: UsagePipeline;
  readonly invalidation: Invalidation;
  readonly authorizer: ApiKeyAuthorizer;
  readonly reconciliation: Reconciliation;
  readonly example?: ExampleApi | ExampleHttpApi;
  readonly canary?: UsageCanary;
  readonly portal?: UsagePortal;
  readonly alarms: UsageAlarms;

  constructor(scope: Construct, id: string, props: UsageMeterStackProps) {
    super(scope, id, props);
    const { settings } = props;
    this.settings = settings;
    this.pipeline = new UsagePipeline(this, 'Pipeline', props);
    this.invalidation = new Invalidation(this, 'Invalidation', props);
    const { pipeline, invalidation } = this;
    const { usageTable } = pipeline;
    this.authorizer = new ApiKeyAuthorizer(this, 'Keys', { ...props, invalidation, usageTable });
    const exampleProps = { settings, authorizer: this.authorizer, pipeline };
    if (props.example === 'http') {
      this.example = new ExampleHttpApi(this, 'Example', exampleProps);
    } else if (props.example !== 'none') {
      const { writesAccountRole } = props;
      const example = new ExampleApi(this, 'Example', { ...exampleProps, writesAccountRole });
      this.addExecutionLog(example);
      this.example = example;
    }
    this.reconciliation = new Reconciliation(this, 'Reconciliation', { ...props, pipeline });
    const url = props.canaryUrl ?? this.example?.statusUrl;
    if (url !== undefined && props.hasCanary !== false) {
      this.canary = new UsageCanary(this, 'Canary', { ...props, usageTable, url });
    }
    this.portal = this.addPortal(props);
    const { authorizer, reconciliation, canary } = this;
    const stages = this.example === undefined ? [] : [this.example.stage];
    new UsageDashboard(this, 'Dashboard', { settings, pipeline, invalidation, authorizer, canary, stages });
    const watched = { settings, pipeline, invalidation, authorizer, reconciliation, canary };
    this.alarms = new UsageAlarms(this, 'Alarms', { ...watched, topics: this.topicsOf(props) });
    this.addDeployments(props.allAtOnce);
    this.addOutputs();
  }

  /** Adds the usage page of a customer, if there are public keys. */
  private addPortal(props: UsageMeterStackProps): UsagePortal | undefined {
    const { settings, portalPublicKeys: publicKeys = [], portalFrameAncestors: frameAncestors } = props;
    const { portalConcurrency } = props;
    if (publicKeys.length === 0) {
      if (frameAncestors === undefined && portalConcurrency === undefined) return undefined;
      throw new Error('There is no usage page without public keys: set portalPublicKeys, or omit its other settings.');
    }
    const isUnreserved = portalConcurrency === 'none';
    const reservedConcurrency = isUnreserved ? undefined : portalConcurrency;
    const keys = { publicKeys, frameAncestors };
    const { pipeline } = this;
    return new UsagePortal(this, 'Portal', { settings, pipeline, ...keys, reservedConcurrency, isUnreserved });
  }

  /** Adds what the stages of other APIs are attached with, and the URL of the usage page. */
  private addOutputs(): void {
    const { logGroupName } = this.pipeline.accessLogGroup;
    const resource = { service: 'logs', resource: 'log-group', arnFormat: ArnFormat.COLON_RESOURCE_NAME };
    new CfnOutput(this, 'AccessLogGroupArn', {
      description: 'The destination of the access logs of metered stages',
      value: this.formatArn({ ...resource, resourceName: logGroupName }),
    });
    new CfnOutput(this, 'AuthorizerArn', {
      description: 'The function that authorizes calls by their API keys',
      value: this.authorizer.authorizer.live.functionArn,
    });
    if (this.portal !== undefined) {
      const description = 'The URL of the usage page of a customer';
      new CfnOutput(this, 'PortalUrl', { description, value: this.portal.url });
    }
  }

  /** Returns the topics that alarms notify. */
  private topicsOf({ settings, alarmTopicArn, alarmEmail }: UsageMeterStackProps): ITopic[] {
    const topics: ITopic[] = alarmTopicArn === undefined ? [] : [Topic.fromTopicArn(this, 'AlarmTopic', alarmTopicArn)];
    return alarmEmail === undefined ? topics : [...topics, alarmTopic(this, 'AlarmMail', settings, alarmEmail)];
  }

  /** Creates the execution log of the example, which would never expire if API Gateway created it. Source: API Gateway
   * Developer Guide, "Set up CloudWatch logging for REST APIs". */
  private addExecutionLog(example: ExampleApi): void {
    const { settings } = this;
    const { restApiId, deploymentStage } = example.api;
    const name = `API-Gateway-Execution-Logs_${restApiId}/${settings.environment}`;
    const log = meterLogGroup(this, 'ExecutionLog', settings, name);
    deploymentStage.node.addDependency(log);
  }

  private addDeployments(allAtOnce?: boolean): void {
    const alarms = (...ids: string[]) => ids.map((id) => this.alarms.alarm(id));
    new GradualDeployment(this, 'ConsumerDeployment', {
      function: this.pipeline.consumer,
      versionAlarm: this.alarms.alarm('consumer-version-errors'),
      alarms: alarms('consumer-errors'),
      // A shard has three batches a minute, so a tenth of them would hardly be noticed.
      config: LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_3MINUTES,
      allAtOnce,
    });
    new GradualDeployment(this, 'AuthorizerDeployment', {
      function: this.authorizer.authorizer,
      versionAlarm: this.alarms.alarm('authorizer-version-errors'),
      alarms: alarms('authorizer-latency', 'invalidation-lag'),
      allAtOnce,
    });
  }
}
