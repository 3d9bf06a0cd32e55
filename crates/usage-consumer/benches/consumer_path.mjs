// The same work as consumer_path.rs, the way a Node.js function would do it.
// Prints the events per second of the median round after warming up.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const text = readFileSync(process.argv[2], "utf8");
const rounds = Number(process.argv[3] ?? 30);

function updatePlan(eventText) {
  const counts = new Map();
  let events = 0;
  for (const record of JSON.parse(eventText).Records) {
    const envelope = JSON.parse(gunzipSync(Buffer.from(record.kinesis.data, "base64")).toString("utf8"));
    for (const { message } of envelope.logEvents) {
      const call = JSON.parse(message);
      events += 1;
      const status = Number(call.status);
      if (status < 200 || status > 299 || !call.apiKeyId || call.apiKeyId === "-") continue;
      const hour = Math.floor(Number(call.requestTimeEpoch) / 3600000);
      const window = `${call.apiKeyId}|${hour}`;
      counts.set(window, (counts.get(window) ?? 0) + 1);
    }
  }
  return { counts, events };
}

const rates = [];
for (let round = 0; round < rounds; round += 1) {
  const start = process.hrtime.bigint();
  const { counts, events } = updatePlan(text);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const counted = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (counted !== events) throw new Error(`counted ${counted} of ${events}`);
  if (round >= rounds / 3) rates.push(events / seconds);
}
rates.sort((left, right) => left - right);
console.log(Math.round(rates[Math.floor(rates.length / 2)]));
