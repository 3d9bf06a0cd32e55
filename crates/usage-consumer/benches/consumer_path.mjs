// The same work as consumer_path.rs in Node.js: from the bytes of a Lambda event to
// one update per key and day, with the counts per hour, the first and last sequence
// number and the last call. A call is identified by its request id and request time.
// Prints the events per second of the median round after the warm-up.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const bytes = readFileSync(process.argv[2]);
const rounds = Number(process.argv[3] ?? 30);

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
      const key = `${call.key}#${day}`;
      let row = rows.get(key);
      if (row === undefined) {
        row = {
          key: call.key,
          day,
          hours: new Array(24).fill(0),
          first: kinesis.sequenceNumber,
          last: '',
          lastCall: 0,
        };
        rows.set(key, row);
      }
      row.hours[hours - day * 24] += 1;
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
