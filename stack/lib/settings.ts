import { RemovalPolicy } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';

/** What all constructs of the meter share. */
export interface MeterSettings {
  /** The environment: part of every name, and the dimension of every metric. */
  readonly environment: string;
  /** The folder with `SERVICE/bootstrap` for each function. */
  readonly binaries: string;
  /** What the binaries were built for. */
  readonly architecture: Architecture;
  /** Whether data outlives the stack and tables cannot be deleted. */
  readonly protectsData: boolean;
  /** How long logs are kept. */
  readonly logRetention: RetentionDays;
}

/** What becomes of a resource with data when its stack is deleted. */
export function removalPolicy(settings: MeterSettings): RemovalPolicy {
  return settings.protectsData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
}
