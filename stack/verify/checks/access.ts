import { GetRoleCommand, GetRolePolicyCommand, IAMClient, ListAttachedRolePoliciesCommand } from '@aws-sdk/client-iam';
import { CLIENT, Resource } from '../deployment';
import { differs, list, Problems } from '../expect';
import { policyDiffers } from '../policy';

const iam = new IAMClient(CLIENT);

/** Checks a role: its trust policy and its managed policies. */
export async function role({ physicalId, properties }: Resource): Promise<Problems> {
  const { Role: actual } = await iam.send(new GetRoleCommand({ RoleName: physicalId }));
  const { AttachedPolicies } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: physicalId }));
  const attached = (AttachedPolicies ?? []).map(({ PolicyArn }) => PolicyArn!).sort();
  return [
    ...policyDiffers(actual?.AssumeRolePolicyDocument, properties.AssumeRolePolicyDocument),
    ...differs('its managed policies', attached, (list(properties.ManagedPolicyArns) as string[]).sort()),
  ];
}

/** Checks the inline policy of a role. */
export async function policy({ properties }: Resource): Promise<Problems> {
  const problems: Problems = [];
  for (const RoleName of list(properties.Roles) as string[]) {
    const PolicyName = properties.PolicyName as string;
    const actual = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
    problems.push(...policyDiffers(actual.PolicyDocument, properties.PolicyDocument));
  }
  return problems;
}
