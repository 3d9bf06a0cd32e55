import { CloudWatchClient, DescribeAlarmsCommand, GetDashboardCommand, MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { CodeDeployClient, GetApplicationCommand, GetDeploymentGroupCommand } from '@aws-sdk/client-codedeploy';
import { DescribeRuleCommand, EventBridgeClient, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';
import { quietly, waitFor, Waits } from '../waits';

const cloudWatch = new CloudWatchClient(CLIENT);
const codeDeploy = new CodeDeployClient(CLIENT);
const eventBridge = new EventBridgeClient(CLIENT);

/** The time for which an alarm with an hourly metric may have no data after its deployment, in hours. */
const HOURS_WITHOUT_DATA = 3;

async function readAlarm(name: string): Promise<MetricAlarm | undefined> {
  const { MetricAlarms } = await cloudWatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }));
  return MetricAlarms?.[0];
}

/** Checks an alarm: its threshold, its actions, and that it is not in alarm. */
export async function alarm({ physicalId, properties }: Resource, waits: Waits): Promise<Problems> {
  let actual = await readAlarm(physicalId!);
  const isHourly = JSON.stringify(properties).includes('"Period":3600');
  // A metric that is emitted every minute, such as the canary's, may not have arrived yet.
  const isAlwaysEmitted = properties.TreatMissingData === 'breaching';
  const mayBecomeOk = (found: MetricAlarm) =>
    !isHourly && (hasNoData(found) || (isAlwaysEmitted && found.StateValue === 'ALARM'));
  await quietly(
    waitFor('an alarm has no data', waits.evaluation_s, waits, async () => {
      actual = await readAlarm(physicalId!);
      return actual !== undefined && mayBecomeOk(actual) ? undefined : true;
    }),
  );
  if (actual === undefined) {
    return ['it is missing'];
  }
  const actions = (properties.AlarmActions as string[] | undefined) ?? [];
  return [
    ...differs('its threshold', actual.Threshold, properties.Threshold),
    ...differs('its enabled actions', actual.ActionsEnabled, true),
    ...differs('its actions', actual.AlarmActions ?? [], actions),
    ...(actual.StateValue === 'OK' || (isHourly && isNew(actual))
      ? []
      : [`it is in the state ${actual.StateValue}: ${actual.StateReason ?? 'not evaluated yet'}`]),
  ];
}

/** Returns whether an alarm has no data yet, which may set it off. */
function hasNoData({ StateValue, StateReason }: MetricAlarm): boolean {
  return (
    StateValue === 'INSUFFICIENT_DATA' ||
    (StateValue === 'ALARM' && /no datapoints were received/.test(StateReason ?? ''))
  );
}

/** Returns whether an alarm with an hourly metric is too new to have data. */
function isNew(actual: MetricAlarm): boolean {
  const deployed = actual.AlarmConfigurationUpdatedTimestamp?.getTime() ?? 0;
  return hasNoData(actual) && Date.now() - deployed < HOURS_WITHOUT_DATA * 3_600_000;
}

/** Checks the widgets of the dashboard. */
export async function dashboard({ physicalId, properties }: Resource): Promise<Problems> {
  const { DashboardBody } = await cloudWatch.send(new GetDashboardCommand({ DashboardName: physicalId }));
  const widgets = (body: unknown) => (JSON.parse(body as string) as { widgets: unknown[] }).widgets;
  return JSON.stringify(widgets(DashboardBody)) === JSON.stringify(widgets(properties.DashboardBody))
    ? []
    : ['its widgets differ from the deployed ones'];
}

/** Checks an application of CodeDeploy. */
export async function application({ physicalId }: Resource): Promise<Problems> {
  const { application: actual } = await codeDeploy.send(new GetApplicationCommand({ applicationName: physicalId }));
  return differs('its compute platform', actual?.computePlatform, 'Lambda');
}

/** Checks a deployment group: the alarms that stop its deployments. */
export async function deploymentGroup({ physicalId, properties }: Resource): Promise<Problems> {
  const { deploymentGroupInfo: actual } = await codeDeploy.send(
    new GetDeploymentGroupCommand({
      applicationName: properties.ApplicationName as string,
      deploymentGroupName: physicalId,
    }),
  );
  const wanted = properties.AlarmConfiguration as { Alarms: { Name: string }[] };
  return differs(
    'its alarms',
    (actual?.alarmConfiguration?.alarms ?? []).map(({ name }) => name!).sort(),
    wanted.Alarms.map(({ Name }) => Name).sort(),
  );
}

/** Checks a scheduled rule. */
export async function rule({ physicalId, properties }: Resource): Promise<Problems> {
  const actual = await eventBridge.send(new DescribeRuleCommand({ Name: physicalId }));
  const { Targets } = await eventBridge.send(new ListTargetsByRuleCommand({ Rule: physicalId }));
  const wanted = (properties.Targets as { Arn: string }[]).map(({ Arn }) => Arn);
  return [
    ...differs('its state', actual.State, 'ENABLED'),
    ...differs('its schedule', actual.ScheduleExpression, properties.ScheduleExpression),
    ...differs(
      'its targets',
      (Targets ?? []).map(({ Arn }) => Arn),
      wanted,
    ),
  ];
}
