import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { FunctionSettings } from '../function-settings';
import { MeterSettings } from '../settings';
import { MeterFunction } from './meter-function';
import { UsagePipeline } from './usage-pipeline';
import { allowReadingUsage, usageSources } from './usage-reader';

export interface UsageEndpointProps {
  readonly settings: MeterSettings;
  /** The pipeline whose ledger the function reads. */
  readonly pipeline: UsagePipeline;
}

/** The function that returns the usage of the caller's key, or of its customer. Its route is `GET /usage`, with the
 * meter's authorizer, which identifies both. */
export class UsageEndpoint extends MeterFunction {
  constructor(scope: Construct, id: string, props: UsageEndpointProps) {
    super(scope, id, {
      settings: props.settings,
      service: 'usage-endpoint',
      description: 'Returns the usage of the caller',
      functionSettings: usageSources(props.pipeline) satisfies FunctionSettings<'usage-endpoint'>,
    });
    allowReadingUsage(this, props.pipeline);
    acknowledge(this, { 'Serverless::Serverless-LambdaDLQ': 'It is only invoked synchronously.' });
  }
}
