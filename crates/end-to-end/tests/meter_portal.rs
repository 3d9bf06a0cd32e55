//! The usage page of a customer, and `meter portal`, against a running local stack.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use end_to_end::meter::{Local, assert_documented, documented, get, json_in, meter, stdout};
use metering_core::window::{CallWindow, UtcDay};
use serde_json::{Value, json};
use system_clock::now_ms;

fn run(local: &Local, arguments: &[&str]) -> String {
    stdout(&meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat()))
}

fn refusal(arguments: &[&str]) -> String {
    let output = meter(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Signs a token for the local stack, and returns what is printed.
fn token(local: &Local, arguments: &[&str]) -> Value {
    let printed = run(local, &[&["portal", "token", "--json"], arguments].concat());
    documented("portal-token", printed.as_bytes())
}

/// Returns the first day of every question: the calls of a test that runs at midnight are of two days, and perhaps of
/// two months.
fn yesterday() -> UtcDay {
    CallWindow::at(now_ms()).unwrap().day.plus_days(-1)
}

/// Returns the status and the document of the usage for a token.
fn usage(local: &Local, query: &str, token: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {}", token["token"].as_str().unwrap());
    let path = format!("/usage?by=total&from={}{query}", yesterday());
    let response = get(&local.endpoint("portal"), &path, Some(("authorization", &authorization)));
    (response.split(' ').nth(1).unwrap().parse().unwrap(), json_in(&response))
}

/// Creates a customer with a key, and returns the secret.
fn create_key(local: &Local, customer: &str, key: &str) -> String {
    run(local, &["customers", "create", customer]);
    let printed = run(local, &["keys", "create", "--id", key, "--customer", customer, "--json"]);
    documented("keys-create", printed.as_bytes())["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_shows_the_usage_of_its_customer_or_key() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let secrets = [("acme", "a-1"), ("zen", "z-1")].map(|(customer, key)| create_key(&local, customer, key));
    for (secret, calls) in secrets.iter().zip([2, 3]) {
        (0..calls).for_each(|_| assert_eq!(local.call("/status/200", Some(secret)), 200));
    }
    assert_eq!(local.call("/status/200", Some(&local.key())), 200);
    let from = yesterday().to_string();
    let of_all = ["usage", "--all", "--from", &from, "--by", "total", "--group-by", "class", "--csv"];
    assert!((0..2_000).any(|_| run(&local, &of_all).ends_with(",6,,0\n")), "the calls are counted");

    let acme = token(&local, &["--customer", "acme"]);
    let url = acme["url"].as_str().unwrap();
    assert_eq!(url, format!("{}/#{}", local.endpoint("portal"), acme["token"].as_str().unwrap()));
    let (status, answer) = usage(&local, "&group_by=key", &acme);
    assert_documented("get-usage", &answer);
    assert_eq!((status, &answer["customer_id"], &answer["calls"]), (200, &json!("acme"), &json!(2)));
    assert_eq!(answer["usage"][0]["api_key_id"], "a-1");
    assert_eq!(usage(&local, "", &token(&local, &["--customer", "zen"])).1["calls"], 3);
    let of_key = token(&local, &["--customer", "zen", "--api-key-id", "z-1"]);
    assert_eq!(usage(&local, "", &of_key).1["calls"], 3);
    let alone = token(&local, &["--api-key-id", "key-1"]);
    assert_eq!(usage(&local, "", &alone).1["calls"], 1, "a key without a customer is its own");
    assert_eq!(usage(&local, "&of=customer", &acme).0, 400);
}

#[test]
fn a_token_of_another_environment_or_of_the_past_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let key = local.data.join("portal-key.pem");
    let of_acme = ["portal", "token", "--json", "--customer", "acme"];
    let of_prod = meter(&[&of_acme[..], &["--aws", "prod", "--key", key.to_str().unwrap()]].concat());
    let of_prod = documented("portal-token", stdout(&of_prod).as_bytes());
    assert_eq!(of_prod["url"], Value::Null);
    let (status, answer) = usage(&local, "", &of_prod);
    assert_eq!(status, 401);
    assert!(answer["message"].as_str().unwrap().contains("not for this environment"), "{answer}");
    let short = token(&local, &["--customer", "acme", "--lifetime", "1s"]);
    while usage(&local, "", &short).0 == 200 {}
    assert!(usage(&local, "", &short).1["message"].as_str().unwrap().contains("has expired"));
}

#[test]
fn a_token_is_valid_after_a_restart_and_the_page_keeps_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let (page, acme) = (local.endpoint("portal"), token(&local, &["--customer", "acme"]));
    drop(local);
    let local = Local::start(folder.path());
    assert_eq!(local.endpoint("portal"), page);
    assert_eq!(usage(&local, "", &acme).0, 200);
    let mode = local.data.join("portal-key.pem").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner can read the private key");
}

#[test]
fn only_embedding_pages_of_the_option_are_in_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let origins = "https://app.example.com,http://localhost:3000";
    let local = Local::start_with(folder.path(), &["--portal-frame-ancestors", origins]);
    let page = get(&local.endpoint("portal"), "/", None).to_ascii_lowercase();
    assert!(page.starts_with("http/1.1 200") && page.contains("content-type: text/html"), "{page}");
    assert!(page.contains("frame-ancestors https://app.example.com http://localhost:3000\r\n"), "{page}");
    let problem = refusal(&["local", "--portal-frame-ancestors", "app.example.com"]);
    assert!(problem.contains("is not an origin: set it to https://HOST"), "{problem}");
}

#[test]
fn the_url_is_that_of_the_environment_which_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let key = local.data.join("portal-key.pem");
    let token = |arguments: &[&str]| meter(&[&["portal", "token", "--customer", "acme"], arguments].concat());
    let of_aws = ["--aws", "prod", "--key", key.to_str().unwrap(), "--url", "https://id.on.aws/?theme=dark"];
    let signed = token(&of_aws);
    assert!(stdout(&signed).starts_with("https://id.on.aws/?theme=dark#"));
    let said = String::from_utf8_lossy(&signed.stderr).into_owned();
    assert!(said.contains("It is for the environment prod, and valid until "), "{said}");
    assert!(!said.contains("--customer"), "{said}");
    let data = ["--data", local.data.to_str().unwrap()];
    let refused = refusal(
        &[&["portal", "token", "--customer", "acme", "--url", "https://id.on.aws/"], &data[..]].concat(),
    );
    assert!(refused.contains("name its environment with --aws"), "{refused}");
    let of_key = meter(&[&["portal", "token", "--api-key-id", "key-1"], &data[..]].concat());
    let said = String::from_utf8_lossy(&of_key.stderr).into_owned();
    assert!(said.contains("for the environment local") && said.contains("add --customer"), "{said}");
}

#[test]
fn a_private_key_is_made_once_and_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let name = file.to_str().unwrap();
    let created =
        documented("portal-create-key", stdout(&meter(&["portal", "create-key", name, "--json"])).as_bytes());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let shown =
        documented("portal-public-key", stdout(&meter(&["portal", "public-key", name, "--json"])).as_bytes());
    assert_eq!(created, shown);
    let pem = std::fs::read_to_string(&file).unwrap();
    assert!(refusal(&["portal", "create-key", name]).contains("name a new file"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), pem, "the key is kept");
    assert_eq!(stdout(&meter(&["portal", "public-key", name])).trim_end(), created["public_key"]);
    refuses_bad_arguments(&file);
}

fn refuses_bad_arguments(key: &Path) {
    let token = |arguments: &[&str]| {
        refusal(&[&["portal", "token", "--aws", "prod", "--key", key.to_str().unwrap()], arguments].concat())
    };
    assert!(token(&["--customer", "a b"]).contains("is no id of a customer"));
    assert!(token(&["--customer", "acme", "--lifetime", "25h"]).contains("from 1s to 24h"));
    assert!(token(&[]).contains("--customer"));
    let without_key = refusal(&["portal", "token", "--customer", "acme", "--aws", "prod"]);
    assert!(without_key.contains("name the file of the private key with --key"), "{without_key}");
    std::fs::write(key, "no key").unwrap();
    let problem = token(&["--customer", "acme"]);
    assert!(problem.contains("cannot be used") && problem.contains("openssl genpkey"), "{problem}");
}
