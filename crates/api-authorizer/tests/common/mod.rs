//! Ports in memory that can fail and count, for tests and the benchmark.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use api_authorizer::authorizer::{Authorizer, Ports};
use api_authorizer::handler::{Handler, now};
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::decision_cache::CacheSettings;
use metering_core::invalidation::LogRead;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::{InvalidationLog, KeyTable, PortError, UsageAlert, UsageAlerts, UsageTotals};
use metering_core::quota::MonthUsage;
use metering_core::window::{UtcDay, UtcMonth};
use serde_json::{Value, json};

pub const SETTINGS: CacheSettings = CacheSettings {
    sync_interval_ms: 60_000,
    sync_retry_ms: 1_000,
    key_lifetime_ms: 600_000,
    unknown_lifetime_ms: 60_000,
    usage_lifetime_ms: 600_000,
    usage_lifetime_near_limit_ms: 0,
    usage_stale_limit_ms: 600_000,
    index_lag_bound_ms: 0,
    read_limit_ms: 30_000,
    max_keys: 50_000,
    max_unknown: 10_000,
    max_tombstones: 10_000,
};

/// Ports in memory, with counts of the requests.
#[derive(Debug, Default)]
pub struct Memory {
    pub keys: Mutex<HashMap<KeyDigest, KeyRecord>>,
    pub in_index: Mutex<HashMap<KeyDigest, KeyRecord>>,
    pub usage: AtomicU64,
    pub alerts: Mutex<Vec<UsageAlert>>,
    /// The result of each read of the log.
    pub log: Mutex<LogRead>,
    pub index_reads: AtomicU64,
    pub key_reads: AtomicU64,
    pub log_reads: AtomicU64,
    pub usage_reads: AtomicU64,
    pub log_fails: AtomicBool,
    pub keys_fail: AtomicBool,
    pub usage_fails: AtomicBool,
    pub alerts_fail: AtomicBool,
    pub never_answers: AtomicBool,
}

pub type MemoryHandler = Handler<&'static Memory, &'static Memory, &'static Memory, &'static Memory>;

/// A handler over memory that lives as long as the process.
pub fn handler(settings: CacheSettings) -> (&'static MemoryHandler, &'static Memory) {
    let memory: &Memory = Box::leak(Box::default());
    let ports = Ports { keys: memory, log: memory, usage: memory, alerts: memory };
    let handler = Handler {
        authorizer: Authorizer::new(ports, settings, now),
        simple_responses: true,
        decision_limit_ms: 300,
        environment_name: "test".to_owned(),
    };
    (Box::leak(Box::new(handler)), memory)
}

impl Memory {
    pub fn add(&self, secret: &str, key: KeyRecord) {
        let digest = KeyDigest::of_secret(secret).unwrap();
        self.keys.lock().unwrap().insert(digest, KeyRecord { digest: Some(digest), ..key });
    }

    async fn unless(&self, fails: &AtomicBool) -> Result<(), PortError> {
        if self.never_answers.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        // Others get to run, as with a real read.
        tokio::task::yield_now().await;
        if fails.load(Ordering::Relaxed) {
            return Err(PortError::Retryable { operation: "reading".to_owned(), source: "a fault".into() });
        }
        Ok(())
    }
}

impl KeyTable for &Memory {
    async fn find_by_index(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        self.index_reads.fetch_add(1, Ordering::Relaxed);
        self.unless(&self.keys_fail).await?;
        Ok(self.in_index.lock().unwrap().get(digest).cloned())
    }

    async fn find_consistently(&self, digest: &KeyDigest) -> Result<Option<KeyRecord>, PortError> {
        self.key_reads.fetch_add(1, Ordering::Relaxed);
        self.unless(&self.keys_fail).await?;
        Ok(self.keys.lock().unwrap().get(digest).cloned())
    }
}

impl InvalidationLog for &Memory {
    async fn read_after(&self, _: Option<u64>) -> Result<LogRead, PortError> {
        self.log_reads.fetch_add(1, Ordering::Relaxed);
        self.unless(&self.log_fails).await?;
        Ok(self.log.lock().unwrap().clone())
    }
}

impl UsageTotals for &Memory {
    async fn month_usage(
        &self,
        _: &MeteredKey,
        month: UtcMonth,
        _: Option<MonthUsage>,
        today: UtcDay,
    ) -> Result<MonthUsage, PortError> {
        self.usage_reads.fetch_add(1, Ordering::Relaxed);
        self.unless(&self.usage_fails).await?;
        let recent = self.usage.load(Ordering::Relaxed);
        Ok(MonthUsage { month, settled_before: today, settled: 0, recent })
    }
}

impl UsageAlerts for &Memory {
    async fn notify(&self, alert: &UsageAlert, _: i64) -> Result<bool, PortError> {
        self.unless(&self.alerts_fail).await?;
        self.alerts.lock().unwrap().push(alert.clone());
        Ok(true)
    }
}

/// The event of a REST API, with the headers that a browser or library sends.
pub fn event(secret: &str) -> String {
    let mut headers = json!({
        "Accept": "application/json", "Accept-Encoding": "gzip, deflate, br", "CloudFront-Forwarded-Proto": "https",
        "CloudFront-Is-Desktop-Viewer": "true", "CloudFront-Viewer-Country": "DE", "Host": "api.example.com",
        "User-Agent": "python-requests/2.32.3", "Via": "2.0 1a2b3c4d.cloudfront.net (CloudFront)",
        "X-Amz-Cf-Id": "abcdefghijklmnopqrstuvwxyz==", "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
        "X-Forwarded-For": "203.0.113.7, 130.176.0.1", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
    });
    headers["x-api-key"] = json!(secret);
    let all: serde_json::Map<String, Value> =
        headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    json!({
        "type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/prod/GET/orders/7",
        "resource": "/orders/{orderId}", "path": "/orders/7", "httpMethod": "GET", "headers": headers,
        "multiValueHeaders": all, "queryStringParameters": {"page": "1"}, "pathParameters": {"orderId": "7"},
        "stageVariables": {}, "requestContext": {"resourceId": "r1", "resourcePath": "/orders/{orderId}",
            "httpMethod": "GET", "extendedRequestId": "ABCDEF=", "requestTime": "24/Nov/2026:08:34:30 +0000",
            "path": "/prod/orders/7", "accountId": "123456789012", "protocol": "HTTP/1.1", "stage": "prod",
            "requestTimeEpoch": 1_795_509_270_000_i64, "identity": {"sourceIp": "203.0.113.7"}, "apiId": "a1b2c3d4e5"},
    })
    .to_string()
}
