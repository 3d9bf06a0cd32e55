import * as path from 'node:path';
import { App, Tags, Validations } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { IConstruct } from 'constructs';
import { exampleOptions } from './example-options';
import { namesOf } from './names';
import { UsageMeterStack } from './usage-meter-stack';

/** The environment whose data outlives its stack. */
const PRODUCTION = 'prod';

/** Builds the stack that the context `environment` names, from the binaries that scripts/stage-lambdas.sh laid out. */
export function usageMeter(app: App): UsageMeterStack {
  const environment: unknown = app.node.tryGetContext('environment');
  if (typeof environment !== 'string') {
    throw new Error('Name the environment: --context environment=dev');
  }
  namesOf(environment);
  const isProduction = environment === PRODUCTION;
  const binaries: unknown = app.node.tryGetContext('binaries') ?? path.join(__dirname, '../../target/lambda');
  const architecture = app.node.tryGetContext('architecture') === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;
  const stack = new UsageMeterStack(app, `UsageMeter-${environment}`, {
    description: `Usage meter, environment ${environment}`,
    terminationProtection: isProduction,
    settings: {
      environment,
      binaries: String(binaries),
      architecture,
      protectsData: isProduction,
      logRetention: isProduction ? RetentionDays.THREE_MONTHS : RetentionDays.TWO_WEEKS,
    },
    ...exampleOptions(app.node),
  });
  omit(stack, app.node.tryGetContext('omit'));
  // Each synthesis fails on a finding that nobody has acknowledged with a reason.
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  Tags.of(stack).add('usage-meter:environment', environment);
  return stack;
}

/** Leaves parts out, named by their paths in the stack and separated by commas, for an endpoint that has no such. */
function omit(stack: UsageMeterStack, paths: unknown): void {
  for (const path of typeof paths === 'string' ? paths.split(',') : []) {
    const names = path.split('/');
    const parent = names.slice(0, -1).reduce<IConstruct | undefined>((at, name) => at?.node.tryFindChild(name), stack);
    if (parent === undefined || !parent.node.tryRemoveChild(names[names.length - 1]!)) {
      throw new Error(`There is no ${path} in the stack to leave out.`);
    }
  }
}
