import { RemovalPolicy } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';

/** The settings that all constructs of an environment share. */
export interface MeterSettings {
  /** The environment. All names contain it, and all metrics have it as a dimension. */
  readonly environment: string;
  /** The folder with `SERVICE.zip` or `SERVICE/bootstrap` for each function. */
  readonly binaries: string;
  /** The architecture that the binaries are built for. */
  readonly architecture: Architecture;
  /** `true` if resources with data are retained when the stack is deleted. */
  readonly protectsData: boolean;
  /** `true` if tables have deletion protection. Default: `protectsData`. */
  readonly refusesDeletion?: boolean;
  /** The retention of all logs. */
  readonly logRetention: RetentionDays;
}

/** Names of environments that are not protected by default. A digit or '-' may follow. */
export const UNPROTECTED = ['ci', 'demo', 'dev', 'development', 'local', 'sandbox', 'test', 'tmp'];

/** Returns whether an environment of this name is protected by default, without the option `protect`. */
export function isProtected(environment: string): boolean {
  return !new RegExp(`^(${UNPROTECTED.join('|')})(\\d|-|$)`).test(environment);
}

/** Returns the removal policy of resources with data. If the creation of the stack fails, they are deleted, so that it
 * can be repeated with the same names. Source: CloudFormation User Guide, `DeletionPolicy` attribute,
 * "RetainExceptOnCreate". */
export function removalPolicy(settings: MeterSettings): RemovalPolicy {
  return settings.protectsData ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY;
}
