import { CloudWatchClient, DescribeAlarmsCommand, GetDashboardCommand, MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { CodeDeployClient, GetApplicationCommand, GetDeploymentGroupCommand } from '@aws-sdk/client-codedeploy';
import { DescribeRuleCommand, EventBridgeClient, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';
import { quietly, waitFor, Waits } from '../waits';

const cloudWatch = new CloudWatchClient(CLIENT);
const codeDeploy = new CodeDeployClient(CLIENT);
const eventBridge = new EventBridgeClient(CLIENT);

/** How long an alarm of what comes hourly may be without data after it was deployed, in hours. */
const HOURS_WITHOUT_DATA = 3;

async function readAlarm(name: string): Promise<MetricAlarm | undefined> {
  const { MetricAlarms } = await cloudWatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }));
  return MetricAlarms?.[0];
}

/** An alarm: its limit, whom it tells, and that it is quiet. */
export async function alarm({ physicalId, properties }: Resource, waits: Waits): Promise<Problems> {
  let is = await readAlarm(physicalId!);
  const isHourly = JSON.stringify(properties).includes('"Period":3600');
  // What has to come each minute, as from a canary, gets the time to come.
  const comesAlways = properties.TreatMissingData === 'breaching';
  const mayBecomeOk = (found: MetricAlarm) =>
    !isHourly && (hasNoData(found) || (comesAlways && found.StateValue === 'ALARM'));
  await quietly(
    waitFor('an alarm has no data', waits.evaluation_s, waits, async () => {
      is = await readAlarm(physicalId!);
      return is !== undefined && mayBecomeOk(is) ? undefined : true;
    }),
  );
  if (is === undefined) {
    return ['it is missing'];
  }
  const actions = (properties.AlarmActions as string[] | undefined) ?? [];
  return [
    ...differs('its limit', is.Threshold, properties.Threshold),
    ...differs('whether it acts', is.ActionsEnabled, true),
    ...differs('whom it tells', is.AlarmActions ?? [], actions),
    ...(is.StateValue === 'OK' || (isHourly && isNew(is))
      ? []
      : [`it is in the state ${is.StateValue}: ${is.StateReason ?? 'not evaluated yet'}`]),
  ];
}

/** Whether an alarm has had nothing to judge yet, which may be an alarm of its own. */
function hasNoData({ StateValue, StateReason }: MetricAlarm): boolean {
  return (
    StateValue === 'INSUFFICIENT_DATA' ||
    (StateValue === 'ALARM' && /no datapoints were received/.test(StateReason ?? ''))
  );
}

/** Whether an alarm of what comes hourly is too new to have data. */
function isNew(is: MetricAlarm): boolean {
  const deployed = is.AlarmConfigurationUpdatedTimestamp?.getTime() ?? 0;
  return hasNoData(is) && Date.now() - deployed < HOURS_WITHOUT_DATA * 3_600_000;
}

/** The dashboard: that it shows what it was deployed with. */
export async function dashboard({ physicalId, properties }: Resource): Promise<Problems> {
  const { DashboardBody } = await cloudWatch.send(new GetDashboardCommand({ DashboardName: physicalId }));
  const widgets = (body: unknown) => (JSON.parse(body as string) as { widgets: unknown[] }).widgets;
  return JSON.stringify(widgets(DashboardBody)) === JSON.stringify(widgets(properties.DashboardBody))
    ? []
    : ['it shows something else than what was deployed'];
}

/** An application of CodeDeploy. */
export async function application({ physicalId }: Resource): Promise<Problems> {
  const { application: is } = await codeDeploy.send(new GetApplicationCommand({ applicationName: physicalId }));
  return differs('what it deploys', is?.computePlatform, 'Lambda');
}

/** How a function is deployed: which alarms stop it. */
export async function deploymentGroup({ physicalId, properties }: Resource): Promise<Problems> {
  const { deploymentGroupInfo: is } = await codeDeploy.send(
    new GetDeploymentGroupCommand({
      applicationName: properties.ApplicationName as string,
      deploymentGroupName: physicalId,
    }),
  );
  const wanted = properties.AlarmConfiguration as { Alarms: { Name: string }[] };
  return differs(
    'the alarms that stop it',
    (is?.alarmConfiguration?.alarms ?? []).map(({ name }) => name!).sort(),
    wanted.Alarms.map(({ Name }) => Name).sort(),
  );
}

/** What is done on a schedule. */
export async function rule({ physicalId, properties }: Resource): Promise<Problems> {
  const is = await eventBridge.send(new DescribeRuleCommand({ Name: physicalId }));
  const { Targets } = await eventBridge.send(new ListTargetsByRuleCommand({ Rule: physicalId }));
  const wanted = (properties.Targets as { Arn: string }[]).map(({ Arn }) => Arn);
  return [
    ...differs('its state', is.State, 'ENABLED'),
    ...differs('its schedule', is.ScheduleExpression, properties.ScheduleExpression),
    ...differs(
      'what it starts',
      (Targets ?? []).map(({ Arn }) => Arn),
      wanted,
    ),
  ];
}
