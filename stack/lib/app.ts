import * as path from 'node:path';
import { App, DefaultStackSynthesizer, Duration, Tags, Validations } from 'aws-cdk-lib';
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { IConstruct } from 'constructs';
import { parseFreeSettings } from './function-settings';
import { namesOf } from './names';
import { Options } from './options';
import { logRetention } from './retention';
import { isProtected, MeterSettings } from './settings';
import { UsageMeterStack, UsageMeterStackProps } from './usage-meter-stack';

/** Builds the stack of the environment that the context names, from the binaries of scripts/stage-lambdas.sh. */
export function usageMeter(app: App): UsageMeterStack {
  const environment: unknown = app.node.tryGetContext('environment');
  if (typeof environment !== 'string') {
    throw new Error('The context has no environment: set it with --context environment=dev.');
  }
  namesOf(environment);
  const options = new Options(app, environment);
  const settings = settingsOf(app, environment, options);
  const stack = new UsageMeterStack(app, `UsageMeter-${environment}`, {
    description: `Usage meter, environment ${environment}`,
    terminationProtection: settings.refusesDeletion,
    synthesizer: new DefaultStackSynthesizer({ qualifier: options.text('bootstrap-qualifier') }),
    settings,
    ...propsOf(options),
  });
  omit(stack, app.node.tryGetContext('omit'));
  // The synthesis fails on findings that are not acknowledged with a reason.
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  Tags.of(stack).add('usage-meter:environment', environment);
  options.pairs('tags', '=').forEach(([name, value]) => Tags.of(stack).add(name, value));
  const boundary = options.text('permissions-boundary');
  if (boundary !== undefined) {
    PermissionsBoundary.of(stack).apply(ManagedPolicy.fromManagedPolicyArn(stack, 'Boundary', boundary));
  }
  return stack;
}

function settingsOf(app: App, environment: string, options: Options): MeterSettings {
  const protectsData = options.isOn('protect') ?? isProtected(environment);
  const days =
    options.number('log-retention-days') ?? (protectsData ? RetentionDays.THREE_MONTHS : RetentionDays.TWO_WEEKS);
  return {
    environment,
    binaries: String(app.node.tryGetContext('binaries') ?? path.join(__dirname, '../../target/lambda')),
    architecture: options.architecture(),
    protectsData,
    // A creation that fails can be rolled back only if no resource has deletion protection yet.
    refusesDeletion: protectsData && app.node.tryGetContext('creating') !== 'yes',
    logRetention: logRetention(days),
  };
}

/** The props of the stack that the options set. */
function propsOf(options: Options): Partial<UsageMeterStackProps> {
  const duration = (value: number | undefined, unit: (value: number) => Duration) =>
    value === undefined ? undefined : unit(value);
  const functions = parseFreeSettings(options.pairs('function-settings', '='));
  return {
    example: options.example(),
    writesAccountRole: options.isOn('account-role'),
    streamMode: options.streamMode(),
    shardCount: options.number('shards'),
    batchWindow: duration(options.number('batch-window-s'), (seconds) => Duration.seconds(seconds)),
    usageRetentionDays: options.number('usage-retention-days'),
    billedStatuses: options.list('billed-statuses'),
    claimLayout: options.text('claim-layout'),
    syncInterval: duration(options.number('sync-interval-ms'), (millis) => Duration.millis(millis)),
    cachingStages: options.pairs('caching-stages', '/').map(([apiId, stageName]) => ({ apiId, stageName })),
    fanoutConcurrency: options.number('fanout-concurrency'),
    alarmTopicArn: options.text('alarm-topic'),
    alarmEmail: options.text('alarm-email'),
    hasCanary: options.hasCanary(),
    canaryUrl: options.text('canary-url'),
    portalPublicKeys: options.list('portal-public-keys'),
    portalFrameAncestors: options.list('portal-frame-ancestors'),
    portalConcurrency: options.portalConcurrency(),
    allAtOnce: options.isOn('all-at-once'),
    consumerSettings: functions['usage-consumer'],
    authorizerSettings: functions['api-authorizer'],
    reconcilerSettings: functions['usage-reconciler'],
    canarySettings: functions['usage-canary'],
  };
}

/** Removes constructs by their paths in the stack, separated by commas, for an endpoint without their services. */
function omit(stack: UsageMeterStack, paths: unknown): void {
  for (const place of typeof paths === 'string' ? paths.split(',') : []) {
    const names = place.split('/');
    const parent = names.slice(0, -1).reduce<IConstruct | undefined>((at, name) => at?.node.tryFindChild(name), stack);
    if (parent === undefined || !parent.node.tryRemoveChild(names[names.length - 1]!)) {
      throw new Error(`The stack has no construct ${place} to omit.`);
    }
  }
}
