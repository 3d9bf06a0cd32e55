#!/usr/bin/env bash
# Measures the consumer's path from a Lambda event to the update plan, beside
# Node.js doing the same work on the same event in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "bench: node is missing; install Node.js 20 or newer" >&2; exit 1; }

RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
node_rounds=45
results=target/criterion/consumer_path
peer=crates/usage-consumer/benches/consumer_path.mjs
rate_of_node() { node "$peer" target/bench/event.json "$node_rounds"; }

# Node.js before and after, so that a change of the machine's load shows.
cargo bench --locked --quiet -p usage-consumer --bench consumer_path -- event_bytes --warm-up-time 1 --measurement-time 1 >/dev/null
before=$(rate_of_node)
cargo bench --locked --quiet -p usage-consumer --bench consumer_path -- --warm-up-time 2 --measurement-time 5 >/dev/null
after=$(rate_of_node)

node --input-type=module - "$results" "$before" "$after" <<'SCRIPT'
import { readFileSync } from "node:fs";
const [results, before, after] = process.argv.slice(2);
const events = 20000;
const nanoseconds = (stage) => JSON.parse(readFileSync(`${results}/${stage}/new/estimates.json`, "utf8")).median.point_estimate;
const rate = (stage) => events / (nanoseconds(stage) / 1e9);
const floor = rate("stage_inflate_alone");
const stages = [
  ["event bytes to update plan", "event_bytes_to_update_plan"],
  ["  parse the event, base64", "stage_parse_event"],
  ["  inflate alone (the floor)", "stage_inflate_alone"],
  ["  inflate, read lines", "stage_inflate_and_read_lines"],
  ["  inflate, read, aggregate", "stage_inflate_read_and_aggregate"],
  ["  plan", "stage_plan"],
];
const millions = (value) => (value / 1e6).toFixed(2).padStart(8);
console.log("100 records of 200 events, medians, one thread, on this machine, which is shared\n");
console.log(`${"stage".padEnd(30)} M events/s   ns/event   time / floor`);
for (const [words, stage] of stages) {
  const perEvent = nanoseconds(stage) / events;
  console.log(`${words.padEnd(30)} ${millions(rate(stage))}   ${perEvent.toFixed(1).padStart(8)}   ${(floor / rate(stage)).toFixed(2).padStart(8)}`);
}
const peer = Math.max(Number(before), Number(after));
console.log(`${"Node.js " + process.versions.node}`.padEnd(30), millions(peer), `  (${millions(Number(before)).trim()} before, ${millions(Number(after)).trim()} after)`);
console.log(`\nratio to the better of the two Node.js runs: ${(rate("event_bytes_to_update_plan") / peer).toFixed(1)}`);
SCRIPT
