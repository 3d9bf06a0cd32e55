import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { MeterSettings, removalPolicy } from '../settings';

/** Creates a log group with the retention and the removal policy of the settings. */
export function meterLogGroup(scope: Construct, id: string, settings: MeterSettings, logGroupName: string): LogGroup {
  return new LogGroup(scope, id, {
    logGroupName,
    retention: settings.logRetention,
    removalPolicy: removalPolicy(settings),
  });
}

/** Creates the log group of a function. */
export function functionLogGroup(
  scope: Construct,
  id: string,
  settings: MeterSettings,
  functionName: string,
): LogGroup {
  return meterLogGroup(scope, id, settings, `/aws/lambda/${functionName}`);
}
