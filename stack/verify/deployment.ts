import {
  CloudFormationClient,
  DescribeStacksCommand,
  GetTemplateCommand,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { Account, Resolver, Template } from './resolver';

/** A resource of a deployed stack: its template properties and its physical id. */
export interface Resource {
  readonly logicalId: string;
  readonly type: string;
  /** The path of its construct in the stack. */
  readonly path: string;
  /** The physical id; `undefined` if the stack has no such resource. */
  readonly physicalId: string | undefined;
  /** The properties in the template, with references resolved. */
  readonly properties: Record<string, unknown>;
}

/** A deployed stack: the expected resources and the outputs. */
export interface Deployment {
  readonly name: string;
  readonly account: Account;
  readonly resources: Resource[];
  readonly outputs: Record<string, string>;
}

/** The settings of all clients. AWS_ENDPOINT_URL sets another endpoint. */
export const CLIENT = { maxAttempts: 8 };

/** Reads a deployed stack: its template and the ids of its resources. */
export async function readDeployment(stackName: string): Promise<Deployment> {
  const cloudFormation = new CloudFormationClient(CLIENT);
  const identity = await new STSClient(CLIENT).send(new GetCallerIdentityCommand({}));
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: stackName }));
  const stack = Stacks?.[0];
  if (stack === undefined || !/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(stack.StackStatus ?? '')) {
    throw new Error(
      `The stack ${stackName} is in the state ${stack?.StackStatus ?? 'unknown'}: deploy it again first.`,
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
