// The peer of the usage consumer in benchmarks: a Node.js function with the AWS
// SDK that does the same work without aggregation over a batch and without a
// fence. It makes one bare ADD for each key and hour of each stream record, and
// counts a record that is delivered twice twice.
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';

const require = createRequire(new URL('../../stack/package.json', import.meta.url));
const { DynamoDBClient, GetItemCommand, UpdateItemCommand } = require('@aws-sdk/client-dynamodb');

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const table = process.env.USAGE_TABLE;
const dynamodb = new DynamoDBClient({});
const concurrentWrites = 32;
const hourMs = 3_600_000;

/** Returns the access-log lines of a record of a subscription or of a producer. */
function lines(data) {
  const isGzip = data[0] === 0x1f && data[1] === 0x8b;
  if (!isGzip)
    return data
      .toString()
      .split('\n')
      .filter((line) => line !== '');
  const envelope = JSON.parse(gunzipSync(data));
  return envelope.messageType === 'DATA_MESSAGE' ? envelope.logEvents.map((event) => event.message) : [];
}

/** Returns the number of calls of a record, by key and hour. */
function updates(record) {
  const rows = new Map();
  for (const line of lines(Buffer.from(record.kinesis.data, 'base64'))) {
    const call = JSON.parse(line);
    const status = Number(call.status);
    if (!(status >= 200 && status < 300) || !call.key || call.key === '-') continue;
    const time = Number(call.time);
    const hour = Math.floor(time / hourMs);
    const keyAndHour = `${call.key} ${hour}`;
    const row = rows.get(keyAndHour) ?? { key: call.key, hour, calls: 0, lastCall: 0 };
    row.calls += 1;
    row.lastCall = Math.max(row.lastCall, time);
    rows.set(keyAndHour, row);
  }
  return [...rows.values()];
}

function add({ key, hour, calls, lastCall }) {
  const day = new Date(hour * hourMs).toISOString().slice(0, 10);
  return dynamodb.send(
    new UpdateItemCommand({
      TableName: table,
      Key: { pk: { S: key }, sk: { S: `${day}#all` } },
      UpdateExpression: 'ADD #total :calls, #hour :calls SET last_call = :last',
      ExpressionAttributeNames: { '#total': 'total', '#hour': `h${String(hour % 24).padStart(2, '0')}` },
      ExpressionAttributeValues: { ':calls': { N: String(calls) }, ':last': { N: String(lastCall) } },
    }),
  );
}

async function handle(event) {
  const queue = event.Records.flatMap(updates);
  const writers = Array.from({ length: concurrentWrites }, async () => {
    for (let update = queue.pop(); update !== undefined; update = queue.pop()) await add(update);
  });
  await Promise.all(writers);
  return { batchItemFailures: [] };
}

// Opens the connection before the first batch, as the usage consumer does.
const nothing = { S: 'connect' };
await dynamodb.send(new GetItemCommand({ TableName: table, Key: { pk: nothing, sk: nothing } }));
for (;;) {
  const next = await fetch(`${api}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  try {
    const response = await handle(await next.json());
    await fetch(`${api}/${id}/response`, { method: 'POST', body: JSON.stringify(response) });
  } catch (error) {
    await fetch(`${api}/${id}/error`, {
      method: 'POST',
      body: JSON.stringify({ errorType: error.name, errorMessage: error.message }),
    });
  }
}
