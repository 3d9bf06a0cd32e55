import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { AlarmRule, alarmRules, WatchedParts } from './alarm-rules';

export interface UsageAlarmsProps extends WatchedParts {
  /** Who is told; nobody where none is given. */
  readonly topics?: ITopic[];
}

/** How many of the newest minutes an alarm looks at. */
const MINUTES = 5;

/** What somebody has to look at; each says which runbook helps. */
export class UsageAlarms extends Construct {
  readonly alarms: Alarm[];
  private readonly byId = new Map<string, Alarm>();

  constructor(scope: Construct, id: string, props: UsageAlarmsProps) {
    super(scope, id);
    const actions = (props.topics ?? []).map((topic) => new SnsAction(topic));
    this.alarms = alarmRules(props).map((rule) => {
      const alarm = this.add(rule, props.settings.environment);
      alarm.addAlarmAction(...actions);
      alarm.addOkAction(...actions);
      return alarm;
    });
  }

  /** The alarm that is called so. */
  alarm(id: string): Alarm {
    const alarm = this.byId.get(id);
    if (alarm === undefined) {
      throw new Error(`There is no alarm ${id}; there are ${[...this.byId.keys()].join(', ')}.`);
    }
    return alarm;
  }

  private add(rule: AlarmRule, environment: string): Alarm {
    const id = `${rule.id}${rule.suffix ?? ''}`;
    const alarm = new Alarm(this, id, {
      alarmName: `usage-${environment}-${id}`,
      alarmDescription: `${rule.says} Runbook: docs/runbooks/${rule.runbook}.md`,
      metric: rule.metric,
      threshold: rule.above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: rule.hours ?? MINUTES,
      datapointsToAlarm: rule.hours ?? rule.minutes ?? 1,
      // No calls, no metrics: silence is no alarm, but where something has to come whether there are calls or not.
      treatMissingData: rule.isAlarmedBySilence ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
      // Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
      evaluateLowSampleCountPercentile: rule.ignoresFewSamples ? 'ignore' : undefined,
    });
    this.byId.set(id, alarm);
    return alarm;
  }
}
