//! What a run does: its load, keys, statuses, probes, faults and objectives.

use std::path::Path;

use access_log::log_format::ApiKind;
use anyhow::Context;
use deployment::settings;
use local_stack::cloudwatch_logs::subscription::DeliveryLag;
use local_stack::stack::{Canary, LocalOptions};
use serde::{Deserialize, Serialize};

/// A profile, as a TOML file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called in reports.
    pub name: String,
    /// What keys and statuses are drawn from: the same seed sends the same calls.
    pub seed: u64,
    /// How many calls there are at which time.
    pub load: Load,
    /// Which keys call how often.
    pub keys: Keys,
    /// Which statuses the backend is asked for, and how often.
    pub statuses: Vec<StatusShare>,
    /// How the clients send.
    #[serde(default)]
    pub client: ClientSettings,
    /// How freshness is measured.
    #[serde(default)]
    pub probes: Probes,
    /// What has to hold.
    #[serde(default)]
    pub objectives: Objectives,
    /// How the stack is set up that is started for a run.
    #[serde(default)]
    pub stack: StackSettings,
    /// What goes wrong when.
    #[serde(default, rename = "fault")]
    pub faults: Vec<ScheduledFault>,
}

/// How many calls there are at which time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "lowercase", deny_unknown_fields)]
pub enum Load {
    /// The same rate from start to end.
    Constant {
        /// Calls a second.
        calls_per_s: f64,
        /// How long, in seconds.
        duration_s: f64,
    },
    /// A rate that rises or falls evenly.
    Ramp {
        /// Calls a second at the start.
        from_calls_per_s: f64,
        /// Calls a second at the end.
        to_calls_per_s: f64,
        /// How long, in seconds.
        duration_s: f64,
    },
    /// A rate that is exceeded for a while.
    Spike {
        /// Calls a second before and after.
        calls_per_s: f64,
        /// Calls a second in the spike.
        spike_calls_per_s: f64,
        /// When the spike begins, in seconds.
        spike_at_s: f64,
        /// How long the spike is, in seconds.
        spike_for_s: f64,
        /// How long everything is, in seconds.
        duration_s: f64,
    },
    /// The same rate for long; memory has to stay flat.
    Soak {
        /// Calls a second.
        calls_per_s: f64,
        /// How long, in seconds.
        duration_s: f64,
    },
}

/// Which keys call how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How many keys there are.
    pub count: u32,
    /// The exponent of a Zipf distribution; without it all keys call alike.
    pub zipf_exponent: Option<f64>,
}

/// How often a status is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusShare {
    /// The status.
    pub status: u16,
    /// Its weight beside the others.
    pub weight: u32,
}

/// How clients speak HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1 with connections that are kept.
    Http1,
    /// HTTP/2, in plain text by prior knowledge, over TLS by negotiation.
    Http2,
}

/// How the clients send.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// How they speak HTTP.
    pub protocol: Protocol,
    /// Processes that send.
    pub workers: u32,
    /// Calls of one worker that may be under way; further ones wait, and
    /// their waiting is part of their response time.
    pub calls_under_way: u32,
    /// Connections of one worker, for HTTP/2.
    pub connections: u32,
    /// How late the worker itself may send, in milliseconds, at the 99.9th percentile.
    pub max_send_lateness_ms: u64,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            workers: 2,
            calls_under_way: 256,
            connections: 4,
            max_send_lateness_ms: 250,
        }
    }
}

/// How freshness is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probes {
    /// Calls a second whose arrival in the ledger is watched.
    pub calls_per_s: f64,
    /// How often the ledger is asked for a young one, in milliseconds; for
    /// older ones less often.
    pub read_interval_ms: u64,
    /// How long a call is watched, in seconds.
    pub patience_s: f64,
    /// Of how many calls the parts of their freshness are worked out.
    pub split_samples: usize,
}

impl Default for Probes {
    fn default() -> Self {
        Self { calls_per_s: 10.0, read_interval_ms: 100, patience_s: 180.0, split_samples: 1_000 }
    }
}

/// What has to hold for a run to pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Objectives {
    /// Freshness.
    pub freshness: Vec<Percentile>,
    /// Time from the intended send to the end of the answer.
    pub response: Vec<Percentile>,
    /// How many calls may be answered otherwise than the backend was asked to, or not at all.
    pub unexpected_answers: u64,
    /// By how much the memory of a process may have grown from the second
    /// quarter of the run to the last, in percent.
    pub memory_growth_percent: Option<f64>,
    /// How long after the end of a fault freshness may take to be as before, in seconds.
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

/// A percentile that has to stay below a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Percentile {
    /// From 0 to 100.
    pub percentile: f64,
    /// The time.
    pub seconds: f64,
}

/// How the stack is set up that is started for a run. The names are those of `LocalOptions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of LocalOptions")]
pub struct StackSettings {
    #[serde(with = "api_kind_text")]
    pub api_kind: ApiKind,
    pub shards: u32,
    pub batch_size: usize,
    pub batch_window_ms: u64,
    pub poll_interval_ms: u64,
    pub events_per_record: usize,
    pub delivery_delay_ms: u64,
    pub delivery_lag: Option<DeliveryLag>,
    pub max_environments: usize,
    pub max_authorizers: usize,
    pub sync_interval_ms: u64,
    pub authorizer_cache_ttl_ms: u64,
    pub limits_memory: bool,
    pub max_retries: Option<u32>,
    pub max_record_age_ms: Option<i64>,
    pub ttl_sweep_interval_ms: u64,
    pub canary: Option<Canary>,
}

/// What is deployed, on what `meter local` makes of everything else: its shards,
/// and how it models CloudWatch Logs.
impl Default for StackSettings {
    fn default() -> Self {
        let local = LocalOptions::new("", "");
        Self {
            api_kind: local.api_kind,
            shards: local.shard_count,
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
    /// The settings that are not the default, which is what is deployed, each as
    /// `NAME = VALUE (deployed: VALUE)`.
    pub fn unlike_deployed(&self) -> Vec<String> {
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

/// The kind of an API as a text.
mod api_kind_text {
    use access_log::log_format::ApiKind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn serialize<S: Serializer>(kind: &ApiKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(kind)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiKind, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScheduledFault {
    /// When it begins, in seconds.
    pub at_s: f64,
    /// How long it lasts, in seconds.
    #[serde(default)]
    pub for_s: f64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum FaultKind {
    /// Processes of the consumer are killed, again and again.
    Kill {
        /// Kills a second.
        per_s: f64,
    },
    /// Writes to DynamoDB are throttled.
    Throttle {
        /// The share of writes, from 0 to 1.
        share: f64,
    },
    /// The stream is given another number of shards.
    Reshard {
        /// How many.
        shards: i32,
    },
    /// Batches of log events are delivered twice.
    Duplicate {
        /// The share of batches, from 0 to 1.
        share: f64,
    },
    /// Batches of log events are delivered again, cut into other records.
    Regroup {
        /// The share of batches, from 0 to 1.
        share: f64,
    },
    /// Records of the subscription are delivered late, while others go on.
    /// They wait for their delay also where the fault is over before.
    Late {
        /// The share of records, from 0 to 1.
        share: f64,
        /// By how much, in milliseconds.
        delay_ms: u64,
    },
    /// Queues shuffle, miss (short polls) and repeat messages.
    Queues {
        /// The share of answers or messages, from 0 to 1.
        share: f64,
    },
    /// Items whose time to live is over are deleted, at once.
    Expire,
    /// The subscription delivers later.
    Delay {
        /// By how much, in milliseconds.
        delay_ms: u64,
    },
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// When the file cannot be read or says something that cannot be run.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("the profile {shown} cannot be read"))?;
        let profile: Self = toml::from_str(&text).with_context(|| format!("{shown} is no profile"))?;
        profile.check().with_context(|| format!("the profile {shown} cannot be run"))?;
        Ok(profile)
    }

    fn check(&self) -> anyhow::Result<()> {
        use anyhow::ensure;
        ensure!(self.keys.count > 0, "keys.count is 0; at least one key has to call");
        ensure!(
            self.keys.zipf_exponent.is_none_or(|exponent| exponent > 0.0),
            "keys.zipf_exponent has to be above 0"
        );
        ensure!(
            self.statuses.iter().any(|share| share.weight > 0),
            "statuses names no status with a weight above 0"
        );
        for StatusShare { status, .. } in &self.statuses {
            ensure!(
                (200..600).contains(status),
                "statuses names {status}; a backend answers with 200 to 599"
            );
        }
        ensure!(
            self.client.workers > 0 && self.client.calls_under_way > 0,
            "client.workers and client.calls_under_way have to be above 0"
        );
        ensure!(self.client.connections > 0, "client.connections has to be above 0");
        ensure!(
            self.probes.calls_per_s > 0.0,
            "probes.calls_per_s has to be above 0; without probes nothing is known of freshness"
        );
        let (rates, duration_s) = self.load.rates_and_duration();
        ensure!(rates.iter().all(|rate| *rate >= 0.0 && rate.is_finite()), "load has a rate below 0");
        ensure!(rates.iter().any(|rate| *rate > 0.0), "load has no calls");
        ensure!(duration_s > 0.0 && duration_s.is_finite(), "load.duration_s has to be above 0");
        for fault in &self.faults {
            ensure!(
                fault.at_s >= 0.0 && fault.at_s + fault.for_s <= duration_s,
                "the fault at {} s does not end within the {duration_s} s of the load",
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

    /// How long it is, in seconds.
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
            let deployed = StackSettings {
                shards: stack.shards,
                delivery_lag: stack.delivery_lag,
                ..StackSettings::default()
            };
            if stack != deployed {
                others.push(name);
            }
        }
        others.sort();
        assert_eq!(others, ["capacity-cached", "no-delay"]);
        assert_eq!(StackSettings::default().authorizer_cache_ttl_ms, 0, "no answer is kept");
    }

    #[test]
    fn what_is_not_as_deployed_is_named() {
        let unlike = |text: &str| toml::from_str::<Profile>(text).unwrap().stack.unlike_deployed();
        assert_eq!(unlike(SMOKE), [""; 0]);
        let cached = unlike(include_str!("../profiles/capacity-cached.toml"));
        assert_eq!(cached, ["authorizer_cache_ttl_ms = 300000 (deployed: 0)"]);
        let lag = unlike(&format!("{SMOKE}[stack]\ndelivery_lag = {{ median_ms = 5, p99_ms = 6 }}"));
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
        assert!(stack("api_kind = 'soap'").unwrap_err().contains("rest or http"));
        assert!(stack("canary = {weigth = 0.1}").unwrap_err().contains("weigth"));
        assert!(fault("kind = 'delay'\ndelay = 5\nat_s = 1").unwrap_err().contains("delay"));
    }
}
