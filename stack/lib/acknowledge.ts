import { Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/** Suppresses findings of cdk-nag for a construct and its children. `findings` has the reason of each by its rule id. */
export function acknowledge(construct: IConstruct, findings: Record<string, string>): void {
  for (const [id, reason] of Object.entries(findings)) {
    Validations.of(construct).acknowledge({ id, reason });
  }
}
