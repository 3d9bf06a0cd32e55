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
    const { AccountLimit: is } = await new LambdaClient(CLIENT).send(new GetAccountSettingsCommand({}));
    const [all, free] = [is!.ConcurrentExecutions!, is!.UnreservedConcurrentExecutions!];
    return { granted: free, note: all === free ? undefined : `${all - free} of ${all} are reserved by functions` };
  },
  gateway: async () => {
    const { throttleSettings: is } = await new APIGatewayClient(CLIENT).send(new GetAccountCommand({}));
    return { granted: is!.rateLimit!, note: `bursts of ${is!.burstLimit!.toLocaleString('en')}` };
  },
  ledger: async () => {
    const is = await new DynamoDBClient(CLIENT).send(new DescribeLimitsCommand({}));
    return { granted: is.TableMaxWriteCapacityUnits! };
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
