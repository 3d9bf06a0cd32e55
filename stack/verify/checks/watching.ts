import { CloudWatchClient, DescribeAlarmsCommand, GetDashboardCommand, MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { CodeDeployClient, GetApplicationCommand, GetDeploymentGroupCommand } from '@aws-sdk/client-codedeploy';
import { DescribeRuleCommand, EventBridgeClient, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { CLIENT, Resource } from '../deployment';
import { differs, Problems } from '../expect';

const cloudWatch = new CloudWatchClient(CLIENT);
const codeDeploy = new CodeDeployClient(CLIENT);
const eventBridge = new EventBridgeClient(CLIENT);

/** How long a new alarm may take until CloudWatch has first evaluated it, in seconds. */
const EVALUATION_S = 300;
const POLL_MS = 5_000;

async function readAlarm(name: string): Promise<MetricAlarm | undefined> {
  const { MetricAlarms } = await cloudWatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }));
  return MetricAlarms?.[0];
}

/** An alarm: its limit, that it may act, and that it is quiet. */
export async function alarm({ physicalId, properties }: Resource): Promise<Problems> {
  let is = await readAlarm(physicalId!);
  for (let waited_s = 0; is?.StateValue === 'INSUFFICIENT_DATA' && waited_s < EVALUATION_S; waited_s += POLL_MS / 1_000) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    is = await readAlarm(physicalId!);
  }
  if (is === undefined) {
    return ['it is missing'];
  }
  return [
    ...differs('its limit', is.Threshold, properties.Threshold),
    ...differs('whether it acts', is.ActionsEnabled, true),
    ...(is.StateValue === 'OK' ? [] : [`it is in the state ${is.StateValue}: ${is.StateReason ?? 'not evaluated yet'}`]),
  ];
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
    (is?.alarmConfiguration?.alarms ?? []).map(({ name }) => name).sort(),
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
    ...differs('what it starts', (Targets ?? []).map(({ Arn }) => Arn), wanted),
  ];
}
