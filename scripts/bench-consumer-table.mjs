// Prints the results of scripts/bench-consumer.sh as a table: node bench-consumer-table.mjs CRITERION_FOLDER NODE_BEFORE NODE_AFTER.
import { readFileSync } from 'node:fs';
const [results, before, after] = process.argv.slice(2);
const events = 20000;
const nanoseconds = (stage) =>
  JSON.parse(readFileSync(`${results}/${stage}/new/estimates.json`, 'utf8')).median.point_estimate;
const rate = (stage) => events / (nanoseconds(stage) / 1e9);
const inflateRate = rate('stage_inflate_alone');
const stages = [
  ['event bytes to update plan', 'event_bytes_to_update_plan'],
  ['  parse the event, with base64', 'stage_parse_event'],
  ['  inflate only', 'stage_inflate_alone'],
  ['  inflate and read lines', 'stage_inflate_and_read_lines'],
  ['  inflate, read, aggregate', 'stage_inflate_read_and_aggregate'],
  ['  batch run: claim and plan', 'stage_plan'],
];
const millions = (value) => (value / 1e6).toFixed(2).padStart(8);
console.log('100 records of 200 events, medians, one thread, on a shared machine\n');
console.log(`${'stage'.padEnd(30)} M events/s   ns/event   time / inflate`);
for (const [words, stage] of stages) {
  const perEvent = nanoseconds(stage) / events;
  console.log(
    `${words.padEnd(30)} ${millions(rate(stage))}   ${perEvent.toFixed(1).padStart(8)}   ${(inflateRate / rate(stage)).toFixed(2).padStart(8)}`,
  );
}
const peer = Math.max(Number(before), Number(after));
console.log(
  `Node.js ${process.versions.node}`.padEnd(30),
  millions(peer),
  `  (${millions(Number(before)).trim()} before, ${millions(Number(after)).trim()} after)`,
);
console.log(`\nratio to the better of the two Node.js runs: ${(rate('event_bytes_to_update_plan') / peer).toFixed(1)}`);
