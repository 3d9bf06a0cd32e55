use deployment::dashboard::{Source, widgets};
use deployment::names::LOCAL;

use super::*;

struct Log {
    events: Vec<(i64, String)>,
}

impl Log {
    fn new(lines: &[&str]) -> Self {
        let times = (0..).map(|number| 1_795_509_600_000 + number * 1_000);
        Self { events: times.zip(lines.iter().map(|line| (*line).to_owned())).collect() }
    }

    fn run(&self, query: &Query) -> Answer {
        let mut run = query.run();
        run.begin_log_group();
        for (id, (timestamp_ms, message)) in (1_i64..).zip(&self.events).collect::<Vec<_>>().into_iter().rev()
        {
            run.add(&Event {
                id,
                timestamp_ms: *timestamp_ms,
                ingested_ms: timestamp_ms + 5,
                message,
                log_stream: "s1",
                log: "123456789012:group",
            });
        }
        run.answer()
    }

    /// The rows as `name=value` pairs.
    fn rows(&self, query: &str) -> Vec<String> {
        let query = Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let shown = |row: Row| {
            let pairs = row.into_iter().filter(|(name, _)| name != "@ptr");
            pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        self.run(&query).rows.into_iter().map(shown).collect()
    }

    /// The value of one expression for the only line.
    fn value(&self, expression: &str) -> Option<String> {
        let query = Query::parse(&format!("fields {expression} as x"))
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        self.run(&query).rows[0].iter().find(|(name, _)| name == "x").map(|(_, value)| value.clone())
    }

    fn matches(&self, condition: &str) -> bool {
        !self.rows(&format!("filter {condition}")).is_empty()
    }
}

fn refused(query: &str) -> String {
    Query::parse(query).expect_err(query).to_string()
}

fn call(key: &str, status: &str, at: &str) -> String {
    format!(r#"{{"apiKeyId":"{key}","status":"{status}","requestTimeEpoch":"{at}"}}"#)
}

#[test]
fn calls_are_counted_by_key_and_hour() {
    let lines = [
        call("a", "200", "7200001"),
        call("a", "204", "7300000"),
        call("a", "404", "7300000"),
        call("b", "200", "1"),
        call("-", "200", "1"),
    ];
    let log = Log::new(&lines.each_ref().map(String::as_str));
    let rows = log.rows(
        "filter status like /^2[0-9][0-9]$/ and apiKeyId != \"-\" and requestTimeEpoch >= 5\n| stats count(*) as calls by apiKeyId, floor(requestTimeEpoch / 3600000) as hour\n| sort apiKeyId asc\n| limit 10",
    );
    assert_eq!(rows, ["apiKeyId=a hour=2 calls=2"]);
}

/// The query by which the reconciler counts the calls of the access log: short and long names,
/// milliseconds and seconds.
#[test]
fn a_query_over_both_templates_of_the_access_log_counts_the_billable_calls() {
    let log = Log::new(&[
        r#"{"time":"1795509600123","key":"k1","status":"200","method":"GET","route":"/a"}"#,
        r#"{"requestTimeEpoch":"1795509601","apiKeyId":"k1","status":"201","httpMethod":"POST","routeKey":"POST /a"}"#,
        r#"{"requestTimeEpoch":1795513200456,"apiKeyId":"k1","status":204,"httpMethod":"GET","resourcePath":"/a"}"#,
        r#"{"time":"1795509600123","key":"k1","status":"200","method":"GET","route":"/usage"}"#,
        r#"{"time":"1795509600","key":"k1","status":"200","method":"-","route":"GET /usage"}"#,
        r#"{"time":"1795509600123","key":"k1","status":"204","method":"OPTIONS","route":"/a"}"#,
        r#"{"time":"1795509600123","key":"-","status":"200","method":"GET","route":"/a"}"#,
        r#"{"time":"1795509600123","key":"k1","status":"404","method":"GET","route":"/a"}"#,
        r#"{"time":"1795509600123","key":"k1","status":"200","method":"GET","route":-}"#,
    ]);
    let query = |ending: &str| {
        format!(
            "fields coalesce(time, requestTimeEpoch) as epoch, coalesce(key, apiKeyId, \"-\") as api_key, coalesce(route, resourcePath, routeKey, \"\") as call_route, coalesce(method, httpMethod, \"\") as call_method
            | filter status like /^2[0-9][0-9]$/ and api_key not in [\"-\", \"\"] and toMillis(@timestamp) >= 1795509270000
            | filter not (call_route = \"/usage\" or call_route like /^[A-Z]+ \\/usage$/ or call_method = \"OPTIONS\")
            | {ending}
            | limit 10000"
        )
    };
    let by_hour = query(
        "stats count(*) as calls by floor(epoch / 3600 / (1 + 999 * least(1, floor(epoch / 100000000000)))) as hour",
    );
    let mut rows = log.rows(&by_hour);
    rows.sort();
    assert_eq!(rows, ["hour=498752 calls=2", "hour=498753 calls=1"]);
    let by_key = log.rows(&query("stats count(*) as calls by api_key | sort calls desc"));
    assert_eq!(by_key, ["api_key=k1 calls=3"]);
}

#[test]
fn request_times_without_an_epoch_are_cut_into_minute_and_zone() {
    let log = Log::new(&[
        r#"{"key":"k","requestTime":"24/Nov/2026:08:34:30 +0900"}"#,
        r#"{"key":"k","requestTime":"24/Nov/2026:08:34:59 +0900"}"#,
        r#"{"key":"k","time":"1795509600123"}"#,
    ]);
    let rows = log.rows(
        "fields coalesce(time, requestTimeEpoch) as epoch, coalesce(key, \"-\") as api_key | filter isblank(epoch) | stats count(*) as calls by api_key, substr(requestTime, 0, 17) as minute, substr(requestTime, 21) as zone",
    );
    assert_eq!(rows, ["api_key=k minute=24/Nov/2026:08:34 zone=+0900 calls=2"]);
}

#[test]
fn the_query_that_the_console_proposes_shows_the_latest_events() {
    let log = Log::new(&["first", "second", "third"]);
    let proposed = "fields @timestamp, @message, @logStream, @log\n| sort @timestamp desc\n| limit 2";
    assert_eq!(
        log.rows(proposed),
        [
            "@timestamp=2026-11-24 08:40:02.000 @message=third @logStream=s1 @log=123456789012:group",
            "@timestamp=2026-11-24 08:40:01.000 @message=second @logStream=s1 @log=123456789012:group",
        ]
    );
    assert_eq!(log.rows("filter @message like /ir/ | fields @message"), ["@message=third", "@message=first"]);
    assert_eq!(log.rows("# all of it\nfields @message | limit 1"), ["@message=third"]);
    assert_eq!(log.rows("fields @message as m | display m | sort @timestamp asc | limit 1"), ["m=first"]);
    let query = Query::parse("filter @message like \"i\"").unwrap();
    let answer = log.run(&query);
    let pointer = answer.rows[0].iter().find(|(name, _)| name == "@ptr").unwrap();
    assert_eq!(pointer.1.len(), 56);
    assert_eq!((answer.scanned_events, answer.scanned_bytes, answer.matched_events), (3, 16, 2));
}

#[test]
fn values_are_aggregated_by_group_and_time() {
    let log = Log::new(&[
        r#"{"s":"200","l":"10","k":"a"}"#,
        r#"{"s":"200","l":30,"k":"b"}"#,
        r#"{"s":"500","l":"-","k":"a"}"#,
        r#"{"s":"500","k":"a"}"#,
    ]);
    let rows = log.rows(
        "stats count(*) as n, count(l) as with_l, avg(l) as mean, sum(l) as total, min(l) as low, max(l) as high, count_distinct(k) as keys by s | sort s",
    );
    assert_eq!(
        rows,
        [
            "s=200 n=2 with_l=2 mean=20 total=40 low=10 high=30 keys=2",
            "s=500 n=2 with_l=1 low=- high=- keys=1"
        ]
    );
    assert_eq!(
        log.rows("stats count(*), max(l) by bin(5m)"),
        ["bin(5m)=2026-11-24 08:40:00.000 count(*)=4 max(l)=30"]
    );
    assert_eq!(log.rows("stats count() as n"), ["n=4"]);
    assert_eq!(
        log.rows("stats count(*) as n by k | filter n > 1 | stats sum(n) as all_of_them, count(*) as groups"),
        ["all_of_them=3 groups=1"]
    );
    assert_eq!(log.rows("stats count(*) as n by k | sort n desc, k asc | limit 1"), ["k=a n=3"]);
    // A period of 300 seconds means 60 seconds, the maximum of the unit.
    assert_eq!(
        log.rows("stats count(*) as n by bin(300s) | limit 1"),
        ["bin(300s)=2026-11-24 08:40:00.000 n=4"]
    );
}

#[test]
fn fields_of_json_lines_are_found_by_their_path() {
    let log = Log::new(&[
        r#" {"a":{"b":[{"c":"deep"},2]},"x.y":"dots","t":true,"f":false,"n":null,"d":1.5,"big":9007199254740993,"dash-ed":"q","o":{},"esc":"a\"b"} "#,
    ]);
    for (expression, value) in [
        ("a.b.0.c", Some("deep")),
        ("a.b.1", Some("2")),
        ("a.b", None),
        ("a", None),
        ("x.y", Some("dots")),
        ("t", Some("1")),
        ("f", Some("0")),
        ("n", None),
        ("d", Some("1.5")),
        ("`dash-ed`", Some("q")),
        ("o", None),
        ("esc", Some("a\"b")),
        ("missing", None),
        ("toMillis(@ingestionTime)", Some("1795509600005")),
    ] {
        assert_eq!(log.value(expression).as_deref(), value, "{expression}");
    }
    for broken in [r#"{"a":"1","b":-}"#, r#"{"a":"1""#, r#"{"a":"1"} tail"#, r#"["a"]"#, "a=1"] {
        assert_eq!(Log::new(&[broken]).value("a"), None, "{broken}");
    }
}

#[test]
fn functions_do_what_the_user_guide_says() {
    let log =
        Log::new(&[r#"{"word":"Wörd","number":"7.5","empty":"","blank":" \t","epoch":"1795509600123"}"#]);
    for (expression, value) in [
        ("2 ^ 3", Some("8")),
        ("10 % 3", Some("1")),
        ("2 + 3 * 4", Some("14")),
        ("(2 + 3) * -4", Some("-20")),
        ("number * 2", Some("15")),
        ("word * 2", None),
        ("missing + 1", None),
        ("1 / 0", None),
        ("floor(number)", Some("7")),
        ("ceil(number)", Some("8")),
        ("abs(0 - number)", Some("7.5")),
        ("sqrt(16)", Some("4")),
        ("log(1)", Some("0")),
        ("least(3, number, 9)", Some("3")),
        ("greatest(3, number)", Some("7.5")),
        ("least(1, missing)", None),
        ("coalesce(missing, word)", Some("Wörd")),
        ("coalesce(empty, word)", Some("")),
        ("substr(\"xyZfooxyZ\", 3, 3)", Some("foo")),
        ("substr(word, 2)", Some("rd")),
        ("substr(word, 9)", Some("")),
        ("substr(missing, 0, 2)", None),
        ("strlen(word)", Some("4")),
        ("toupper(word)", Some("WÖRD")),
        ("tolower('ABC')", Some("abc")),
        ("trim(\" a \")", Some("a")),
        ("concat(word, \"-\", number)", Some("Wörd-7.5")),
        ("replace(word, \"W\", \"w\")", Some("wörd")),
        ("strcontains(word, \"rd\")", Some("1")),
        ("ispresent(empty)", Some("1")),
        ("ispresent(missing)", Some("0")),
        ("isempty(missing)", Some("1")),
        ("isempty(blank)", Some("0")),
        ("isblank(blank)", Some("1")),
        ("fromMillis(epoch)", Some("2026-11-24 08:40:00.123")),
        ("toMillis(fromMillis(epoch))", Some("1795509600123")),
        ("toMillis(epoch)", None),
        ("datefloor(@timestamp, 1h)", Some("2026-11-24 08:00:00.000")),
    ] {
        assert_eq!(log.value(expression).as_deref(), value, "{expression}");
    }
}

/// The undocumented behaviour that the module's documentation lists, and documented conditions.
#[test]
fn conditions_hold_as_the_documentation_says() {
    let log = Log::new(&[r#"{"status":"200","code":200,"word":"alpha","empty":"","path":"/a/b"}"#]);
    for (condition, expected) in [
        ("status = 200", true),
        ("status = \"200\"", true),
        ("code = \"200\"", true),
        ("status = \"200.0\"", false),
        ("status >= 199.5 and status < 201", true),
        ("word = 200", false),
        ("word != 200", true),
        ("word > \"alph\"", true),
        ("missing = 1", false),
        ("missing != 1", false),
        ("not missing = 1", true),
        ("missing like /x/", false),
        ("missing not like /x/", false),
        ("missing in [\"\"]", false),
        ("missing not in [\"x\"]", false),
        ("not (missing in [\"x\"])", true),
        ("word like \"lph\"", true),
        ("word like 'LPH'", false),
        ("word =~ /^al.*a$/", true),
        ("word like /(?i)ALPHA/", true),
        ("path like /^\\/a\\/[a-z]$/", true),
        ("path like /^\\/\\d/", false),
        ("word not like /beta/", true),
        ("status in [200, 204]", true),
        ("status not in [\"404\", 200]", false),
        ("isempty(empty) and not isempty(word)", true),
        ("word = \"x\" or word = \"alpha\" and empty = \"y\"", false),
        ("(word = \"x\" or word = \"alpha\") and empty = \"\"", true),
    ] {
        assert_eq!(log.matches(condition), expected, "{condition}");
    }
}

#[test]
fn rows_are_ten_thousand_unless_a_limit_says_otherwise() {
    let lines: Vec<String> = (0..10_050).map(|number| format!(r#"{{"k":"key-{number:x}"}}"#)).collect();
    let log = Log::new(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(log.rows("stats count(*) as n by k").len(), 10_000);
    assert_eq!(log.rows("fields k").len(), 10_000);
    assert_eq!(log.rows("stats count(*) as n by k | limit 10020").len(), 10_020);
    assert_eq!(log.rows("fields k | limit 3").len(), 3);
    // The rows beyond the limit are the last in the sort order, not in the order of texts.
    let rows = log.rows("stats count(*) as n by k | sort k asc | limit 10000");
    assert_eq!(rows[..3], ["k=key-0 n=1", "k=key-1 n=1", "k=key-1a n=1"]);
    let place = |key: &str| rows.iter().position(|row| *row == format!("k={key} n=1"));
    assert!(place("key-9") < place("key-10") && place("key-10").is_some());
    assert!(place("key-ff").is_none(), "its letters come after all digits");
    let query = Query::parse("fields k").unwrap().with_limit(7).unwrap();
    assert_eq!(log.run(&query).rows.len(), 7);
    assert!(Query::parse("fields k").unwrap().with_limit(100_001).is_err());
}

#[test]
fn what_is_not_understood_is_refused() {
    for query in [
        "",
        "|",
        "fields",
        "fields @message |",
        "fields *",
        "fields a b",
        "fields a as",
        "fields a as b c",
        "fields a,",
        "filter",
        "filter a ~ 3",
        "filter a",
        "filter a and b",
        "filter 3",
        "filter a = ",
        "filter a = 1 2",
        "filter a like b",
        "filter a like /(/",
        "filter a in [b]",
        "filter a in []",
        "filter a in 3",
        "filter not a",
        "filter a =",
        "filter (a = 1",
        "filter a = \"open",
        "filter a like /open",
        "filter a is null",
        "filter unknown(a)",
        "filter isblank(a, b) ",
        "stats",
        "stats sum(x",
        "stats sum()",
        "stats pct(a, 95)",
        "stats count(*) as `n, avg(a) as l` by s",
        "stats count(*) as `n n` by s",
        "stats count(*) by",
        "stats count(*) as n, sum(a) as n",
        "stats count(*) + 1",
        "stats count(*) as n | filter unknown > 1",
        "stats count(*) as n | sort unknown",
        "stats count(*) | stats count(*) | stats count(*)",
        "limit 5 | stats count(*)",
        "sort a | stats count(*)",
        "limit 5 | filter a = 1",
        "sort a + 1",
        "sort",
        "limit",
        "limit many",
        "limit 0",
        "limit 1.5",
        "limit 100001",
        "parse @message \"*\" as x",
        "dedup a",
        "fields bin(5)",
        "fields bin(5mo)",
        "fields datefloor(a)",
        "fields @unknown",
        "fields substr(a)",
        "fields `open",
        "FIELDS a",
        "fields a AND b",
        "fields 1x",
        "source 'x' | fields a",
    ] {
        assert!(refused(query).starts_with("the query is malformed"), "{query}");
    }
    assert!(refused(&format!("fields {}", "a".repeat(10_000))).contains("10000"));
}

/// An expression nests by its parentheses alone: a chain fits a stack that is an eighth of a worker thread's.
#[test]
fn a_query_may_be_one_chain_of_operators() {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(check_chains);
    thread.expect("a thread starts").join().expect("the chains have their values");
}

fn check_chains() {
    let chain = |first: &str, more: &str| {
        let room = 9_900 - first.len();
        format!("{first}{}", more.repeat(room / more.len()))
    };
    let log = Log::new(&[r#"{"a":"1"}"#]);
    assert_eq!(log.value(&chain("a", "+1")).as_deref(), Some("4950"));
    assert_eq!(log.value(&chain("10", "-2")).as_deref(), Some("-9888"));
    assert_eq!(log.value(&chain("a", "*1")).as_deref(), Some("1"));
    assert_eq!(log.value(&chain("2", "^1")).as_deref(), Some("2"));
    assert!(log.matches(&chain("a=1", " and a=1")));
    assert!(!log.matches(&format!("{} and a=2", chain("a=1", " and a=1"))));
    assert!(!log.matches(&chain("a=2", " or a=2")));
    assert!(log.matches(&format!("{} or a=1", chain("a=2", " or a=2"))));
    assert!(log.matches(&chain("a=1 and not a=2", " and not not a=1")));
}

#[test]
fn an_expression_is_nested_100_levels_deep_and_not_one_more() {
    let log = Log::new(&[r#"{"a":"1"}"#]);
    for (open, close) in [("(", ")"), ("-(", ")"), ("abs(", ")"), ("1+2*1^(", ")")] {
        // The expression itself is the first level.
        let nested = |levels: usize| format!("{}a{}", open.repeat(levels - 1), close.repeat(levels - 1));
        assert!(log.value(&nested(100)).is_some(), "{open}");
        let error = refused(&format!("fields {} as x", nested(101)));
        assert!(error.contains("more than 100 levels"), "{error}");
    }
    let nested = |levels: usize| format!("{}a=1{}", "not (".repeat(levels - 1), ")".repeat(levels - 1));
    assert!(!log.matches(&nested(100)));
    assert!(refused(&format!("filter {}", nested(101))).contains("more than 100 levels"));
}

/// A second aggregation has a separate column.
#[test]
fn every_aggregation_has_its_column() {
    let log = Log::new(&[r#"{"s":"200","l":"10"}"#]);
    let rows = log.rows("stats count(*) as n, avg(responseLatency) as l, max(l) as `m` by s");
    assert_eq!(rows, ["s=200 n=1 m=10"]);
}

#[test]
fn the_queries_of_the_deployed_dashboard_are_understood() {
    let widgets = widgets(LOCAL);
    let queries: Vec<&String> = widgets
        .iter()
        .filter_map(|widget| match &widget.source {
            Source::Logs(query) => Some(query),
            Source::Metrics(_) => None,
        })
        .collect();
    assert!(!queries.is_empty());
    for query in queries {
        assert!(Query::parse(query).is_ok(), "{query}");
    }
}

proptest::proptest! {
    /// No text makes the parser panic.
    #[test]
    fn any_text_is_read_or_refused(text in "((fields|filter|stats|sort|limit|by|as|in|like|not|and) ?|[a@.,()\\[\\]|\"'/`=<>+*%^0-9 -]){0,12}") {
        if let Ok(query) = Query::parse(&text) {
            Log::new(&[r#"{"a":"1"}"#]).run(&query);
        }
    }
}
