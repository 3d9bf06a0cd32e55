/** The account and region of a stack. */
export interface Account {
  readonly accountId: string;
  readonly region: string;
  readonly partition: string;
}

/** The parts of a CloudFormation template that are read. */
export interface Template {
  readonly Resources: Record<
    string,
    { Type: string; Properties?: Record<string, unknown>; Metadata?: Record<string, string> }
  >;
  readonly Mappings?: Record<string, Record<string, Record<string, unknown>>>;
}

/** The suffixes of host names by partition. Source: AWS SDKs, `partitions.json`. */
const URL_SUFFIXES: Record<string, string> = {
  aws: 'amazonaws.com',
  'aws-cn': 'amazonaws.com.cn',
  'aws-us-gov': 'amazonaws.com',
  'aws-eusc': 'amazonaws.eu',
  'aws-iso': 'c2s.ic.gov',
  'aws-iso-b': 'sc2s.sgov.gov',
  'aws-iso-e': 'cloud.adc-e.uk',
  'aws-iso-f': 'csp.hci.ic.gov',
};

type ArnOf = (id: string) => string;

/** Resolves the references of a template to deployed resources. */
export class Resolver {
  private readonly arns: Record<string, ArnOf>;
  private readonly pseudo: Record<string, string>;

  constructor(
    private readonly template: Template,
    private readonly ids: Map<string, string>,
    account: Account,
  ) {
    const { partition, region, accountId } = account;
    const urlSuffix = URL_SUFFIXES[partition];
    if (urlSuffix === undefined) {
      throw new Error(`The partition ${partition} is not known: add its URL suffix to verify/resolver.ts.`);
    }
    const arn = (service: string, resource: string) => `arn:${partition}:${service}:${region}:${accountId}:${resource}`;
    this.arns = {
      'AWS::DynamoDB::Table': (id) => arn('dynamodb', `table/${id}`),
      'AWS::Kinesis::Stream': (id) => arn('kinesis', `stream/${id}`),
      'AWS::Logs::LogGroup': (id) => arn('logs', `log-group:${id}:*`),
      'AWS::Lambda::Function': (id) => arn('lambda', `function:${id}`),
      'AWS::CloudWatch::Alarm': (id) => arn('cloudwatch', `alarm:${id}`),
      'AWS::Events::Rule': (id) => arn('events', `rule/${id}`),
      'AWS::SQS::Queue': (id) => arn('sqs', lastPart(id, '/')),
      'AWS::S3::Bucket': (id) => `arn:${partition}:s3:::${id}`,
      'AWS::IAM::Role': (id) => `arn:${partition}:iam::${accountId}:role/${id}`,
    };
    this.pseudo = {
      'AWS::Partition': partition,
      'AWS::Region': region,
      'AWS::AccountId': accountId,
      'AWS::URLSuffix': urlSuffix,
    };
  }

  /** Returns a value of the template with its references resolved. Functions that no template of the meter uses are an
   * error. */
  resolve(value: unknown): unknown {
    if (Array.isArray(value)) {
      return value.map((item) => this.resolve(item)).filter((item) => item !== undefined);
    }
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    const entries = Object.entries(value);
    const [name, argument] = entries[0] ?? [];
    if (entries.length === 1 && (name === 'Ref' || name?.startsWith('Fn::'))) {
      return this.intrinsic(name, argument);
    }
    return Object.fromEntries(entries.map(([key, item]) => [key, this.resolve(item)]));
  }

  private intrinsic(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return argument === 'AWS::NoValue'
          ? undefined
          : (this.pseudo[argument as string] ?? this.ids.get(argument as string));
      case 'Fn::GetAtt':
        return this.attribute(...(argument as [string, string]));
      case 'Fn::FindInMap': {
        const [map, first, second] = (argument as unknown[]).map((part) => this.resolve(part)) as [
          string,
          string,
          string,
        ];
        return this.template.Mappings?.[map]?.[first]?.[second];
      }
      case 'Fn::Sub':
        return (argument as string).replace(/\$\{([^}]+)\}/g, (_, id: string) => String(this.intrinsic('Ref', id)));
      default: {
        const [first, second] = argument as [unknown, unknown];
        const list = this.resolve(second);
        if (name === 'Fn::Join') return (list as unknown[]).join(first as string);
        if (name === 'Fn::Split') return (list as string).split(first as string);
        if (name === 'Fn::Select') return (list as unknown[])[Number(first)];
        throw new Error(`The template uses ${name}, which the verification does not support.`);
      }
    }
  }

  private attribute(logicalId: string, name: string): string | undefined {
    const type = this.template.Resources[logicalId]?.Type ?? '';
    const id = this.ids.get(logicalId);
    if (id === undefined) return undefined;
    if (name === 'Arn' && this.arns[type] !== undefined) return this.arns[type](id);
    if (name === 'Version' || name === 'QueueName' || name === 'TopicName')
      return lastPart(id, type === 'AWS::SQS::Queue' ? '/' : ':');
    // Only API Gateway knows the id of an API's root resource. No check needs it.
    return `${id}.${name}`;
  }
}

/** Returns the text after the last separator. */
export function lastPart(text: string, separator: string): string {
  return text.slice(text.lastIndexOf(separator) + 1);
}
