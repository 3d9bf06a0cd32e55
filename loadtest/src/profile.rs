//! Profiles: the load, keys, statuses, probes, faults and objectives of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use access_log::log_format::ApiKind;
use anyhow::Context;
use deployment::settings;
use local_stack::cloudwatch_logs::subscription::DeliveryLag;
use local_stack::stack::{Canary, LocalOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chaos::Chaos;
use crate::fault::{FaultKind, ScheduledFault};

/// A profile, as read from a TOML file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name of the profile in reports and of its results folder.
    pub name: String,
    /// Seed of the keys and statuses: the same seed sends the same calls.
    pub seed: u64,
    /// Rate of calls over time.
    pub load: Load,
    /// Number of keys, and the distribution of calls over them.
    pub keys: Keys,
    /// Statuses that calls request from the backend, with their weights.
    pub statuses: Vec<StatusShare>,
    /// Protocol and concurrency of the clients.
    #[serde(default)]
    pub client: ClientSettings,
    /// Rate and reads of the probes, which measure freshness.
    #[serde(default)]
    pub probes: ProbeSettings,
    /// Conditions for a run to pass.
    #[serde(default)]
    pub objectives: Objectives,
    /// Settings of the local stack that is started for a run.
    #[serde(default)]
    pub stack: StackSettings,
    /// Faults to inject, with their times. Those of `chaos` are added when the profile is read.
    #[serde(default, rename = "fault")]
    pub faults: Vec<ScheduledFault>,
    /// Faults whose times the seed decides.
    #[serde(default)]
    pub chaos: Option<Chaos>,
    /// `true` if each call is compared by its identity: the clients' request ids with the access
    /// log, and the access log with the claims. The workers keep all request ids.
    #[serde(default)]
    pub compares_identities: bool,
}

/// Rate of calls over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shape", rename_all = "lowercase", deny_unknown_fields)]
pub enum Load {
    /// A constant rate.
    Constant {
        /// Calls a second.
        calls_per_s: f64,
        /// Length of the run, in seconds.
        duration_s: f64,
    },
    /// A rate that rises or falls linearly.
    Ramp {
        /// Calls a second at the start.
        from_calls_per_s: f64,
        /// Calls a second at the end.
        to_calls_per_s: f64,
        /// Length of the run, in seconds.
        duration_s: f64,
    },
    /// A constant rate with a temporary higher rate.
    Spike {
        /// Calls a second before and after the spike.
        calls_per_s: f64,
        /// Calls a second during the spike.
        spike_calls_per_s: f64,
        /// Start of the spike, in seconds from the start of the run.
        spike_at_s: f64,
        /// Length of the spike, in seconds.
        spike_for_s: f64,
        /// Length of the run, in seconds.
        duration_s: f64,
    },
    /// A constant rate for a long time, to see memory grow.
    Soak {
        /// Calls a second.
        calls_per_s: f64,
        /// Length of the run, in seconds.
        duration_s: f64,
    },
}

/// Number of keys, and the distribution of calls over them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Number of keys.
    pub count: u32,
    /// Exponent of a Zipf distribution; `None` for a uniform distribution.
    pub zipf_exponent: Option<f64>,
}

/// A status that calls request from the backend, with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusShare {
    /// HTTP status, from 200 to 599.
    pub status: u16,
    /// Weight relative to the other statuses.
    pub weight: u32,
}

/// HTTP version of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 with persistent connections.
    Http1,
    /// HTTP/2: by prior knowledge in plain text, by ALPN over TLS.
    Http2,
}

/// Protocol and concurrency of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// HTTP version.
    pub protocol: Protocol,
    /// Number of worker processes.
    pub workers: u32,
    /// Maximum calls in flight for each worker. Further calls wait, and their wait is part of
    /// their response time.
    pub calls_in_flight: u32,
    /// Connections of each worker for HTTP/2. HTTP/1.1 opens one for each call in flight.
    pub connections: u32,
    /// Maximum lateness of the workers at the 99.9th percentile, in milliseconds.
    pub max_send_lateness_ms: u64,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            workers: 2,
            calls_in_flight: 256,
            connections: 4,
            max_send_lateness_ms: 250,
        }
    }
}

/// Rate and reads of the probes, which measure freshness.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeSettings {
    /// Probes a second.
    pub calls_per_s: f64,
    /// Interval between ledger reads for a recent probe, in milliseconds. Older probes are read
    /// less often.
    pub read_interval_ms: u64,
    /// Time for which a probe is awaited in the ledger, and the counts after the run, in seconds.
    pub timeout_s: f64,
    /// Maximum number of probes for which the latency breakdown is computed.
    pub breakdown_samples: usize,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { calls_per_s: 10.0, read_interval_ms: 100, timeout_s: 180.0, breakdown_samples: 1_000 }
    }
}

/// Conditions for a run to pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Objectives {
    /// Maximum freshness at percentiles.
    pub freshness: Vec<Percentile>,
    /// Maximum response time at percentiles, from the scheduled send to the end of the response.
    pub response: Vec<Percentile>,
    /// Maximum number of calls with another status than requested, and of calls without a response.
    pub unexpected_answers: u64,
    /// Maximum growth of a process's memory from the second quarter of the run to the last, in
    /// percent; `None` for no limit.
    pub memory_growth_percent: Option<f64>,
    /// Maximum time from the end of a fault until freshness is normal again, in seconds; `None`
    /// for no limit.
    pub recovery_s: Option<f64>,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            freshness: vec![Percentile { percentile: 99.9, seconds: 60.0 }],
            response: Vec::new(),
            unexpected_answers: 0,
            memory_growth_percent: None,
            recovery_s: None,
        }
    }
}

/// A maximum duration at a percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Percentile {
    /// Percentile, from 0 to 100.
    pub percentile: f64,
    /// Maximum, in seconds.
    pub seconds: f64,
}

/// Settings of the local stack that is started for a run. The names are those of `LocalOptions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StackSettings {
    #[serde(with = "api_kind_text")]
    #[schemars(with = "String")]
    pub api_kind: ApiKind,
    pub shards: u32,
    pub batch_size: usize,
    pub batch_window_ms: u64,
    pub poll_interval_ms: u64,
    pub events_per_record: usize,
    pub delivery_delay_ms: u64,
    #[schemars(with = "Option<DeliveryLagSchema>")]
    pub delivery_lag: Option<DeliveryLag>,
    pub max_environments: usize,
    pub max_authorizers: usize,
    pub sync_interval_ms: u64,
    pub authorizer_cache_ttl_ms: u64,
    pub limits_memory: bool,
    pub max_retries: Option<u32>,
    pub max_record_age_ms: Option<i64>,
    pub ttl_sweep_interval_ms: u64,
    #[schemars(with = "Option<CanarySchema>")]
    pub canary: Option<Canary>,
}

/// A log-normal distribution of the lag of log deliveries.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema of `DeliveryLag`, whose crate has no schemas")]
struct DeliveryLagSchema {
    /// Median, in milliseconds.
    median_ms: f64,
    /// 99th percentile, in milliseconds.
    p99_ms: f64,
}

/// A second version of the consumer.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema of `Canary`, whose crate has no schemas")]
struct CanarySchema {
    /// Share of the invocations that go to this version, from 0 to 1.
    weight: f64,
    /// Environment variables that replace those of the main version.
    environment: BTreeMap<String, String>,
    /// Folder of its binary; `null` for the binary of the main version.
    binaries: Option<PathBuf>,
}

/// The deployed settings. Where a deployment has no such setting (the model of CloudWatch Logs),
/// the default of `meter local`.
impl Default for StackSettings {
    fn default() -> Self {
        let local = LocalOptions::new("", "");
        Self {
            api_kind: local.api_kind,
            shards: settings::SHARD_COUNT,
            batch_size: settings::BATCH_SIZE as usize,
            batch_window_ms: u64::from(settings::BATCH_WINDOW_S) * 1_000,
            poll_interval_ms: settings::POLL_INTERVAL_MS.into(),
            events_per_record: local.events_per_record,
            delivery_delay_ms: local.delivery_delay_ms,
            delivery_lag: local.delivery_lag,
            max_environments: local.max_environments,
            max_authorizers: local.max_authorizers,
            sync_interval_ms: settings::SYNC_INTERVAL_MS.into(),
            authorizer_cache_ttl_ms: u64::from(settings::AUTHORIZER_CACHE_TTL_S) * 1_000,
            limits_memory: local.limits_memory,
            max_retries: local.max_retries,
            max_record_age_ms: local.max_record_age_ms,
            ttl_sweep_interval_ms: local.ttl_sweep_interval_ms,
            canary: local.canary,
        }
    }
}

impl StackSettings {
    /// Lists the settings that differ from the deployed ones, each as
    /// `NAME = VALUE (deployed: VALUE)`.
    pub fn differences_from_deployed(&self) -> Vec<String> {
        let members = |settings: &Self| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        };
        let deployed = members(&Self::default());
        let others = members(self).into_iter().filter(|(name, value)| deployed.get(name) != Some(value));
        let named = others.map(|(name, value)| match deployed.get(&name).filter(|value| !value.is_null()) {
            Some(deployed) => format!("{name} = {value} (deployed: {deployed})"),
            None => format!("{name} = {value}"),
        });
        named.collect()
    }
}

/// Serde for the kind of an API, as text.
mod api_kind_text {
    use access_log::log_format::ApiKind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub fn serialize<S: Serializer>(kind: &ApiKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(kind)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiKind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a profile, or has an invalid setting.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::read_with_seed(path, None)
    }

    /// Reads a profile. `seed` replaces its seed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not a profile, or has an invalid setting.
    pub fn read_with_seed(path: &Path, seed: Option<u64>) -> anyhow::Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the profile {shown}"))?;
        let mut profile: Self = toml::from_str(&text).with_context(|| format!("{shown} is not a profile"))?;
        profile.seed = seed.unwrap_or(profile.seed);
        profile.draw_faults().with_context(|| format!("the profile {shown} has an invalid setting"))?;
        profile.check().with_context(|| format!("the profile {shown} has an invalid setting"))?;
        Ok(profile)
    }

    fn draw_faults(&mut self) -> anyhow::Result<()> {
        if let Some(chaos) = &self.chaos {
            self.faults.extend(chaos.draw(self.seed, self.load.duration_s())?);
        }
        Ok(())
    }

    /// Checks that the faults are possible on a stream with this number of open shards.
    ///
    /// # Errors
    /// Returns an error if one fault changes the number of shards to more than twice or less than
    /// half, which Kinesis refuses.
    pub fn check_reshards(&self, open_shards: u32) -> anyhow::Result<()> {
        let mut faults: Vec<_> = self.faults.iter().collect();
        faults.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        let mut before = open_shards;
        for ScheduledFault { at_s, kind, .. } in faults {
            let FaultKind::Reshard { shards } = kind else { continue };
            let possible = before.div_ceil(2)..=before.saturating_mul(2);
            anyhow::ensure!(
                possible.contains(shards),
                "the fault at {at_s} s changes {before} shards to {shards}; Kinesis accepts {} to {}",
                possible.start(),
                possible.end()
            );
            before = *shards;
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        use anyhow::ensure;
        ensure!(self.keys.count > 0, "keys.count is 0; it must be at least 1");
        ensure!(
            self.keys.zipf_exponent.is_none_or(|exponent| exponent > 0.0),
            "keys.zipf_exponent must be above 0"
        );
        ensure!(
            self.statuses.iter().any(|share| share.weight > 0),
            "statuses has no status with a weight above 0"
        );
        for StatusShare { status, .. } in &self.statuses {
            ensure!((200..600).contains(status), "statuses names {status}; a status must be from 200 to 599");
        }
        ensure!(
            self.client.workers > 0 && self.client.calls_in_flight > 0,
            "client.workers and client.calls_in_flight must be above 0"
        );
        ensure!(self.client.connections > 0, "client.connections must be above 0");
        ensure!(
            self.probes.calls_per_s > 0.0,
            "probes.calls_per_s must be above 0; only probes measure freshness"
        );
        let (rates, duration_s) = self.load.rates_and_duration();
        ensure!(
            rates.iter().all(|rate| *rate >= 0.0 && rate.is_finite()),
            "load has a rate that is negative or not finite"
        );
        ensure!(rates.iter().any(|rate| *rate > 0.0), "load has no rate above 0");
        ensure!(duration_s > 0.0 && duration_s.is_finite(), "load.duration_s must be above 0");
        for fault in &self.faults {
            ensure!(
                fault.at_s >= 0.0 && fault.at_s + fault.for_s <= duration_s,
                "the fault at {} s must end within the {duration_s} s of the load",
                fault.at_s
            );
        }
        Ok(())
    }
}

impl Load {
    fn rates_and_duration(self) -> (Vec<f64>, f64) {
        match self {
            Self::Constant { calls_per_s, duration_s } | Self::Soak { calls_per_s, duration_s } => {
                (vec![calls_per_s], duration_s)
            }
            Self::Ramp { from_calls_per_s, to_calls_per_s, duration_s } => {
                (vec![from_calls_per_s, to_calls_per_s], duration_s)
            }
            Self::Spike { calls_per_s, spike_calls_per_s, duration_s, .. } => {
                (vec![calls_per_s, spike_calls_per_s], duration_s)
            }
        }
    }

    /// Returns the length of the load, in seconds.
    pub fn duration_s(self) -> f64 {
        self.rates_and_duration().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: &str = include_str!("../profiles/smoke.toml");

    fn read(text: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.toml");
        std::fs::write(&path, text).unwrap();
        Profile::read(&path).map(drop).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_profile_measures_what_is_deployed_unless_its_name_says_otherwise() {
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let mut others = Vec::new();
        for file in std::fs::read_dir(profiles).unwrap() {
            let Profile { name, stack, .. } = Profile::read(&file.unwrap().path()).unwrap();
            let deployed = StackSettings { delivery_lag: stack.delivery_lag, ..StackSettings::default() };
            if stack != deployed {
                others.push(name);
            }
        }
        others.sort();
        assert_eq!(others, ["capacity-cached", "chaos", "faults", "no-delay"]);
        assert_eq!(StackSettings::default().authorizer_cache_ttl_ms, 0, "no answer is kept");
    }

    #[test]
    fn what_is_not_as_deployed_is_named() {
        let differences =
            |text: &str| toml::from_str::<Profile>(text).unwrap().stack.differences_from_deployed();
        assert_eq!(differences(SMOKE), [""; 0]);
        let cached = differences(include_str!("../profiles/capacity-cached.toml"));
        assert_eq!(cached, ["authorizer_cache_ttl_ms = 300000 (deployed: 0)"]);
        let lag = differences(&format!("{SMOKE}[stack]\ndelivery_lag = {{ median_ms = 5, p99_ms = 6 }}"));
        assert!(lag.len() == 1 && lag[0].starts_with("delivery_lag = {"), "{lag:?}");
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        assert_eq!(read(SMOKE), Ok(()));
        let changed = |from: &str, to: &str| {
            assert!(SMOKE.contains(from));
            read(&SMOKE.replace(from, to)).unwrap_err()
        };
        assert!(changed("count = 50", "count = 0").contains("keys.count is 0"));
        assert!(changed("zipf_exponent = 1.0", "zipf_exponent = 0.0").contains("keys.zipf_exponent"));
        assert!(changed("duration_s = 10", "duration_s = 0").contains("load.duration_s"));
        assert!(changed("status = 404", "status = 99").contains("statuses names 99"));
        assert!(changed("calls_per_s = 200", "calls_per_second = 200").contains("calls_per_second"));
        let fault = |fault: &str| read(&format!("{SMOKE}[[fault]]\n{fault}"));
        assert_eq!(fault("kind = 'delay'\ndelay_ms = 5\nat_s = 1\nfor_s = 2"), Ok(()));
        assert!(
            fault("kind = 'delay'\ndelay_ms = 5\nat_s = 9\nfor_s = 2")
                .unwrap_err()
                .contains("the fault at 9 s")
        );
        for kind in
            ["regroup'\nshare = 0.1", "late'\nshare = 0.1\ndelay_ms = 5", "queues'\nshare = 1.0", "expire'"]
        {
            assert_eq!(fault(&format!("kind = '{kind}\nat_s = 1\nfor_s = 2")), Ok(()), "{kind}");
        }
        let stack = |settings: &str| read(&format!("{SMOKE}[stack]\n{settings}"));
        assert_eq!(stack("canary = {weight = 0.1, environment = {A = 'b'}}\nmax_retries = 3"), Ok(()));
        assert_eq!(stack("api_kind = 'http'"), Ok(()));
        let reshard = |shards: &str| {
            let fault = format!("{SMOKE}[[fault]]\nkind = 'reshard'\nat_s = 1\nshards = {shards}");
            toml::from_str::<Profile>(&fault).unwrap().check_reshards(2).map_err(|error| error.to_string())
        };
        assert_eq!((reshard("1"), reshard("4")), (Ok(()), Ok(())));
        assert!(reshard("5").unwrap_err().contains("2 shards to 5; Kinesis accepts 1 to 4"));
        assert!(stack("api_kind = 'soap'").unwrap_err().contains("rest or http"));
        assert!(stack("canary = {weigth = 0.1}").unwrap_err().contains("weigth"));
        assert!(fault("kind = 'delay'\ndelay = 5\nat_s = 1").unwrap_err().contains("delay"));
    }
}
