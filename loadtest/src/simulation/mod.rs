//! A discrete-event simulation of the counting path, for rates that one machine
//! cannot run. Time, log delivery, the stream, the event source mapping, Lambda
//! and DynamoDB are simulated. The code of the consumer
//! (`metering_core::aggregate` and `update_plan`) plans the writes of a batch.

mod claims;
mod collector;
mod limits;
mod result;
mod sampler;
mod second_stage;
mod settings;
mod shard;
mod simulator;
mod table;
mod time;

pub use result::{Limit, PartitionWrites, SecondStageResult, SimulationResult};
pub use settings::{SecondStage, SimulationSettings};

/// Runs a simulation.
///
/// # Errors
/// Returns an error if a setting is invalid.
pub fn simulate(settings: &SimulationSettings) -> anyhow::Result<SimulationResult> {
    anyhow::ensure!(
        settings.calls_per_s > 0.0 && settings.shards > 0,
        "the rate of calls and the number of shards must be above 0"
    );
    anyhow::ensure!(
        settings.second_stage.is_none_or(|stage| stage.shards > 0),
        "the number of shards of the second stage must be above 0"
    );
    anyhow::ensure!(settings.measured_s >= 1.0, "the measured time must be at least one second");
    let Some(partitions) = settings.partitions else {
        // A first simulation without limits shows the writes that the table must be warmed up for.
        let unlimited = simulator::Simulator::new(settings, None)?.run();
        let needed = table::partitions_for(unlimited.ledger_writes_per_s);
        return Ok(simulator::Simulator::new(settings, Some(needed))?.run());
    };
    Ok(simulator::Simulator::new(settings, Some(partitions))?.run())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Keys;

    fn settings(calls_per_s: f64, keys: u32, shards: u32) -> SimulationSettings {
        let keys = Keys { count: keys, zipf_exponent: None };
        SimulationSettings { measured_s: 50.0, ..SimulationSettings::deployed(calls_per_s, keys, shards) }
    }

    #[test]
    fn the_same_seed_gives_the_same_result() {
        let result = |seed| {
            serde_json::to_string(&simulate(&SimulationSettings { seed, ..settings(500.0, 100, 4) }).unwrap())
                .unwrap()
        };
        assert_eq!(result(1), result(1));
        assert_ne!(result(1), result(2));
    }

    #[test]
    fn few_keys_are_written_once_in_a_batch_as_the_cost_model_says() {
        // The cost model has no polling, so the interval is short.
        let found =
            simulate(&SimulationSettings { poll_interval_s: 0.05, ..settings(1_000.0, 50, 4) }).unwrap();
        let mut workload = cost_model::Workload::new(1_000.0 * cost_model::capacity::MONTH_S, 50.0);
        workload.shards = Some(4.0);
        let model = cost_model::Capacity::from_workload(&workload);
        let near = |found: f64, model: f64| (found / model - 1.0).abs() < 0.1;
        assert!(near(found.ledger_writes_per_s, model.ledger_writes), "{found:?} {model:?}");
        let claims = found.claim_writes_per_s / model.claim_writes;
        assert!((0.7..1.3).contains(&claims), "{found:?} {model:?}");
        assert!(near(found.calls_per_s, 1_000.0));
        // A record of 100 calls has 43 of 50 keys on average.
        let baseline = 50.0 * (1.0 - 0.98_f64.powi(100)) * found.records_per_s;
        assert!(
            (found.baseline_writes_per_s / baseline - 1.0).abs() < 0.02,
            "{} {baseline}",
            found.baseline_writes_per_s
        );
        assert!(found.freshness.seconds_at(99.9) < 25.0 && found.limits[0].utilization() < 1.0);
    }

    #[test]
    fn a_table_with_too_few_partitions_is_seen_in_freshness_and_named_first() {
        let settings = SimulationSettings { batch_window_s: 5.0, ..settings(20_000.0, 100_000, 40) };
        let enough = simulate(&settings).unwrap();
        let few = simulate(&SimulationSettings { partitions: Some(4), ..settings }).unwrap();
        assert!(enough.freshness.seconds_at(99.0) < 15.0, "{}", enough.freshness.seconds_at(99.0));
        assert!(few.freshness.seconds_at(99.0) > 30.0, "{}", few.freshness.seconds_at(99.0));
        assert!(
            few.waiting_share > 0.3 && enough.waiting_share < 0.3,
            "{} {}",
            few.waiting_share,
            enough.waiting_share
        );
        let partition = few.limits.iter().find(|limit| limit.what.contains("busiest partition")).unwrap();
        assert!(partition.utilization() > 0.95, "{partition:?}");
    }

    #[test]
    fn a_second_stage_writes_each_key_once_for_all_shards() {
        let one =
            SimulationSettings { poll_interval_s: 0.05, measured_s: 400.0, ..settings(2_000.0, 500, 8) };
        let stage = SecondStage { shards: 2, batch_window_s: one.batch_window_s };
        let two = SimulationSettings { second_stage: Some(stage), ..one.clone() };
        let [one, two] = [one, two].map(|settings| simulate(&settings).unwrap());
        // A window has 5,000 calls of a shard, and so each key.
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 0.1;
        assert!(near(one.ledger_writes_per_s, 8.0 * 500.0 / 20.0), "{}", one.ledger_writes_per_s);
        assert!(near(two.ledger_writes_per_s, 500.0 / 20.0), "{}", two.ledger_writes_per_s);
        let second = two.second_stage.unwrap();
        assert!(near(second.sums_per_s, one.ledger_writes_per_s), "{second:?}");
        assert!(near(second.records_per_s, 16.0 / 20.0) && near(second.invocations_per_s, 2.0 / 20.0));
        assert!(
            near(two.calls_per_s, 2_000.0) && two.dollars_per_million_calls < one.dollars_per_million_calls
        );
        let [one_s, two_s] = [&one, &two].map(|result| result.freshness.seconds_at(99.0));
        assert!((15.0..25.0).contains(&(two_s - one_s)), "the second window: {one_s} {two_s}");
        assert!(one.second_stage.is_none());
    }

    #[test]
    fn calls_that_wait_in_the_second_stage_are_seen() {
        let stage = SecondStage { shards: 1, batch_window_s: 1.0 };
        let settings =
            SimulationSettings { second_stage: Some(stage), write_ms: 200.0, ..settings(2_000.0, 20_000, 4) };
        let result = simulate(&settings).unwrap();
        assert!(result.waiting_share > 0.9, "{}", result.waiting_share);
        let stage = SecondStage { shards: 40, ..stage };
        let result = simulate(&SimulationSettings { second_stage: Some(stage), ..settings }).unwrap();
        assert!(result.waiting_share < 0.5, "{}", result.waiting_share);
    }
}
