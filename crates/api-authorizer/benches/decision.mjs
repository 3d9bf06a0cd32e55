// The same work as decision.rs in Node.js: from the bytes of an event to the bytes
// of a policy, with the key in the cache. Prints the median and the 99th
// percentile, in microseconds.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [file, secret, roundsText] = process.argv.slice(2);
const bytes = readFileSync(file);
const rounds = Number(roundsText ?? 200_000);
const digestOf = (text) => createHash('sha256').update(text).digest('hex');
const lifetimeMs = 30_000;
const syncIntervalMs = 1_000_000;
const cache = new Map();
const lastLogReadMs = Date.now();
cache.set(digestOf(secret), {
  key: { id: 'key-1', owner: 'acme', plan: 'gold' },
  readMs: Date.now() + 1e9,
  version: 0,
});
const tombstones = new Map();
let decisions = 0;
let metrics = '';

function decide(digest) {
  const now = Date.now();
  if (now - lastLogReadMs > syncIntervalMs) throw new Error('the log has to be read');
  const entry = cache.get(digest);
  if (entry === undefined || now - entry.readMs > lifetimeMs) throw new Error('the key has to be read');
  if ((tombstones.get(entry.key.id) ?? -1) > entry.version) throw new Error('the key was changed');
  return entry.key;
}

function handle(eventBytes) {
  const event = JSON.parse(eventBytes);
  const name = Object.keys(event.headers).find((header) => header.toLowerCase() === 'x-api-key');
  const key = decide(digestOf(event.headers[name]));
  decisions += 1;
  if (decisions % 100 === 0) metrics = JSON.stringify({ _aws: { Timestamp: Date.now() }, Decisions: 100 });
  const stage = event.methodArn.split('/').slice(0, 2).join('/');
  return Buffer.from(
    JSON.stringify({
      principalId: key.id,
      policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: `${stage}/*` }],
      },
      context: { apiKeyId: key.id, owner: key.owner, plan: key.plan },
    }),
  );
}

const times = [];
for (let round = 0; round < rounds; round += 1) {
  const start = process.hrtime.bigint();
  const response = handle(bytes);
  const took = Number(process.hrtime.bigint() - start);
  if (response.length < 100) throw new Error('the response is too short');
  // The first third of the rounds warms up the compiler.
  if (round >= rounds / 3) times.push(took);
}
times.sort((left, right) => left - right);
const microseconds = (share) => times[Math.floor(times.length * share)] / 1_000;
if (metrics === '') throw new Error('no metrics');
console.log(JSON.stringify({ p50_us: microseconds(0.5), p99_us: microseconds(0.99) }));
