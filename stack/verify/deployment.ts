import {
  CloudFormationClient,
  DescribeStacksCommand,
  GetTemplateCommand,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { Account, Resolver, Template } from './resolver';

/** A resource as its template wants it, with the id that it was given. */
export interface Resource {
  readonly logicalId: string;
  readonly type: string;
  /** Its place in the CDK app, which is how people know it. */
  readonly path: string;
  /** The id that it has; undefined where the stack tells of none. */
  readonly physicalId: string | undefined;
  /** What its template says, with references put in. */
  readonly properties: Record<string, unknown>;
}

/** What was deployed: what has to be there. */
export interface Deployment {
  readonly name: string;
  readonly account: Account;
  readonly resources: Resource[];
  readonly outputs: Record<string, string>;
}

/** Settings of all clients; an endpoint of one's own comes from AWS_ENDPOINT_URL. */
export const CLIENT = { maxAttempts: 8 };

/** Reads a deployed stack: its template, and the ids of its resources. */
export async function readDeployment(stackName: string): Promise<Deployment> {
  const cloudFormation = new CloudFormationClient(CLIENT);
  const identity = await new STSClient(CLIENT).send(new GetCallerIdentityCommand({}));
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: stackName }));
  const stack = Stacks?.[0];
  if (stack === undefined || !/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(stack.StackStatus ?? '')) {
    throw new Error(
      `The stack ${stackName} is in the state ${stack?.StackStatus ?? 'unknown'}; deploy it again first.`,
    );
  }
  const { TemplateBody } = await cloudFormation.send(new GetTemplateCommand({ StackName: stackName }));
  const template = JSON.parse(TemplateBody ?? '{}') as Template;
  const ids = new Map<string, string>();
  for await (const page of paginateListStackResources({ client: cloudFormation }, { StackName: stackName })) {
    for (const { LogicalResourceId, PhysicalResourceId } of page.StackResourceSummaries ?? []) {
      ids.set(LogicalResourceId!, PhysicalResourceId!);
    }
  }
  const account = {
    accountId: identity.Account!,
    region: await cloudFormation.config.region(),
    partition: identity.Arn!.split(':')[1]!,
  };
  const outputs = Object.fromEntries((stack.Outputs ?? []).map((output) => [output.OutputKey!, output.OutputValue!]));
  return { name: stackName, account, resources: resourcesOf(stackName, template, ids, account), outputs };
}

function resourcesOf(name: string, template: Template, ids: Map<string, string>, account: Account): Resource[] {
  const resolver = new Resolver(template, ids, account);
  return Object.entries(template.Resources)
    .filter(([, { Type }]) => Type !== 'AWS::CDK::Metadata')
    .map(([logicalId, { Type, Properties, Metadata }]) => ({
      logicalId,
      type: Type,
      path: (Metadata?.['aws:cdk:path'] ?? logicalId).replace(`${name}/`, '').replace(/\/Resource$/, ''),
      physicalId: ids.get(logicalId),
      properties: resolver.resolve(Properties ?? {}) as Record<string, unknown>,
    }));
}
