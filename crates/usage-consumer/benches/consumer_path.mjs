// The same work as consumer_path.rs in Node.js: from the bytes of a Lambda event to
// one update per customer, key, route class and day, with the counts per hour, the
// fingerprint, the first and last sequence number and the last call. A call is
// identified by its request id and request time.
// Prints the events per second of the median round after the warm-up.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const bytes = readFileSync(process.argv[2]);
const rounds = Number(process.argv[3] ?? 30);

// The route classes: the first whose route fits.
const classes = [
  { name: 'search', method: 'GET', route: '/search' },
  { name: 'reads', method: 'GET' },
  { name: 'other' },
];

function classOf(call) {
  for (const { name, method, route } of classes)
    if ((method === undefined || method === call.method) && (route === undefined || route === call.route)) return name;
  return '';
}

// A row with the usage of a key.
function rowOf(call, routeClass, day, first) {
  const hours = new Array(24).fill(0);
  return {
    customer: call.customerId,
    key: call.key,
    routeClass,
    day,
    hours,
    fingerprint: new Uint32Array(2),
    first,
    last: '',
    lastCall: 0,
  };
}

// Adds a 64-bit hash of a text to a sum modulo 2^64, in two halves: numbers in
// JavaScript have 53 bits, and a BigInt takes several times as long.
function addHash(sum, text) {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  const lowSum = sum[0] + (low >>> 0);
  sum[0] = lowSum;
  sum[1] += (high >>> 0) + (lowSum > 0xffffffff ? 1 : 0);
}

function updatePlan(eventBytes) {
  const rows = new Map();
  const claimed = new Set();
  let events = 0;
  for (const { kinesis } of JSON.parse(eventBytes).Records) {
    const envelope = JSON.parse(gunzipSync(Buffer.from(kinesis.data, 'base64')));
    let oldestResponse = Infinity;
    for (const { message } of envelope.logEvents) {
      const call = JSON.parse(message);
      events += 1;
      const status = Number(call.status);
      if (!(status >= 200 && status < 300) || !call.key || call.key === '-') continue;
      const time = Number(call.time);
      // A call is counted by the first record that contains it.
      const identity = `${call.id}@${time}`;
      if (claimed.has(identity)) continue;
      claimed.add(identity);
      const hours = Math.floor(time / 3600000);
      const day = Math.floor(hours / 24);
      const routeClass = classOf(call);
      const key = `${call.customerId}#${call.key}#${day}#${routeClass}`;
      let row = rows.get(key);
      if (row === undefined) {
        row = rowOf(call, routeClass, day, kinesis.sequenceNumber);
        rows.set(key, row);
      }
      row.hours[hours - day * 24] += 1;
      addHash(row.fingerprint, identity);
      row.last = kinesis.sequenceNumber;
      row.lastCall = Math.max(row.lastCall, time);
      oldestResponse = Math.min(oldestResponse, time + Number(call.ms));
    }
  }
  return { rows: [...rows.values()], events };
}

const rates = [];
for (let round = 0; round < rounds; round += 1) {
  const start = process.hrtime.bigint();
  const { rows, events } = updatePlan(bytes);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const counted = rows.flatMap((row) => row.hours).reduce((sum, count) => sum + count, 0);
  if (counted !== events) throw new Error(`counted ${counted} of ${events}`);
  if (round >= rounds / 3) rates.push(events / seconds);
}
rates.sort((left, right) => left - right);
console.log(Math.round(rates[Math.floor(rates.length / 2)]));
