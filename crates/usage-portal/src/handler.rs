//! Answers the requests of a function URL.
//!
//! Source of the form of requests and responses: Lambda Developer Guide, "Invoking Lambda function URLs", payload
//! format 2.0.

use metering_core::ports::CountingProgress;
use portal_token::{Holder, PublicKeys, Refusal, verify};
use serde_json::{Value, json};
use usage_endpoint::handler::{Handler as UsageHandler, response};
use usage_endpoint::request::UsageRequest;
use usage_report::source::UsageSource;

use crate::files::file;
use crate::page_policy::FrameAncestors;

/// The path of the usage, beside the page.
const USAGE: &str = "usage";

/// Serves the page to everybody, and usage to the holder of a token.
#[derive(Debug)]
pub struct Handler<S, P> {
    usage: UsageHandler<S, P>,
    public_keys: PublicKeys,
    environment: String,
    policy: String,
}

impl<S: UsageSource, P: CountingProgress> Handler<S, P> {
    /// Returns a handler that reads usage with `usage`, and verifies tokens for `environment`.
    pub fn new(
        usage: UsageHandler<S, P>,
        public_keys: PublicKeys,
        environment: String,
        frame_ancestors: &FrameAncestors,
    ) -> Self {
        Self { usage, public_keys, environment, policy: frame_ancestors.policy() }
    }

    /// Answers a request. Every failure is an answer with its status code.
    ///
    /// The page may be below a path of another domain, so only the last part of the path counts.
    pub async fn handle(&self, event: &Value, now_ms: impl Fn() -> i64) -> Value {
        let method = event["requestContext"]["http"]["method"].as_str().unwrap_or_default();
        let path = event["rawPath"].as_str().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut answer = if !["GET", "HEAD"].contains(&method) {
            let mut refusal = problem(405, "Send a GET request.");
            refusal["headers"]["allow"] = json!("GET, HEAD");
            refusal
        } else if name == USAGE {
            Box::pin(self.usage(event, now_ms())).await
        } else {
            page_file(name, &event["headers"]).unwrap_or_else(|| problem(404, "There is no such page."))
        };
        for (header, value) in self.security_headers() {
            answer["headers"][header] = json!(value);
        }
        answer
    }

    fn security_headers(&self) -> [(&'static str, &str); 3] {
        [
            ("content-security-policy", &self.policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ]
    }

    /// Answers with the usage of the holder of the token. A refusal is not logged, so that a flood of requests without a
    /// token does not fill the log.
    async fn usage(&self, event: &Value, now_ms: i64) -> Value {
        let caller = match self.holder(&event["headers"], now_ms) {
            Ok(holder) => holder,
            Err(refusal) => {
                let reason =
                    refusal.map_or_else(|| "there is no token".to_owned(), |refusal| refusal.to_string());
                return problem(401, &format!("This link to your usage is not valid: {reason}."));
            }
        };
        match UsageRequest::of_page(caller, &event["queryStringParameters"], now_ms) {
            Ok(request) => Box::pin(self.usage.answer(&request, now_ms)).await,
            Err(reason) => problem(400, &reason),
        }
    }

    /// Returns the holder of the token of the header `authorization`; `Err(None)` if there is no token.
    fn holder(&self, headers: &Value, now_ms: i64) -> Result<Holder, Option<Refusal>> {
        let header = headers["authorization"].as_str().unwrap_or_default();
        let (scheme, token) = header.split_once(' ').ok_or(None)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(None);
        }
        let now_s = u64::try_from(now_ms / 1_000).unwrap_or(0);
        verify(token.trim(), &self.public_keys.0, &self.environment, now_s).map_err(Some)
    }
}

fn problem(status: u16, message: &str) -> Value {
    response(status, &json!({ "message": message }))
}

fn page_file(name: &str, request_headers: &Value) -> Option<Value> {
    let file = file(name)?;
    let is_gzip = accepts_gzip(request_headers["accept-encoding"].as_str().unwrap_or_default());
    let mut answer = json!({
        "statusCode": 200,
        "headers": {
            "content-type": file.content_type,
            "cache-control": file.cache_control,
            "vary": "accept-encoding",
        },
        "isBase64Encoded": is_gzip,
        "body": if is_gzip { &file.gzip_base64 } else { &file.text },
    });
    if is_gzip {
        answer["headers"]["content-encoding"] = json!("gzip");
    }
    Some(answer)
}

/// Returns `true` if a client takes gzip. Source: RFC 9110, section 12.5.3.
fn accepts_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches(['q', 'Q', '=']).parse().unwrap_or(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use metering_core::metered_key::{Breakdown, MeteredKey};
    use metering_core::ports::PortError;
    use metering_core::window::{HOURS_PER_DAY, UtcDay};
    use portal_token::{PrivateKey, Token};
    use usage_report::source::{RowsOf, UsageRow};
    use usage_report::weights::WeightLists;

    use super::*;

    const NOW_S: u64 = 1_795_509_270;
    const NOW_MS: i64 = 1_795_509_270_000;

    /// A ledger with a row of seven calls, whoever asks.
    #[derive(Debug, Default)]
    struct OneRow {
        reads: Mutex<Vec<String>>,
    }

    impl UsageSource for OneRow {
        async fn visit_rows<E: From<PortError> + Send>(
            &self,
            rows: RowsOf<'_>,
            [_, to]: [UtcDay; 2],
            mut visit: impl FnMut(&UsageRow) -> Result<(), E> + Send,
        ) -> Result<(), E> {
            self.reads.lock().unwrap().push(format!("{rows:?}"));
            let key = MeteredKey { customer_id: Some("acme".into()), api_key_id: "key-1".into() };
            let mut hours = [0; HOURS_PER_DAY];
            hours[3] = 7;
            visit(&UsageRow {
                breakdown: Breakdown { key, route_class: None, day: to },
                hours,
                response_bytes: [0; HOURS_PER_DAY],
                last_call_ms: NOW_MS,
            })
        }

        async fn weights(&self) -> Result<WeightLists, PortError> {
            Ok(WeightLists::default())
        }
    }

    #[derive(Debug)]
    struct Progress;

    impl CountingProgress for Progress {
        async fn counted_before_ms(&self) -> Result<Option<i64>, PortError> {
            Ok(Some(NOW_MS))
        }
    }

    struct Portal {
        handler: Handler<OneRow, Progress>,
        private_key: PrivateKey,
    }

    impl Portal {
        fn new(frame_ancestors: &str) -> Self {
            let private_key = PrivateKey::generate().unwrap();
            let usage = UsageHandler { source: OneRow::default(), progress: Progress };
            let public_keys = PublicKeys(vec![private_key.public_key()]);
            let ancestors = frame_ancestors.parse().unwrap();
            let handler = Handler::new(usage, public_keys, "prod".to_owned(), &ancestors);
            Self { handler, private_key }
        }

        fn token(&self, holder: Holder) -> String {
            Token::new("prod", holder, NOW_S - 60, 900).unwrap().signed(&self.private_key).unwrap()
        }

        async fn get(&self, path: &str, authorization: Option<&str>) -> Value {
            self.handle("GET", path, authorization, &Value::Null).await
        }

        async fn handle(
            &self,
            method: &str,
            path: &str,
            authorization: Option<&str>,
            parameters: &Value,
        ) -> Value {
            let mut event = json!({"version": "2.0", "rawPath": path, "headers": {},
                "requestContext": {"http": {"method": method, "path": path}}});
            if let Some(authorization) = authorization {
                event["headers"]["authorization"] = json!(authorization);
            }
            if !parameters.is_null() {
                event["queryStringParameters"] = parameters.clone();
            }
            self.handler.handle(&event, || NOW_MS).await
        }

        fn reads(&self) -> Vec<String> {
            std::mem::take(&mut self.handler.usage.source.reads.lock().unwrap())
        }
    }

    fn body(answer: &Value) -> Value {
        serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_holder_of_a_token_sees_its_usage_and_no_other() {
        let portal = Portal::new("");
        let token = portal.token(Holder::customer("acme").unwrap());
        let answer = portal.get("/usage", Some(&format!("Bearer {token}"))).await;
        assert_eq!((&answer["statusCode"], &body(&answer)["calls"]), (&json!(200), &json!(7)));
        assert_eq!(answer["headers"]["cache-control"], "no-store");
        assert_eq!(portal.reads(), [r#"Customer("acme")"#]);
        let key = portal.token(Holder::new(Some("zen"), Some("key-2")).unwrap());
        portal.get("/usage", Some(&format!("bearer {key}"))).await;
        let reads = portal.reads();
        assert!(reads.iter().all(|read| read.contains("key-2")) && reads.len() == 2, "{reads:?}");
    }

    #[tokio::test]
    async fn nothing_is_read_without_a_valid_token() {
        let portal = Portal::new("");
        let acme = || Holder::customer("acme").unwrap();
        let foreign = PrivateKey::generate().unwrap();
        let token = |environment, issued_at_s, key: &PrivateKey| {
            Token::new(environment, acme(), issued_at_s, 900).unwrap().signed(key).unwrap()
        };
        let foreign = token("prod", NOW_S, &foreign);
        let of_test = token("test", NOW_S, &portal.private_key);
        let expired = token("prod", NOW_S - 900, &portal.private_key);
        let valid = portal.token(acme());
        for (authorization, reason) in [
            (None, "there is no token"),
            (Some(valid.clone()), "there is no token"),
            (Some(format!("Basic {valid}")), "there is no token"),
            (Some("Bearer ".to_owned()), "not signed"),
            (Some(format!("Bearer {foreign}")), "not signed"),
            (Some(format!("Bearer {of_test}")), "not for this environment"),
            (Some(format!("Bearer {expired}")), "has expired"),
        ] {
            let answer = portal.get("/usage", authorization.as_deref()).await;
            let message = body(&answer)["message"].as_str().unwrap().to_owned();
            assert_eq!(answer["statusCode"], 401);
            assert!(message.contains(reason), "{message}");
        }
        assert!(portal.reads().is_empty());
    }

    #[tokio::test]
    async fn parameters_ask_for_days_and_never_for_somebody_else() {
        let portal = Portal::new("");
        let bearer = format!("Bearer {}", portal.token(Holder::customer("acme").unwrap()));
        let ask = |parameters: Value| {
            let (portal, bearer) = (&portal, &bearer);
            async move { portal.handle("GET", "/usage", Some(bearer), &parameters).await }
        };
        let answer = ask(json!({"from": "2026-11-20", "by": "month", "group_by": "key"})).await;
        let entry = json!({"api_key_id": "key-1", "period": "2026-11", "calls": 7, "credits": null, "response_bytes": 0});
        assert_eq!(body(&answer)["usage"], json!([entry]));
        for parameters in [json!({"of": "customer"}), json!({"customer_id": "zen"}), json!({"from": "today"})]
        {
            let answer = ask(parameters).await;
            assert_eq!(answer["statusCode"], 400, "{answer}");
        }
    }

    #[tokio::test]
    async fn the_page_and_its_files_need_no_token_and_may_be_below_a_path() {
        let portal = Portal::new("");
        for path in ["/", "/billing/", ""] {
            let page = portal.get(path, None).await;
            assert_eq!(page["headers"]["content-type"], "text/html; charset=utf-8", "{path}");
            assert_eq!(page["headers"]["cache-control"], "no-cache");
            let names = page["body"].as_str().unwrap().split('"').filter(|text| text.contains(".js"));
            let [name] = names.collect::<Vec<_>>()[..] else { panic!("the page has one script: {page}") };
            let file = portal.get(&format!("{path}/{name}"), None).await;
            assert_eq!(file["headers"]["content-type"], "text/javascript; charset=utf-8", "{name}");
            assert!(file["headers"]["cache-control"].as_str().unwrap().contains("immutable"));
        }
        let gone = portal.get("/portal-0000000000000000.js", None).await;
        assert_eq!(
            (&gone["statusCode"], &gone["headers"]["cache-control"]),
            (&json!(404), &json!("no-store"))
        );
        let post = portal.handle("POST", "/usage", None, &Value::Null).await;
        assert_eq!((&post["statusCode"], &post["headers"]["allow"]), (&json!(405), &json!("GET, HEAD")));
    }

    #[tokio::test]
    async fn files_are_compressed_for_clients_that_take_it() {
        let portal = Portal::new("");
        let encoding = async |accepted: &str| {
            let event = json!({"rawPath": "/", "headers": {"accept-encoding": accepted},
                "requestContext": {"http": {"method": "GET"}}});
            let answer = portal.handler.handle(&event, || NOW_MS).await;
            let is_gzip = answer["headers"]["content-encoding"] == "gzip";
            assert_eq!(answer["isBase64Encoded"], is_gzip, "{accepted}");
            assert_eq!(answer["body"].as_str().unwrap().starts_with("<!doctype"), !is_gzip, "{accepted}");
            assert_eq!(answer["headers"]["vary"], "accept-encoding");
            is_gzip
        };
        for accepted in ["gzip", "br, gzip, deflate", "br;q=1.0, GZIP;q=0.8", "gzip ; q=0.001"] {
            assert!(encoding(accepted).await, "{accepted}");
        }
        for accepted in ["", "br", "gzip;q=0", "gzip; q=0.000", "x-gzipped", "identity"] {
            assert!(!encoding(accepted).await, "{accepted}");
        }
    }

    #[tokio::test]
    async fn every_answer_says_who_may_embed_it() {
        let portal = Portal::new("https://app.example.com");
        for path in ["/", "/usage", "/none"] {
            let answer = portal.get(path, None).await;
            let policy = answer["headers"]["content-security-policy"].as_str().unwrap();
            assert!(policy.ends_with("frame-ancestors https://app.example.com"), "{policy}");
            assert_eq!(answer["headers"]["referrer-policy"], "no-referrer");
        }
    }
}
