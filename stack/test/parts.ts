import * as fs from 'node:fs';
import * as path from 'node:path';
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

const PUBLIC_KEY_FILE = path.join(__dirname, '../../crates/portal-token/test-keys/openssl.pub');

/** A public key of portal tokens, which is not that of the placeholder in the templates of a release. */
export const PORTAL_KEY = fs.readFileSync(PUBLIC_KEY_FILE, 'utf8').replaceAll(/-----.*-----|\s/g, '');

/** Returns the settings of an environment for single constructs. */
export function settingsOf(environment: string): MeterSettings {
  return {
    environment,
    binaries: placeholderBinaries(),
    architecture: Architecture.ARM_64,
    protectsData: false,
    logRetention: RetentionDays.TWO_WEEKS,
  };
}

/** An app with a stack that has a pipeline, and an invalidation log and authorizer on demand. */
export class Parts {
  readonly app = new App();
  readonly stack: Stack;
  readonly settings = settingsOf('parts');
  readonly pipeline: UsagePipeline;

  constructor(props: (stack: Stack) => Omit<UsagePipelineProps, 'settings'> = () => ({}), env?: Environment) {
    this.stack = new Stack(this.app, 'Meter', { env });
    this.pipeline = new UsagePipeline(this.stack, 'Pipeline', { settings: this.settings, ...props(this.stack) });
  }

  /** Creates the authorizer, with the stages whose caches are flushed. */
  keys(cachingStages: CachingStage[] = [], authorizerSettings?: FreeSettings<'api-authorizer'>): ApiKeyAuthorizer {
    const { settings, stack } = this;
    const invalidation = new Invalidation(stack, 'Invalidation', { settings, cachingStages });
    const { usageTable } = this.pipeline;
    return new ApiKeyAuthorizer(stack, 'Keys', { settings, invalidation, usageTable, authorizerSettings });
  }

  /** Returns the template of the stack, or of another stack of the app. */
  readonly template = (stack = this.stack): Template => Template.fromStack(stack);
}

/** Returns the properties of all resources of a type. */
export function all(template: Template, type: string): Record<string, any>[] {
  return Object.values(template.findResources(type)).map(({ Properties }) => Properties);
}
