//! The resources that a run consumed, and their cost.

use crate::prices::Prices;

/// Resources that a run consumed, in total.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Consumption {
    /// Write units of the ledger.
    pub ledger_writes: f64,
    /// Write units of claims.
    pub claim_writes: f64,
    /// Read units of the authorizer, for keys, invalidation log and usage.
    pub reads: f64,
    /// Billed bytes of the access log.
    pub log_bytes: f64,
    /// Records put on the stream.
    pub stream_records: f64,
    /// Bytes put on the stream.
    pub stream_bytes: f64,
    /// Bytes read from the stream.
    pub stream_bytes_read: f64,
    /// Number of invocations of the consumer.
    pub consumer_invocations: f64,
    /// Billed duration of these invocations, in milliseconds, each rounded up.
    pub consumer_ms: f64,
    /// Number of invocations of the authorizer.
    pub authorizer_invocations: f64,
    /// Billed duration of these invocations, in milliseconds, each rounded up.
    pub authorizer_ms: f64,
}

/// Deployed memory of each of the two functions, in GiB.
const MEMORY_GB: f64 = 0.25;
const GB: f64 = 1e9;

/// A resource with its amount and cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Priced {
    /// The resource and its unit, as in `ledger write units`.
    pub what: &'static str,
    /// Amount per million calls.
    pub per_million_calls: f64,
    /// Cost of this amount, in dollars.
    pub dollars: f64,
}

impl Consumption {
    /// Returns amounts and costs per million of `calls`. Charges by the hour (of the
    /// stream and metrics) are not included, because they depend on the number of
    /// calls in the hour.
    pub fn per_million_calls(&self, calls: f64, prices: &Prices) -> Vec<Priced> {
        let line = |what, total: f64, dollars_each: f64| {
            let per_million_calls = total / calls * 1e6;
            Priced { what, per_million_calls, dollars: per_million_calls * dollars_each }
        };
        let (write, read) = (prices.million_writes / 1e6, prices.million_reads / 1e6);
        let (invocation, ms) = (prices.million_invocations / 1e6, MEMORY_GB / 1e3 * prices.gb_second);
        vec![
            line("ledger write units", self.ledger_writes, write),
            line("claim write units", self.claim_writes, write),
            line("read units", self.reads, read),
            line("access log bytes", self.log_bytes, prices.log_gb[0].dollars / GB),
            line("stream records", self.stream_records, 0.0),
            line("stream bytes put", self.stream_bytes, prices.stream_gb_in / GB),
            line("stream bytes read", self.stream_bytes_read, prices.stream_gb_out / GB),
            line("consumer invocations", self.consumer_invocations, invocation),
            line("consumer milliseconds", self.consumer_ms, ms),
            line("authorizer invocations", self.authorizer_invocations, invocation),
            line("authorizer milliseconds", self.authorizer_ms, ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::LIST_PRICES;

    #[test]
    fn a_line_is_what_one_gets_by_hand() {
        let consumed = Consumption { ledger_writes: 500.0, consumer_ms: 4_000.0, ..Consumption::default() };
        let lines = consumed.per_million_calls(1e5, &LIST_PRICES);
        let line = |what: &str| *lines.iter().find(|line| line.what == what).unwrap();
        assert!((line("ledger write units").per_million_calls - 5_000.0).abs() < 1e-9);
        assert!((line("ledger write units").dollars - 0.003_125).abs() < 1e-9);
        // 40 s of a quarter GB.
        assert!((line("consumer milliseconds").dollars - 10.0 * LIST_PRICES.gb_second).abs() < 1e-12);
    }
}
