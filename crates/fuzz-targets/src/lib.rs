//! Fuzz targets of everything that the functions read from outside.
//!
//! A target is a function that takes any bytes and panics if one of its statements is false. The
//! test `fuzz_corpora` checks the inputs in `corpus/TARGET` in every run of the tests. `scripts/fuzz.sh`
//! lets libFuzzer search for further inputs, with coverage as feedback.

pub mod harness;

mod authorizer_event;
mod batch_accounting;
mod claim_page;
mod gzip;
mod kinesis_event;
mod layout;
mod line;
mod names;
mod portal_token;
pub mod readings;
mod record;
mod route_classes;
mod settings;
mod strict_json;
mod usage_request;
mod weights;

use harness::Target;

/// The targets, in the order in which `scripts/fuzz.sh` runs them.
pub const TARGETS: &[Target] = &[
    Target { name: "kinesis_event", check: kinesis_event::check_event },
    Target { name: "stream_records", check: kinesis_event::check_records },
    Target { name: "gzip", check: gzip::check },
    Target { name: "record", check: record::check },
    Target { name: "line", check: line::check },
    Target { name: "layout", check: layout::check },
    Target { name: "authorizer_event", check: authorizer_event::check },
    Target { name: "invalidation_message", check: authorizer_event::check_message },
    Target { name: "usage_request", check: usage_request::check },
    Target { name: "portal_token", check: portal_token::check },
    Target { name: "settings", check: settings::check },
    Target { name: "route_classes", check: route_classes::check },
    Target { name: "weights", check: weights::check },
    Target { name: "names", check: names::check },
    Target { name: "claim_page", check: claim_page::check },
];
