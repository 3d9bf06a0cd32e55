import templates from './generated/names.json';

/** The names of the resources of an environment; `meter --aws ENVIRONMENT` relies on them. */
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
  /** The example API, and the function behind it. */
  readonly exampleApi: string;
  /** The bucket of given-up records. All accounts share the names of buckets, so it holds account and region. */
  readonly givenUpBucket: (account: string, region: string) => string;
  /** The dashboard. All regions of an account share the names of dashboards, so it holds the region. Source:
   * CloudFormation Template Reference, `AWS::CloudWatch::Dashboard`. */
  readonly dashboard: (region: string) => string;
  /** A queue of what nothing took, by what it was. */
  readonly failedQueue: (what: 'invalidations' | 'reconciliations') => string;
  /** The parameter with the secret of the canary's key. */
  readonly canarySecretParameter: string;
  /** The name of a function, by its service. */
  readonly function: (service: string) => string;
}

/** The parts of a template in braces, replaced. */
function filled(template: string, parts: Record<string, string>): string {
  return template.replaceAll(/{(\w+)}/g, (_, part: string) => parts[part]!);
}

export function namesOf(environment: string): Names {
  if (!new RegExp(templates.environmentPattern).test(environment)) {
    throw new Error(
      `The environment ${JSON.stringify(environment)} has to be 1 to 20 of a-z, 0-9 and '-', and begin with a letter.`,
    );
  }
  const name = (template: keyof typeof templates, parts: Record<string, string> = {}) =>
    filled(templates[template], { environment, ...parts });
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
    failedQueue: (what) => name(what === 'invalidations' ? 'invalidationsFailedQueue' : 'reconciliationsFailedQueue'),
    canarySecretParameter: name('canarySecretParameter'),
    function: (service) => name('function', { service }),
  };
}
