//! `meter customers`, and the usage of customers, against a running local stack.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use end_to_end::meter::{Local, documented, meter, stdout};
use serde_json::{Value, json};

fn run(local: &Local, arguments: &[&str]) -> String {
    stdout(&meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat()))
}

fn refused(local: &Local, arguments: &[&str], words: &str) {
    let output = meter(&[arguments, &["--data", local.data.to_str().unwrap()]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(words), "{arguments:?}: {text}");
}

/// Creates a key and returns its secret.
fn create_key(local: &Local, id: &str, customer: &str) -> String {
    let printed = run(local, &["keys", "create", "--id", id, "--customer", customer, "--json"]);
    let key = documented("keys-create", printed.as_bytes());
    assert_eq!((&key["customer_id"], &key["owner"]), (&json!(customer), &json!(customer)));
    key["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn the_usage_of_a_customer_is_that_of_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    refused(&local, &["keys", "create", "--customer", "acme"], "`meter customers create acme` creates it");
    refused(&local, &["customers", "create", "ac#me"], "a customer id has 1 to 64 letters");
    for customer in ["acme", "zen"] {
        let printed = run(&local, &["customers", "create", customer, "--name", "A company", "--json"]);
        assert_eq!(documented("customers-create", printed.as_bytes())["customer_id"], customer);
    }
    refused(&local, &["customers", "create", "acme"], "there is a customer acme already");

    let calls = [("a-1", "acme", 1), ("a-2", "acme", 2), ("z-1", "zen", 3)];
    let secrets = calls.map(|(key, customer, calls)| {
        let secret = create_key(&local, key, customer);
        (0..calls).for_each(|_| assert_eq!(local.call("/status/200", Some(&secret)), 200));
        secret
    });
    assert_eq!(local.call("/status/200", Some(&local.key())), 200);
    let total = ["usage", "--all", "--by", "total", "--group-by", "class", "--csv"];
    while !run(&local, &total).ends_with(",7,,0\n") {}

    let usage = documented("usage", run(&local, &["usage", "a-2", "--json"]).as_bytes());
    assert_eq!((&usage["customer_id"], &usage["calls"]), (&json!("acme"), &json!(2)));
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let printed = run(&local, &[arguments, &["--by", "total", "--json"]].concat());
        let mut lines: Vec<Value> =
            printed.lines().map(|line| documented("usage-groups", line.as_bytes())).collect();
        lines.sort_by_key(ToString::to_string);
        lines
    };
    let calls_by = |name: &str, lines: &[Value]| -> Vec<(Value, Value)> {
        lines.iter().map(|line| (line[name].clone(), line["calls"].clone())).collect()
    };
    let keys = calls_by("api_key_id", &lines(&["usage", "--customer", "acme"]));
    assert_eq!(keys, [(json!("a-1"), json!(1)), (json!("a-2"), json!(2))]);
    let customers = lines(&["usage", "--all", "--group-by", "customer"]);
    let mut of_customers = calls_by("customer_id", &customers);
    of_customers.retain(|(customer, _)| !customer.is_null());
    assert_eq!(of_customers, [(json!("acme"), json!(3)), (json!("zen"), json!(3))]);
    let without = customers.iter().find(|line| line["api_key_id"] == "key-1").unwrap();
    assert_eq!((&without["customer_id"], &without["calls"]), (&Value::Null, &json!(1)));

    let csv = run(&local, &["usage", "--all", "--by", "month", "--group-by", "class", "--csv"]);
    assert!(
        csv.starts_with("route_class,period,calls,credits,response_bytes\n,20") && csv.ends_with(",7,,0\n"),
        "{csv}"
    );
    let table = run(&local, &["usage", "--customer", "zen", "--time-zone", "Europe/Berlin"]);
    assert!(
        table.starts_with("Usage of the customer zen from ") && table.contains("(Europe/Berlin)"),
        "{table}"
    );
    let endpoint = |query: &str| local.json(&format!("/usage{query}"), &secrets[0]);
    let usage = endpoint("?of=customer&by=total&group_by=key");
    assert_eq!(
        (&usage["of"], &usage["customer_id"], &usage["calls"]),
        (&json!("customer"), &json!("acme"), &json!(3))
    );
    let entries = usage["usage"].as_array().unwrap();
    assert_eq!(calls_by("api_key_id", entries), [(json!("a-1"), json!(1)), (json!("a-2"), json!(2))]);
    let of_key = endpoint("");
    assert_eq!(
        (&of_key["of"], &of_key["calls"], &of_key["credits"]),
        (&json!("key"), &json!(1), &Value::Null)
    );
    assert_eq!(endpoint("?of=zen")["message"], "of: write key or customer");
    refused(&local, &["usage", "a-1", "--time-zone", "Asia/Kolkata"], "+05:30 from UTC");
    refused(&local, &["usage", "a-1", "--time-zone", "Mars"], "there is no time zone \"Mars\"");
}

#[test]
fn customers_are_shown_with_their_keys_changed_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let labelled = |label: &str| format!("tier={label}");
    for customer in ["acme", "acme-old"] {
        run(&local, &["customers", "create", customer, "--label", &labelled(customer)]);
        create_key(&local, &format!("key-of-{customer}"), customer);
    }
    let changed = [
        "customers",
        "update",
        "acme",
        "--name",
        "Acme Ltd",
        "--label",
        "tier=gold",
        "--label",
        "vat=1",
        "--json",
    ];
    let changed = documented("customers-update", run(&local, &changed).as_bytes());
    assert_eq!(
        (&changed["name"], &changed["labels"]),
        (&json!("Acme Ltd"), &json!({"tier": "gold", "vat": "1"}))
    );
    refused(&local, &["customers", "update", "nobody", "--name", "N"], "there is no customer nobody");

    let shown =
        documented("customers-show", run(&local, &["customers", "show", "acme", "--json"]).as_bytes());
    assert_eq!(
        (&shown["keys"][0]["api_key_id"], &shown["name"]),
        (&json!("key-of-acme"), &json!("Acme Ltd"))
    );
    let list = run(&local, &["customers", "list"]);
    assert!(list.contains("acme-old") && list.contains("2 customers"), "{list}");
    let keys = run(&local, &["keys", "list", "--customer", "acme"]);
    assert!(keys.contains("key-of-acme ") && !keys.contains("acme-old"), "{keys}");

    let check = ["customers", "merge-check", "acme-old", "acme", "--json"];
    let check = documented("customers-merge-check", run(&local, &check).as_bytes());
    let expected = [json!(["key-of-acme-old"]), json!(1), json!(["tier"])];
    assert_eq!(
        ["keys_to_replace", "keys_that_stay", "different_labels"].map(|name| check[name].clone()),
        expected
    );

    let file = folder.path().join("keys.csv");
    std::fs::write(&file, "api_key_id,customer_id,api_key\nnew-1,fresh,s1\nkey-of-acme,zen,\n").unwrap();
    let import = ["keys", "import", file.to_str().unwrap()];
    let output = meter(&[&import, &["--data", local.data.to_str().unwrap()][..]].concat());
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        problem.contains("created the customers fresh, zen")
            && problem.contains("belongs to another customer"),
        "{problem}"
    );
    let of_fresh = run(&local, &["customers", "show", "fresh"]);
    assert!(of_fresh.contains("new-1"), "{of_fresh}");
}
