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

/** What an environment may be called: it becomes part of names that allow no more. */
const ENVIRONMENT = /^[a-z][a-z0-9-]{0,19}$/;

export function namesOf(environment: string): Names {
  if (!ENVIRONMENT.test(environment)) {
    throw new Error(
      `The environment ${JSON.stringify(environment)} has to be 1 to 20 of a-z, 0-9 and '-', and begin with a letter.`,
    );
  }
  return {
    usageTable: `usage-${environment}`,
    claimsTable: `usage-claims-${environment}`,
    keysTable: `usage-keys-${environment}`,
    invalidationsTable: `usage-invalidations-${environment}`,
    alertsTable: `usage-alerts-${environment}`,
    stream: `usage-${environment}`,
    quarantineQueue: `usage-quarantine-${environment}`,
    invalidationsTopic: `usage-invalidations-${environment}`,
    alertsTopic: `usage-alerts-${environment}`,
    alarmsTopic: `usage-alarms-${environment}`,
    accessLogGroup: `/aws/api-gateway/usage-${environment}`,
    givenUpBucket: (account, region) => `usage-given-up-${environment}-${account}-${region}`,
    dashboard: (region) => `usage-meter-${environment}-${region}`,
    failedQueue: (what) => `usage-${what}-failed-${environment}`,
    canarySecretParameter: `/usage-meter/${environment}/canary-secret`,
    function: (service) => `${service}-${environment}`,
  };
}
