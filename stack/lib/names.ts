import templates from './generated/names.json';

/** The names of the resources of an environment. `meter --aws ENVIRONMENT` uses the same. */
export interface Names {
  readonly usageTable: string;
  readonly claimsTable: string;
  readonly keysTable: string;
  readonly invalidationsTable: string;
  readonly alertsTable: string;
  readonly stream: string;
  readonly quarantineQueue: string;
  readonly invalidationsTopic: string;
  readonly alertsTopic: string;
  readonly alarmsTopic: string;
  readonly accessLogGroup: string;
  /** The example API and its backend function. */
  readonly exampleApi: string;
  /** The bucket of given-up records. Bucket names are unique across accounts, so it contains account and region. */
  readonly givenUpBucket: (account: string, region: string) => string;
  /** The dashboard. Dashboard names are unique across the regions of an account, so it contains the region. Source:
   * CloudFormation Template Reference, `AWS::CloudWatch::Dashboard`. */
  readonly dashboard: (region: string) => string;
  /** A dead-letter queue, by its kind of event. */
  readonly failedQueue: (kind: 'invalidations' | 'reconciliations') => string;
  /** The parameter with the secret of the canary's key. */
  readonly canarySecretParameter: string;
  /** A function, by its service. */
  readonly function: (service: string) => string;
}

/** Replaces the parts of a template in braces. */
function fillIn(template: string, parts: Record<string, string>): string {
  return template.replaceAll(/{(\w+)}/g, (_, part: string) => parts[part]!);
}

export function namesOf(environment: string): Names {
  if (!new RegExp(templates.environmentPattern).test(environment)) {
    throw new Error(
      `The environment ${JSON.stringify(environment)} has to be 1 to 20 of a-z, 0-9 and '-', and begin with a letter.`,
    );
  }
  const name = (template: keyof typeof templates, parts: Record<string, string> = {}) =>
    fillIn(templates[template], { environment, ...parts });
  return {
    usageTable: name('usageTable'),
    claimsTable: name('claimsTable'),
    keysTable: name('keysTable'),
    invalidationsTable: name('invalidationsTable'),
    alertsTable: name('alertsTable'),
    stream: name('stream'),
    quarantineQueue: name('quarantineQueue'),
    invalidationsTopic: name('invalidationsTopic'),
    alertsTopic: name('alertsTopic'),
    alarmsTopic: name('alarmsTopic'),
    accessLogGroup: name('accessLogGroup'),
    exampleApi: name('exampleApi'),
    givenUpBucket: (account, region) => name('givenUpBucket', { account, region }),
    dashboard: (region) => name('dashboard', { region }),
    failedQueue: (kind) => name(kind === 'invalidations' ? 'invalidationsFailedQueue' : 'reconciliationsFailedQueue'),
    canarySecretParameter: name('canarySecretParameter'),
    function: (service) => name('function', { service }),
  };
}
