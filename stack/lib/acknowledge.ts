import { Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/** Says why a finding of cdk-nag is as it should be, of a construct and all below it. */
export function acknowledge(construct: IConstruct, findings: Record<string, string>): void {
  for (const [id, reason] of Object.entries(findings)) {
    Validations.of(construct).acknowledge({ id, reason });
  }
}
