import {
  GetAliasCommand,
  GetEventSourceMappingCommand,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  GetFunctionUrlConfigCommand,
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
  const { ReservedConcurrentExecutions } = await lambda.send(
    new GetFunctionConcurrencyCommand({ FunctionName: physicalId }),
  );
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
    ...differs('its reserved concurrency', ReservedConcurrentExecutions, properties.ReservedConcurrentExecutions),
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

/** The conditions of a permission for anybody, with the properties that set them. Lambda stores them as text. */
const PUBLIC_CONDITIONS = [
  ['FunctionUrlAuthType', 'StringEquals', 'lambda:FunctionUrlAuthType'],
  ['InvokedViaFunctionUrl', 'Bool', 'lambda:InvokedViaFunctionUrl'],
] as const;

interface Statement {
  readonly Action: string;
  readonly Principal: '*' | { readonly Service?: string; readonly AWS?: string };
  readonly Condition?: unknown;
}

/** Checks a permission to invoke a function. */
export async function permission({ properties }: Resource): Promise<Problems> {
  const { Action, FunctionName, Principal, SourceArn } = properties as Record<string, string>;
  const [name, qualifier] = qualified(FunctionName!);
  const { Policy } = await lambda.send(new GetPolicyCommand({ FunctionName: name, Qualifier: qualifier }));
  const statements = (JSON.parse(Policy ?? '{}') as { Statement?: unknown }).Statement;
  const ofAction = (list(statements) as Statement[]).filter((statement) => statement.Action === Action);
  if (Principal === '*') return publicPermission(ofAction, Action!, FunctionName!, properties);
  const fits = (statement: Statement) =>
    typeof statement.Principal === 'object' &&
    statement.Principal.Service === Principal &&
    JSON.stringify(statement.Condition ?? {}).includes(SourceArn ?? '');
  const missing = `the permission is missing: ${Action} on ${FunctionName} for ${Principal} from ${SourceArn}`;
  return ofAction.some(fits) ? [] : [missing];
}

/** Checks a permission for anybody, which has to be limited to the function URL. Source: Lambda Developer Guide, "Control
 * access to Lambda function URLs". */
function publicPermission(
  ofAction: Statement[],
  action: string,
  functionName: string,
  properties: Record<string, unknown>,
): Problems {
  const isPublic = ({ Principal }: Statement) => (typeof Principal === 'string' ? Principal : Principal.AWS) === '*';
  const expected = Object.fromEntries(
    PUBLIC_CONDITIONS.filter(([property]) => properties[property] !== undefined).map(([property, operator, key]) => [
      operator,
      { [key]: String(properties[property]) },
    ]),
  );
  const found = ofAction.filter(isPublic);
  if (found.length === 0) return [`the permission is missing: ${action} on ${functionName} for anybody`];
  return found.flatMap(({ Condition }) =>
    differs(`the condition of ${action} on ${functionName} for anybody`, Condition, expected),
  );
}

/** Checks a function URL: that its alias has it, and who may call it. */
export async function functionUrl({ properties }: Resource): Promise<Problems> {
  const { TargetFunctionArn, Qualifier } = properties as Record<string, string>;
  const [FunctionName] = qualified(TargetFunctionArn!);
  const actual = await lambda.send(new GetFunctionUrlConfigCommand({ FunctionName, Qualifier }));
  return [
    ...differs('its authorization', actual.AuthType, properties.AuthType),
    ...differs('its invoke mode', actual.InvokeMode, properties.InvokeMode),
    ...differs('its CORS', actual.Cors ?? {}, properties.Cors ?? {}),
  ];
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
