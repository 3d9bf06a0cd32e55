//! The authorizer's decision in process: time, allocations, what a guess can
//! learn from the time, and how often a key is remembered.
//!
//! `scripts/bench-authorizer.sh` runs it.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{SETTINGS, event, handler};
use criterion::Criterion;
use hdrhistogram::Histogram;
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::clock_reading::ClockReading;
use metering_core::decision_cache::{CacheSettings, DecisionCache, Read, Step};
use metering_core::invalidation::LogRead;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Runtime;

const SECRET: &str = "um_kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut criterion = Criterion::default().configure_from_args();
    decision_time(&mut criterion, &runtime);
    timing_of_guesses(&runtime);
    hit_rates();
}

fn key(id: String) -> KeyRecord {
    KeyRecord { key_id: id, owner: "acme".to_owned(), plan: "gold".to_owned(), ..KeyRecord::default() }
}

fn decision_time(criterion: &mut Criterion, runtime: &Runtime) {
    let (handler, memory) = handler(SETTINGS);
    memory.add(SECRET, key("key-1".to_owned()));
    let (event, digest) = (event(SECRET), KeyDigest::of_secret(SECRET).unwrap());
    let answer = runtime.block_on(handler.handle(&event)).unwrap();
    assert!(answer.get().contains("\"Allow\""));
    criterion.bench_function("cached_decision", |bencher| {
        bencher.iter(|| runtime.block_on(handler.authorizer.decide(black_box(digest))).unwrap());
    });
    criterion.bench_function("event_to_answer", |bencher| {
        bencher.iter(|| runtime.block_on(handler.handle(black_box(&event))).unwrap());
    });
    handler.emit_metrics();
    let mut nanoseconds = Histogram::<u64>::new(3).unwrap();
    let mut after_answers = Duration::ZERO;
    for _ in 0..500_000 {
        let began = Instant::now();
        black_box(runtime.block_on(handler.handle(&event)).unwrap());
        let answered = Instant::now();
        nanoseconds.record(u64::try_from((answered - began).as_nanos()).unwrap()).unwrap();
        // The caller does not wait for the line of metrics, but Lambda bills it.
        handler.emit_metrics();
        after_answers += answered.elapsed();
    }
    let microseconds = |percentile| nanoseconds.value_at_percentile(percentile) as f64 / 1_000.0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    // Node.js answers the same event.
    std::fs::write(folder.join("authorizer-event.json"), &event).unwrap();
    let result = format!("{{\"p50_us\": {}, \"p99_us\": {}}}", microseconds(50.0), microseconds(99.0));
    std::fs::write(folder.join("authorizer.json"), result).unwrap();
    println!("\nevent to answer, key remembered, {} bytes of event, 500,000 times", event.len());
    println!(
        "  p50 {:.1} µs, p99 {:.1} µs, p99.9 {:.1} µs",
        microseconds(50.0),
        microseconds(99.0),
        microseconds(99.9)
    );
    println!(
        "  after the answer, metrics: {:.2} µs on average",
        after_answers.as_secs_f64() * 1e6 / 500_000.0
    );
    let decision =
        allocation_counter::measure(|| drop(runtime.block_on(handler.authorizer.decide(digest)).unwrap()));
    let whole = allocation_counter::measure(|| drop(runtime.block_on(handler.handle(&event)).unwrap()));
    println!(
        "  allocations: {} of the decision, {} from event to answer",
        decision.count_total, whole.count_total
    );
}

/// Welch's t between guesses that differ from a key in their last characters and guesses that share nothing with it. From 4.5 on the two can be told
/// apart. Source: Reparaz, Balasch and Verbauwhede, "dude, is my code constant time?" (2017).
fn timing_of_guesses(runtime: &Runtime) {
    let (handler, memory) = handler(CacheSettings { unknown_lifetime_ms: 0, ..SETTINGS });
    memory.add(SECRET, key("key-1".to_owned()));
    let mut random = StdRng::seed_from_u64(7);
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..400_000 {
        let class = usize::from(random.random::<bool>());
        // No guess comes twice, since one that does is remembered; and both
        // classes are made in the same steps, so that they leave the same caches.
        let mut guess = String::with_capacity(SECRET.len());
        guess.extend((0..SECRET.len()).map(|_| char::from(random.random_range(b'a'..=b'z'))));
        let shared = [SECRET.len() - 8, "um_".len()][class];
        guess.replace_range(..shared, &SECRET[..shared]);
        let event = event(&guess);
        let began = Instant::now();
        let answer = runtime.block_on(handler.handle(&event)).unwrap();
        samples[class].push(began.elapsed().as_nanos() as f64);
        handler.emit_metrics();
        assert!(answer.get().contains("unknown"));
    }
    // What the machine does meanwhile hides in the slowest tenth of either class.
    let kept = samples.map(|mut class| {
        class.sort_by(f64::total_cmp);
        class.truncate(class.len() * 9 / 10);
        class
    });
    let moments = kept.each_ref().map(|class| {
        let mean = class.iter().sum::<f64>() / class.len() as f64;
        let variance =
            class.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (class.len() - 1) as f64;
        (mean, variance / class.len() as f64)
    });
    let [(near, near_error), (far, far_error)] = moments;
    let t = (near - far) / (near_error + far_error).sqrt();
    println!(
        "\nan unknown key, 400,000 times: one that differs in its last 8 characters, and one that differs in all 43"
    );
    println!(
        "  means {near:.0} ns and {far:.0} ns, Welch's t = {t:.2} (from 4.5 on they could be told apart)"
    );
}

const KEYS: usize = 10_000;

/// Zipf traffic over 10,000 keys through one instance, on a simulated clock.
fn hit_rates() {
    println!(
        "\nkeys that were remembered, Zipf (s = 1) over {KEYS} keys, one instance, after a first lifetime"
    );
    println!("  requests/s    remembered 30 s   remembered 300 s");
    let mut cumulative = Vec::with_capacity(KEYS);
    let mut sum = 0.0;
    for rank in 1..=KEYS {
        sum += 1.0 / rank as f64;
        cumulative.push(sum);
    }
    let digests: Vec<KeyDigest> =
        (0..KEYS).map(|key| KeyDigest::of_secret(&format!("k{key}")).unwrap()).collect();
    for per_second in [100, 300, 1_000, 3_000, 6_000] {
        let rates = [30_000, 300_000].map(|lifetime_ms| {
            let settings =
                CacheSettings { key_lifetime_ms: lifetime_ms, index_lag_bound_ms: 300_000, ..SETTINGS };
            hit_rate(settings, per_second, &cumulative, &digests)
        });
        println!("  {per_second:>10}    {:>14.1} %   {:>14.1} %", rates[0] * 100.0, rates[1] * 100.0);
    }
}

fn hit_rate(settings: CacheSettings, per_second: u64, cumulative: &[f64], digests: &[KeyDigest]) -> f64 {
    let mut cache = DecisionCache::new(CacheSettings { sync_interval_ms: 1_000, ..settings });
    let mut random = StdRng::seed_from_u64(11);
    let lifetimes = 3;
    let requests = per_second * settings.key_lifetime_ms / 1_000 * lifetimes;
    let (mut asked, mut remembered) = (0_u64, 0_u64);
    for number in 0..requests {
        let milliseconds = number * 1_000 / per_second;
        let now = ClockReading { wall_ms: i64::try_from(milliseconds).unwrap(), monotonic_ms: milliseconds };
        let drawn = random.random_range(0.0..*cumulative.last().unwrap());
        let key_number = cumulative.partition_point(|sum| *sum < drawn);
        let mut request = cache.begin(digests[key_number]);
        let mut step = cache.step(&request, now);
        if step == Step::Read(Read::Log) {
            let start = cache.begin_read(now);
            cache.synced(start, &LogRead::default(), now);
            step = cache.step(&request, now);
        }
        if !matches!(step, Step::Answer(_)) {
            let start = cache.begin_read(now);
            let digest = Some(digests[key_number]);
            let found = KeyRecord { digest, ..key(format!("key-{key_number}")) };
            cache.found_consistently(&mut request, start, Some(found), now);
        }
        if milliseconds >= settings.key_lifetime_ms {
            asked += 1;
            remembered += u64::from(!request.read_key());
        }
    }
    remembered as f64 / asked as f64
}
