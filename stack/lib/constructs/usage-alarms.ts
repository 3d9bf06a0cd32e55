import { Alarm, ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { AlarmRule, alarmRules, WatchedParts } from './alarm-rules';

export interface UsageAlarmsProps extends WatchedParts {
  /** The topics that alarms notify. Default: none. */
  readonly topics?: ITopic[];
}

/** The minutes that an alarm evaluates. */
const EVALUATED_MINUTES = 5;

/** The alarms of the meter. The description of each names its runbook. */
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

  /** Returns the alarm of a rule. Throws an error if there is none. */
  alarm(id: string): Alarm {
    const alarm = this.byId.get(id);
    if (alarm === undefined) {
      throw new Error(`There is no alarm ${id}; the alarms are ${[...this.byId.keys()].join(', ')}.`);
    }
    return alarm;
  }

  private add(rule: AlarmRule, environment: string): Alarm {
    const id = `${rule.id}${rule.suffix ?? ''}`;
    const alarm = new Alarm(this, id, {
      alarmName: `usage-${environment}-${id}`,
      alarmDescription: `${rule.description} Runbook: docs/runbooks/${rule.runbook}.md`,
      metric: rule.metric,
      threshold: rule.threshold,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: rule.breachingHours ?? EVALUATED_MINUTES,
      datapointsToAlarm: rule.breachingHours ?? rule.breachingMinutes ?? 1,
      // Without calls there are no metrics. Missing data is an alarm only for metrics that do not depend on calls.
      treatMissingData: rule.isMissingDataBreaching ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
      // Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
      evaluateLowSampleCountPercentile: rule.ignoresFewSamples ? 'ignore' : undefined,
    });
    this.byId.set(id, alarm);
    return alarm;
  }
}
