use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, line: &str) -> bool {
    FilterPattern::parse(pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
        .matches(&Line::new(line))
}

fn refused(pattern: &str) -> String {
    FilterPattern::parse(pattern).expect_err(pattern).to_string()
}

#[test]
fn terms_are_words_phrases_alternatives_and_exclusions() {
    let bad_request = "[ERROR 400] BAD REQUEST";
    let missing = "[ERROR 419] MISSING ARGUMENTS";
    for (pattern, line, expected) in [
        ("", "anything", true),
        ("\" \"", "nothing-blank", true),
        ("ERROR", bad_request, true),
        ("ERROR", "ERRORS", false),
        ("error", bad_request, false),
        ("ERROR ARGUMENTS", bad_request, false),
        ("ERROR ARGUMENTS", missing, true),
        ("?ERROR ?ARGUMENTS", bad_request, true),
        ("?WARN ?INFO", bad_request, false),
        // Terms with "?" are ignored if there is another term.
        ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", true),
        ("?ERROR ?ARGUMENTS REQUEST", missing, false),
        ("\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", true),
        ("\"INTERNAL SERVER ERROR\"", "SERVER ERROR INTERNAL", false),
        ("\"say \\\"no\\\"\"", "they say \"no\" here", true),
        ("ERROR -ARGUMENTS", bad_request, true),
        ("ERROR -ARGUMENTS", missing, false),
        ("-\"BAD REQUEST\"", missing, true),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern} on {line}");
    }
}

#[test]
fn json_patterns_match_as_the_user_guide_shows() {
    let trail = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],
        "objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","on":true,"number":[1e3]}"#;
    let user = r#"{"user":{"id":1,"email":"John.Stiles@example.com"},"users":[{"id":2,"email":"John.Doe@example.com"},
        {"id":3,"email":"Jane.Doe@example.com"}],"actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}"#;
    for (pattern, line, expected) in [
        ("{ $.eventType = \"UpdateTrail\" }", trail, true),
        ("{ $.eventType = Update* }", trail, true),
        ("{ $.eventType = \"*Trail\" }", trail, true),
        ("{ $.sourceIPAddress != 123.123.* }", trail, true),
        ("{ $.sourceIPAddress != 111.111.* }", trail, false),
        ("{ $.arrayKey[0] = \"value\" }", trail, true),
        ("{ $.arrayKey[2] = \"value\" }", trail, false),
        ("{ $.eventType = %Trail% }", trail, true),
        ("{ $.eventType != %Trail% }", trail, false),
        ("{ $.arrayKey[*] = %val.{2}% }", trail, true),
        (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", trail, true),
        ("{ $.['cluster.name'] = \"c\" }", trail, true),
        ("{ $.[\"cluster.name\"] = c }", trail, true),
        ("{ $.objectList[1].name = b }", trail, true),
        ("{ $.SomeObject IS NULL }", trail, true),
        ("{ $.on IS TRUE }", trail, true),
        ("{ $.on IS FALSE }", trail, false),
        ("{ $.SomeOtherObject NOT EXISTS }", trail, true),
        ("{ $.SomeObject NOT EXISTS }", trail, false),
        ("{ $.number[0] = 1e+3 }", trail, true),
        ("{ $.number[0] != 1e-3 }", trail, true),
        ("{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }", user, true),
        (
            "{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\" && $.actions[2] = \"nonmatch\" }",
            user,
            true,
        ),
        (
            "{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\") && $.actions[2] = \"nonmatch\" }",
            user,
            false,
        ),
        ("{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"GET\" }", user, false),
        ("{ $.coordinates[2][0] >= 7 && $.coordinates[2][0] < 7.5 }", user, true),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern}");
    }
}

#[test]
fn a_json_pattern_does_not_match_a_line_that_is_no_json() {
    for line in [
        r#"{"status":"200","integrationLatency":-}"#,
        r#"{"status":"200","userAgent":"a"b"}"#,
        r#"{"status":"200","path":"it\'s"}"#,
        r#"{"status":"200"} "#.trim_end_matches("} "),
        "200",
        "",
    ] {
        assert!(!matches("{ $.status = 2* }", line), "{line}");
        assert!(!matches("{ $.status NOT EXISTS }", line) || line == "200", "{line}");
    }
    assert!(matches("{ $.status = 2* }", r#"{"status":"200"} "#));
}

/// The undocumented behaviour that the module's documentation lists.
#[test]
fn what_aws_leaves_open_matches_less() {
    let line = r#"{"text":"404","number":404,"null":null,"on":true,"list":[1],"object":{"a":1},"empty":""}"#;
    for (pattern, expected) in [
        ("{ $.missing != 1 }", false),
        ("{ $.missing != \"x\" }", false),
        ("{ $.null != \"x\" }", false),
        ("{ $.on = true }", false),
        ("{ $.on != x }", false),
        ("{ $.list != x }", false),
        ("{ $.object = * }", false),
        ("{ $.text = 404 }", true),
        ("{ $.text > 400 }", false),
        ("{ $.number > 400 }", true),
        ("{ $.number = 404.0 }", true),
        ("{ $.text = 404.0 }", false),
        ("{ $.number = \"404\" }", true),
        ("{ $.number = 4* }", true),
        ("{ $.text = * }", true),
        ("{ $.number = * }", true),
        ("{ $.empty = * }", true),
        ("{ $.null = * }", false),
        ("{ $.missing = * }", false),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern}");
    }
}

#[test]
fn columns_match_as_the_user_guide_shows() {
    let call = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    let error = "ERROR 09/25/2014 12:00:02 Failed to process request";
    let resource = "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200";
    for (pattern, line, expected) in [
        (
            r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
            call,
            true,
        ),
        ("[ip, user, username, timestamp, request, status_code = 5*, bytes]", call, false),
        ("[..., request =*.html*, status_code = 4*, bytes]", call, true),
        ("[..., status_code = 404 || status_code = 410, bytes]", call, true),
        ("[..., (status_code = 404 || status_code = 410) && status_code != 404, bytes]", call, false),
        ("[..., bytes > 1000]", call, true),
        ("[..., bytes > 2e3]", call, false),
        ("[ip, ..., bytes]", call, true),
        ("[ip, user, username, timestamp = \"10/Oct/2000:13:25:15 -0700\", ...]", call, true),
        ("[w1=ERROR, w2]", error, true),
        ("[w1=ERROR || w1=WARNING, w2]", error, true),
        ("[w1!=ERROR && w1!=WARNING, w2]", error, false),
        ("[w1, w2, w3, w4 = \"Failed to process request\"]", error, true),
        ("[w1, w2, w3, w4, w5, w6, w7, w8]", error, false),
        ("[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]", resource, true),
        ("[logLevel, date, time, method, url=%/part/[0-9]+$%, response_time]", resource, false),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern} on {line}");
    }
}

#[test]
fn regular_expressions_match_as_the_user_guide_shows() {
    for (pattern, line, expected) in [
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true),
        ("%^[hc]at%", "hat", true),
        ("%^[hc]at%", "that", false),
        ("%[hc]at$%", "a cat", true),
        ("%colou?r%", "color", true),
        ("%[abcx-z]%", "-y-", true),
        ("%^a{3,5}$%", "aa", false),
        ("%^a{,5}$%", "aaaaa", true),
        ("%^a{3,}$%", "aaaaaa", true),
        ("%^val.{2}$%", "value", true),
        ("%^starting|^initializing|^shutting down%", "shutting down now", true),
        ("%^starting|^initializing|^shutting down%", "skipping initializing", false),
        ("%abcc|ab[^c]$%", "aba", true),
        (r"%\[.\]%", "x[7]", true),
        (r"%10\.10\.0\.1%", "10010,051", false),
        ("%10.10.0.1%", "10010,051", true),
        ("%ab+c%", "ac", false),
        (r"%^\d\D\s\S\w\W$%", "1a b_-", true),
        (r"%\x3A\x28%", "a:(", true),
        (r"%[\d\-]%", "5", false),
    ] {
        let Ok(read) = FilterPattern::parse(pattern) else {
            assert!(pattern.contains(r"\-"), "{pattern}");
            continue;
        };
        assert_eq!(read.matches(&Line::new(line)), expected, "{pattern} on {line}");
    }
}

/// The pattern of the deployed subscription filter.
#[test]
fn a_status_is_found_in_a_line_whose_json_is_broken() {
    let pattern = r"%\x22status\x22\s*:\s*\x22?2\d\d%";
    for line in [
        r#"{"status":"200","ms":"3"}"#,
        r#"{"status": 204}"#,
        r#"{"status":"200","integrationLatency":-}"#,
        r#"{"userAgent":"a"b","status":"201"}"#,
        r#"{"path":"it\'s","status" : "299"}"#,
    ] {
        assert!(matches(pattern, line), "{line}");
    }
    for line in
        [r#"{"status":"404"}"#, r#"{"status":"-"}"#, r#"{"integrationStatus":"200"}"#, r#"{"status":"20"}"#]
    {
        assert!(!matches(pattern, line), "{line}");
    }
}

#[test]
fn what_aws_does_not_document_is_refused() {
    for pattern in [
        "%something!%",
        "%a\"b%",
        "%(a|b)%",
        r"%\(a%",
        "%\\\"%",
        "%é%",
        "%a",
        "%%",
        "%a% b",
        "%a% %b%",
        "%a|%",
        "%|a%",
        "%*a%",
        "%a**%",
        "%a+?%",
        "%^*%",
        "%[%",
        "%[]%",
        "%[z-a]%",
        "%[a[b]%",
        "%[.]%",
        "%a{%",
        "%a{2,1}%",
        "%a{,}%",
        "%a{1 ,2}%",
        "%a{x}%",
        r"%\x2%",
        r"%\x8F%",
        r"%\x3a%",
        r"%\n%",
        r"%\/%",
        r"%a\%",
        "%a]%",
        "%a}%",
        "%a&&b%",
        "{ $.a = \"b }",
        "{ $.a = }",
        "{ $.a }",
        "{ a = 1 }",
        "{ $a = 1 }",
        "{ $.a IS NOT NULL }",
        "{ $.a EXISTS }",
        "{ $.a is null }",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a = 1 } x",
        "{ $.a == 1 }",
        "{ $.a = /usage }",
        "{ $.a > \"x\" }",
        "{ $.a > x }",
        "{ $.a > 1* }",
        "{ $.*.* = 1 }",
        "{ $.a[-1] = 1 }",
        "{ $.a[x] = 1 }",
        "{ $.a. = 1 }",
        "{ $.a = a-b }",
        "{ $. = 1 }",
        "{}",
        "{ $.*=1 && $.a[*]=1 && $.b[*]=1 && $.c[*]=1 }",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        "[a = %a%, b = %b%, c = %c%]",
        "[a, ..., b, ...]",
        "[a",
        "[]",
        "[a b]",
        "[a=1 || b=1]",
        "[= 1]",
        "[a=/x]",
        "a/b",
        "level=error",
        "50%",
        "\"open",
        "-",
        "?",
        "ERROR,",
        "\"a\"b",
    ] {
        let error = refused(pattern);
        assert!(error.starts_with("invalid filter pattern: "), "{pattern}: {error}");
    }
    assert!(refused("%a!b%").contains(r"\x21"), "{}", refused("%a!b%"));
}

#[test]
fn a_pattern_has_1024_characters_at_most() {
    assert!(FilterPattern::parse(&"a".repeat(1_024)).is_ok());
    assert!(refused(&"a".repeat(1_025)).contains("1024"));
}

proptest! {
    /// No text makes the parser panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}()$.%*\"'?|&!=<> a1,\\\\-]{0,24}", line in "[a1 \"{}:,]{0,12}") {
        if let Ok(pattern) = FilterPattern::parse(&text) {
            pattern.matches(&Line::new(&line));
        }
    }

    /// A regular expression in which each character of a text is escaped matches that text.
    #[test]
    fn every_ascii_character_can_be_written_as_an_escape(text in "[ -~]{1,12}", before in "[ -~]{0,5}") {
        let escaped = text.bytes().map(|byte| format!("\\x{byte:02X}")).collect::<Vec<_>>().concat();
        let line = format!("{before}{text}");
        let pattern = format!("%{escaped}$%");
        prop_assert!(matches(&pattern, &line));
    }

    /// `=` and `!=` are never both true, for any value of a member.
    #[test]
    fn equal_and_not_equal_never_both_hold(value in "(\"[a2*]{0,3}\"|[1-9][0-9]{0,2}|null|true|\\[1\\])", wanted in "[a2*]{1,3}") {
        let line = format!("{{\"a\":{value}}}");
        let equal = matches(&format!("{{ $.a = {wanted} }}"), &line);
        let unequal = matches(&format!("{{ $.a != {wanted} }}"), &line);
        let is_scalar = value.starts_with(['"', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
        prop_assert_eq!(equal || unequal, is_scalar);
        prop_assert!(!(equal && unequal));
    }
}
