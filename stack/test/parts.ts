import { App, Environment, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { ApiKeyAuthorizer } from '../lib/constructs/api-key-authorizer';
import { CachingStage, Invalidation } from '../lib/constructs/invalidation';
import { UsagePipeline, UsagePipelineProps } from '../lib/constructs/usage-pipeline';
import { FreeSettings } from '../lib/function-settings';
import { placeholderBinaries } from '../verify/offline';
import { MeterSettings } from '../lib/settings';

/** The settings of an environment that is made of constructs alone. */
export function settingsOf(environment: string): MeterSettings {
  return {
    environment,
    binaries: placeholderBinaries(),
    architecture: Architecture.ARM_64,
    protectsData: false,
    logRetention: RetentionDays.TWO_WEEKS,
  };
}

/** A stack of an app of its own, with a pipeline, an invalidation log and an authorizer, as an application makes them. */
export class Parts {
  readonly app = new App();
  readonly stack: Stack;
  readonly settings = settingsOf('parts');
  readonly pipeline: UsagePipeline;

  constructor(props: (stack: Stack) => Omit<UsagePipelineProps, 'settings'> = () => ({}), env?: Environment) {
    this.stack = new Stack(this.app, 'Meter', { env });
    this.pipeline = new UsagePipeline(this.stack, 'Pipeline', { settings: this.settings, ...props(this.stack) });
  }

  /** The authorizer, with the stages whose caches are emptied. */
  keys(cachingStages: CachingStage[] = [], authorizerSettings?: FreeSettings<'api-authorizer'>): ApiKeyAuthorizer {
    const { settings, stack } = this;
    const invalidation = new Invalidation(stack, 'Invalidation', { settings, cachingStages });
    const { usageTable } = this.pipeline;
    return new ApiKeyAuthorizer(stack, 'Keys', { settings, invalidation, usageTable, authorizerSettings });
  }

  /** The template of the stack, or of another one of the app. */
  readonly template = (stack = this.stack): Template => Template.fromStack(stack);
}

/** The properties of all resources of a type. */
export function all(template: Template, type: string): Record<string, any>[] {
  return Object.values(template.findResources(type)).map(({ Properties }) => Properties);
}
