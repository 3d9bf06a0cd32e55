//! A discrete-event simulation of the counting path at rates that no machine
//! here can run: simulated are time, log delivery, the stream, the event source
//! mapping, Lambda and DynamoDB; what a batch writes is planned by the code
//! that runs in the consumer (`metering_core::aggregate` and `update_plan`).

mod claims;
mod limits;
mod measuring;
mod random;
mod result;
mod settings;
mod shard;
mod table;
mod time;
mod world;

pub use result::{Limit, Simulated};
pub use settings::Settings;

/// Simulates.
///
/// # Errors
/// When the settings make no sense.
pub fn simulate(settings: &Settings) -> anyhow::Result<Simulated> {
    anyhow::ensure!(settings.calls_per_s > 0.0 && settings.shards > 0, "calls and shards have to be above 0");
    anyhow::ensure!(settings.measured_s >= 1.0, "at least a second has to be measured");
    let Some(partitions) = settings.partitions else {
        // Without limits first, to know what the table has to be warmed up for.
        let unlimited = world::World::new(settings, None)?.run();
        let needed = table::partitions_for(unlimited.ledger_writes_per_s);
        return Ok(world::World::new(settings, Some(needed))?.run());
    };
    Ok(world::World::new(settings, Some(partitions))?.run())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::seconds_at;
    use crate::profile::Keys;

    fn settings(calls_per_s: f64, keys: u32, shards: u32) -> Settings {
        let keys = Keys { count: keys, zipf_exponent: None };
        Settings { measured_s: 50.0, ..Settings::deployed(calls_per_s, keys, shards) }
    }

    #[test]
    fn the_same_seed_gives_the_same_result() {
        let of = |seed| {
            serde_json::to_string(&simulate(&Settings { seed, ..settings(500.0, 100, 4) }).unwrap()).unwrap()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn few_keys_are_written_once_in_a_batch_as_the_cost_model_says() {
        // The model knows no polling, so there is hardly any.
        let found = simulate(&Settings { poll_interval_s: 0.05, ..settings(1_000.0, 50, 4) }).unwrap();
        let mut workload = cost_model::Workload::new(1_000.0 * cost_model::capacity::MONTH_S, 50.0);
        workload.shards = Some(4.0);
        let model = cost_model::Capacity::of(&workload);
        let near = |found: f64, model: f64| (found / model - 1.0).abs() < 0.1;
        assert!(near(found.ledger_writes_per_s, model.ledger_writes), "{found:?} {model:?}");
        let claims = found.claim_writes_per_s / model.claim_writes;
        assert!((0.7..1.3).contains(&claims), "{found:?} {model:?}");
        assert!(near(found.calls_per_s, 1_000.0));
        // Records of 100 calls have 43 of 50 keys on average.
        let naive = 50.0 * (1.0 - 0.98_f64.powi(100)) * found.records_per_s;
        assert!(
            (found.naive_writes_per_s / naive - 1.0).abs() < 0.02,
            "{} {naive}",
            found.naive_writes_per_s
        );
        assert!(seconds_at(&found.freshness, 99.9) < 10.0 && found.limits[0].strain() < 1.0);
    }

    #[test]
    fn a_table_with_too_few_partitions_is_seen_in_freshness_and_named_first() {
        let enough = simulate(&settings(20_000.0, 100_000, 40)).unwrap();
        let few = simulate(&Settings { partitions: Some(4), ..settings(20_000.0, 100_000, 40) }).unwrap();
        assert!(seconds_at(&enough.freshness, 99.0) < 15.0, "{}", seconds_at(&enough.freshness, 99.0));
        assert!(seconds_at(&few.freshness, 99.0) > 30.0, "{}", seconds_at(&few.freshness, 99.0));
        assert!(
            few.waiting_share > 0.3 && enough.waiting_share < 0.3,
            "{} {}",
            few.waiting_share,
            enough.waiting_share
        );
        let partition = few.limits.iter().find(|limit| limit.what.contains("busiest partition")).unwrap();
        assert!(partition.strain() > 0.95, "{partition:?}");
    }
}
