// Prints the results of scripts/bench.sh in target/bench as a Markdown table.
import { readFileSync } from 'node:fs';
const bench = 'target/bench';
const read = (file) => readFileSync(`${bench}/${file}`, 'utf8');
const json = (file) => JSON.parse(read(file));
const lastLineOfJson = (file) =>
  JSON.parse(
    read(file)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .pop(),
  );

const consumer = read('consumer.txt');
const million = (pattern) => Number(consumer.match(pattern)[1]);
const { first_poll_p50_us: firstPoll } = lastLineOfJson('cold-start.txt');
const [authorizer, authorizerPeer] = [json('authorizer.json'), json('authorizer-peer.json')];
const perMillion = (who, ...names) => {
  const { consumption, counts } = json(`end-to-end/${who}/result.json`);
  if (counts.missing + counts.surplus > 0) throw new Error(`${who}: the counts differ`);
  return names.reduce((sum, name) => sum + consumption.find((line) => line.what === name).per_million_calls, 0);
};
const rate = (who) =>
  Math.max(
    ...json(`end-to-end/${who}-rate/steps.json`)
      .filter((step) => step.verdict === 'passed')
      .slice(-1)
      .map((step) => step.calls_per_s),
  );
const ledger = ['ledger write units', 'claim write units'];

const rows = [
  [
    'event bytes to update plan, million events/s',
    million(/event bytes to update plan +([\d.]+)/),
    'Node.js, the same work',
    million(/Node\.js [\d.]+ +([\d.]+)/),
    'more',
  ],
  [
    'authorizer, event to response, p50, µs',
    authorizer.p50_us,
    'Node.js, the same work',
    authorizerPeer.p50_us,
    'less',
  ],
  [
    'authorizer, event to response, p99, µs',
    authorizer.p99_us,
    'Node.js, the same work',
    authorizerPeer.p99_us,
    'less',
  ],
  [
    'consumer, process start to first poll, p50, ms',
    firstPoll.ours / 1e3,
    'Node.js with the AWS SDK',
    firstPoll.peer / 1e3,
    'less',
  ],
  ['calls/s of the whole system, sustained', rate('ours'), 'bare ADD in Node.js', rate('peer'), 'more'],
  [
    'write units for a million calls, with claims',
    perMillion('ours', ...ledger),
    'bare ADD per key and log batch',
    perMillion('peer', ...ledger),
    'less',
  ],
  [
    'consumer milliseconds for a million calls',
    perMillion('ours', 'consumer milliseconds'),
    'bare ADD in Node.js',
    perMillion('peer', 'consumer milliseconds'),
    'less',
  ],
];
const number = (value) => value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 });
console.log("\n| measurement | ours | peer | peer's value | ratio |\n| --- | ---: | --- | ---: | ---: |");
for (const [what, ours, peer, theirs, better] of rows) {
  const ratio = better === 'more' ? ours / theirs : theirs / ours;
  console.log(`| ${what} | ${number(ours)} | ${peer} | ${number(theirs)} | ${ratio.toFixed(1)} |`);
}
console.log('\nA ratio above 1 is in our favour. The machine is shared.');
