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
  /** Whether data outlives the stack. */
  readonly protectsData: boolean;
  /** Whether tables refuse to be deleted; as `protectsData` where it is not given. */
  readonly refusesDeletion?: boolean;
  /** How long logs are kept. */
  readonly logRetention: RetentionDays;
}

/** The first words of names of environments whose data is not kept; a digit or '-' may follow. */
export const UNPROTECTED = ['ci', 'demo', 'dev', 'development', 'local', 'sandbox', 'test', 'tmp'];

/** Whether an environment of this name keeps its data, unless the setting `protect` says otherwise. */
export function isProtected(environment: string): boolean {
  return !new RegExp(`^(${UNPROTECTED.join('|')})(\\d|-|$)`).test(environment);
}

/** What becomes of a resource with data when its stack is deleted. A creation that fails takes along what it made, so
 * that it can be repeated under the same names. Source: CloudFormation User Guide, `DeletionPolicy` attribute,
 * "RetainExceptOnCreate". */
export function removalPolicy(settings: MeterSettings): RemovalPolicy {
  return settings.protectsData ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY;
}
