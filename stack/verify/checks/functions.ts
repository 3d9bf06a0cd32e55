import {
  GetAliasCommand,
  GetEventSourceMappingCommand,
  GetFunctionConfigurationCommand,
  GetPolicyCommand,
  LambdaClient,
  LoggingConfig,
} from '@aws-sdk/client-lambda';
import { CLIENT, Resource } from '../deployment';
import { differs, list, Problems } from '../expect';

const lambda = new LambdaClient(CLIENT);

/** Checks a function: its state and its configuration. */
export async function lambdaFunction({ physicalId, properties }: Resource): Promise<Problems> {
  const actual = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: physicalId }));
  const variables = (properties.Environment as { Variables: unknown } | undefined)?.Variables;
  return [
    ...differs('its state', actual.State, 'Active'),
    ...differs('its runtime', actual.Runtime, properties.Runtime),
    ...differs(
      'the level of its system logs',
      actual.LoggingConfig?.SystemLogLevel,
      (properties.LoggingConfig as LoggingConfig | undefined)?.SystemLogLevel,
    ),
    ...differs('its role', actual.Role, properties.Role),
    ...differs('its memory in MiB', actual.MemorySize, properties.MemorySize),
    ...differs('its time-out in seconds', actual.Timeout, properties.Timeout),
    ...differs('its environment variables', actual.Environment?.Variables ?? {}, variables ?? {}),
    ...differs(
      'its layers',
      (actual.Layers ?? []).map(({ Arn }) => Arn),
      properties.Layers ?? [],
    ),
    ...differs('its dead-letter queue', actual.DeadLetterConfig, properties.DeadLetterConfig),
  ];
}

/** Checks a version of a function. */
export async function version({ physicalId }: Resource): Promise<Problems> {
  const actual = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: physicalId }));
  return differs('its state', actual.State, 'Active');
}

/** Checks an alias: that it points to the deployed version, and that no deployment is in progress. */
export async function alias({ properties }: Resource): Promise<Problems> {
  const { FunctionName, Name, FunctionVersion } = properties as Record<string, string>;
  const actual = await lambda.send(new GetAliasCommand({ FunctionName, Name }));
  const others = Object.keys(actual.RoutingConfig?.AdditionalVersionWeights ?? {});
  return [
    ...differs('its version', actual.FunctionVersion, FunctionVersion),
    ...(others.length > 0 ? [`version ${others.join(', ')} also receives calls: a deployment is in progress`] : []),
  ];
}

/** Checks a permission to invoke a function. */
export async function permission({ properties }: Resource): Promise<Problems> {
  const { Action, FunctionName, Principal, SourceArn } = properties as Record<string, string>;
  const [name, qualifier] = qualified(FunctionName!);
  const { Policy } = await lambda.send(new GetPolicyCommand({ FunctionName: name, Qualifier: qualifier }));
  const statements = (JSON.parse(Policy ?? '{}') as { Statement?: unknown }).Statement;
  const fits = (statement: { Action: string; Principal: { Service?: string }; Condition?: unknown }) =>
    statement.Action === Action &&
    statement.Principal.Service === Principal &&
    JSON.stringify(statement.Condition ?? {}).includes(SourceArn ?? '');
  const found = (list(statements) as Parameters<typeof fits>[0][]).some(fits);
  return found ? [] : [`the permission is missing: ${Action} on ${FunctionName} for ${Principal} from ${SourceArn}`];
}

/** Returns the name of a function and its qualifier from an ARN or a name. */
export function qualified(reference: string): [string, string | undefined] {
  const [name, qualifier] = (reference.split(':function:')[1] ?? reference).split(':');
  return [name!, qualifier];
}

const MAPPING_SETTINGS = [
  'BatchSize',
  'BisectBatchOnFunctionError',
  'EventSourceArn',
  'FunctionResponseTypes',
  'MaximumBatchingWindowInSeconds',
  'MaximumRecordAgeInSeconds',
  'MaximumRetryAttempts',
  'MetricsConfig',
  'ParallelizationFactor',
] as const;

/** Checks an event source mapping: its state and its settings. */
export async function eventSourceMapping({ physicalId, properties }: Resource): Promise<Problems> {
  const actual = await lambda.send(new GetEventSourceMappingCommand({ UUID: physicalId }));
  const destination = (config: unknown) => (config as { OnFailure?: unknown } | undefined)?.OnFailure;
  return [
    ...differs('its state', actual.State, 'Enabled'),
    ...differs('its function', actual.FunctionArn?.split(':function:')[1], properties.FunctionName),
    ...differs(
      'its on-failure destination',
      destination(actual.DestinationConfig),
      destination(properties.DestinationConfig),
    ),
    ...MAPPING_SETTINGS.flatMap((name) => differs(`its ${name}`, actual[name], properties[name])),
  ];
}
