import { APIGatewayClient, GetAccountCommand } from '@aws-sdk/client-api-gateway';
import { DescribeLimitsCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Limit, LIMITS, SYNC_INTERVAL_S } from '../lib/limits';
import { CLIENT } from './deployment';

/** The quota of an account for a limit. */
interface Quota {
  readonly granted: number;
  readonly note?: string;
}

/** Readers of the account's quotas. Limits without a reader cannot be raised. */
const READERS: Partial<Record<Limit['id'], () => Promise<Quota>>> = {
  concurrency: async () => {
    const { AccountLimit: actual } = await new LambdaClient(CLIENT).send(new GetAccountSettingsCommand({}));
    const [all, free] = [actual!.ConcurrentExecutions!, actual!.UnreservedConcurrentExecutions!];
    return { granted: free, note: all === free ? undefined : `${all - free} of ${all} are reserved by functions` };
  },
  gateway: async () => {
    const { throttleSettings: actual } = await new APIGatewayClient(CLIENT).send(new GetAccountCommand({}));
    return { granted: actual!.rateLimit!, note: `bursts of ${actual!.burstLimit!.toLocaleString('en')}` };
  },
  ledger: async () => {
    const actual = await new DynamoDBClient(CLIENT).send(new DescribeLimitsCommand({}));
    return { granted: actual.TableMaxWriteCapacityUnits! };
  },
};

/** Returns one line per limit with the account's quota and the rate of calls that it allows, lowest rate first. */
export async function quotas(syncInterval_s = SYNC_INTERVAL_S): Promise<string[]> {
  const rows = await Promise.all(LIMITS.map(async (limit) => rowOf(limit, await read(limit), syncInterval_s)));
  return rows.sort((left, right) => left.calls - right.calls).map(({ line }) => line);
}

async function read({ id, granted }: Limit): Promise<Quota> {
  const reader = READERS[id];
  if (reader === undefined) return { granted };
  return reader().catch((error: Error) => ({
    granted,
    note: `AWS's default, because the quota cannot be read (${error.name})`,
  }));
}

function rowOf(
  { resource, unit, callsPerSecond, raise }: Limit,
  { granted, note }: Quota,
  syncInterval_s: number,
): { calls: number; line: string } {
  const calls = callsPerSecond(granted, syncInterval_s);
  const [shown, has] = [calls, granted].map((value) => value.toLocaleString('en'));
  const suffix = note === undefined ? '' : `; ${note}`;
  return {
    calls,
    line: `  ${shown!.padStart(9)} calls/s: ${resource} (${has} ${unit.replace(/ \(.*|,.*/, '')}${suffix}). To raise: ${raise}`,
  };
}
