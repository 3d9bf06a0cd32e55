//! `meter keys import` with files in many forms, and its report on each row.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;
use std::process::{Command, Output};

use end_to_end::binaries;
use end_to_end::meter::{Local, documented, meter, stdout};
use metering_core::api_key::KeyDigest;
use serde_json::{Value, json};

/// A stack into which files are imported.
struct Importer {
    folder: tempfile::TempDir,
    local: Local,
}

impl Importer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::start(&folder.path().join("data"));
        Self { folder, local }
    }

    fn keys(&self, arguments: &[&str]) -> Output {
        meter(&[&["keys"], arguments, &["--data", text(&self.local.data)]].concat())
    }

    fn import(&self, name: &str, content: impl AsRef<[u8]>) -> Imported {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let mut command = Command::new(binaries().join("meter"));
        command.args(["keys", "import", text(&file), "--json", "--data", text(&self.local.data)]);
        let output = command.env("RUST_BACKTRACE", "0").output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let counts = (!output.stdout.is_empty()).then(|| {
            let outcome = documented("keys-import", &output.stdout);
            ["created", "updated", "unchanged", "rejected"].map(|name| outcome[name].as_u64().unwrap())
        });
        assert_eq!(output.status.success(), counts.is_some_and(|counts| counts[3] == 0), "{errors}");
        Imported { counts, errors }
    }

    fn show(&self, key: &str) -> Value {
        documented("keys-show", stdout(&self.keys(&["show", key, "--json"])).as_bytes())
    }
}

/// The result of an import.
#[derive(Debug)]
struct Imported {
    /// Numbers of created, updated, unchanged and rejected rows; `None` if the whole file was refused.
    counts: Option<[u64; 4]>,
    errors: String,
}

impl Imported {
    #[track_caller]
    fn is(&self, counts: [u64; 4], words: &[&str]) {
        assert_eq!(self.counts, Some(counts), "{}", self.errors);
        self.says(words);
    }

    #[track_caller]
    fn is_refused(&self, words: &[&str]) {
        assert_eq!(self.counts, None);
        self.says(words);
    }

    #[track_caller]
    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.errors.contains(word), "{word:?} is not in {}", self.errors);
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
}

fn hash(secret: &str) -> String {
    KeyDigest::of_secret(secret).unwrap().to_string()
}

#[test]
fn keys_are_read_from_every_form_that_people_have() {
    let importer = Importer::start();
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("letters.csv", "API_KEY_ID,Owner,apiKey,Monthly Limit\nletters,acme,s-letters,7\n".into()),
        ("semicolons.csv", "api_key_id;owner;api_key;monthly_limit\nsemicolons;acme;s-semicolons;7\n".into()),
        ("tabs.txt", "api_key_id\towner\tapi_key\tmonthly_limit\ntabs\tacme\ts-tabs\t7\n".into()),
        ("excel.csv", "\u{feff}sep=;\r\napi_key_id;owner;api_key;monthly_limit;;\r\n;;;;;\r\n\r\nexcel;acme;s-excel;7;;\r\n".into()),
        ("utf16.csv", utf16("api_key_id\towner\tapi_key\tmonthly_limit\r\nutf16\tacme\ts-utf16\t7\r\n")),
        ("powershell.csv", utf16("#TYPE System.Object\r\n\"Id\",\"Owner\",\"Value\",\"MonthlyLimit\"\r\n\"powershell\",\"acme\",\"s-powershell\",\"7\"\r\n")),
        ("lines.jsonl", "\u{feff}{\"api_key_id\":\"lines\",\"owner\":\"acme\",\"api_key\":\"s-lines\",\"monthly_limit\":7}\r\n".into()),
        ("array.json", json!([{"api_key_id": "array", "owner": "acme", "api_key": "s-array", "monthly_limit": 7}]).to_string().into()),
        ("printed.json", format!("{:#}\n", json!({"apiKeyId": "printed", "owner": "acme", "api_key": "s-printed", "monthlyLimit": 7})).into()),
        ("powershell.json", utf16(&format!("{:#}\r\n", json!([{"Id": "powershell-json", "Owner": "acme", "Value": "s-powershell-json", "MonthlyLimit": 7}])))),
    ];
    for (name, content) in forms {
        importer.import(name, content).is([1, 0, 0, 0], &[]);
    }
    for id in [
        "letters",
        "semicolons",
        "tabs",
        "excel",
        "utf16",
        "powershell",
        "lines",
        "array",
        "printed",
        "powershell-json",
    ] {
        let key = importer.show(id);
        assert_eq!((&key["owner"], &key["monthly_limit"]), (&json!("acme"), &json!(7)), "{id}");
        assert_eq!(importer.local.call("/status/200", Some(&format!("s-{id}"))), 200, "{id}");
    }
}

#[test]
fn keys_of_api_gateway_are_taken_over_and_disabled_ones_are_not() {
    let importer = Importer::start();
    let csv = "Name,key,description,Enabled,usageplanIds\n\
        acme-prod,legacySecret0001abcdefgh,An imported key,TRUE,p1a2b3\n\
        beta,legacySecret0002abcdefgh,,false,\"p1a2b3,q9z8y7\"\n";
    importer.import("keys.csv", csv).is([1, 0, 0, 1], &["line 3: Enabled is false"]);
    let item = |id: &str, enabled: bool, value: Option<&str>| {
        let mut item = json!({"id": id, "name": id, "enabled": enabled, "createdDate": "2026-01-01T00:00:00+00:00",
            "lastUpdatedDate": 1, "stageKeys": ["a/v1"], "tags": {"team": "blue"}, "description": "old"});
        if let Some(value) = value {
            item["value"] = json!(value);
        }
        item
    };
    let answer = |items: Value| format!("{:#}\n", json!({"items": items, "position": "x"}));
    let with_values = answer(json!([
        item("a1b2c3", true, Some("gatewaySecret1")),
        item("d4e5f6", false, Some("gatewaySecret2"))
    ]));
    importer.import("with.json", with_values).is([1, 0, 0, 1], &["enabled is false"]);
    let key = importer.show("a1b2c3");
    assert_eq!(
        (&key["owner"], &key["labels"]),
        (&json!("a1b2c3"), &json!({"team": "blue", "description": "old"}))
    );
    assert_eq!(importer.local.call("/status/200", Some("gatewaySecret1")), 200);
    assert_eq!(importer.local.call("/status/200", Some("gatewaySecret2")), 403);
    let without = answer(json!([item("g7h8i9", true, None)]));
    importer.import("without.json", without).is([0, 0, 0, 1], &["with --include-values"]);
}

#[test]
fn what_cannot_be_read_is_named_by_its_line() {
    let importer = Importer::start();
    let rows = [
        "owner,api_key,monthly_limit",
        "acme,s1,1",
        "",
        "acme,s2,1E+05",
        "acme,s3,\"10,000\"",
        "acme,s4",
        "acme,s5,5",
    ];
    for (end, counts) in [("\n", [2, 0, 0, 3]), ("\r\n", [0, 0, 2, 3])] {
        importer.import("rows.csv", rows.join(end)).is(
            counts,
            &[
                "line 4: monthly_limit is not a whole number",
                "line 5: monthly_limit is not a whole number",
                "line 6: it does not have the 3 columns of the header",
            ],
        );
    }
    let unknown = "owner,api_key,comment,colour\nacme,s6,a,b\nacme,s7,c,d\n";
    let imported = importer.import("unknown.csv", unknown);
    imported.is([2, 0, 0, 0], &["there are no such fields: comment, colour"]);
    assert_eq!(imported.errors.matches("comment").count(), 1);
    for (name, content, words) in [
        ("slip.csv", b"owner,api_key,montly_limit\nacme,s8,1\n".to_vec(), "no field \"montly_limit\""),
        (
            "latin1.csv",
            b"owner,api_key\nacme,s8\nM\xfcller,s9\n".to_vec(),
            "line 3 is not UTF-8; it may be Latin-1",
        ),
        ("keys.xlsx", b"PK\x03\x04\x14".to_vec(), "save its sheet as CSV"),
        ("headless.csv", b"acme,s8\nacme,s9\n".to_vec(), "does not name the columns"),
        (
            "scan.json",
            br#"{"Items":[{"owner":{"S":"acme"}}],"Count":1}"#.to_vec(),
            "scan of a DynamoDB table",
        ),
        (
            "export.json",
            br#"{"Item":{"owner":{"S":"acme"}}}"#.to_vec(),
            "export or a scan of a DynamoDB table",
        ),
        ("cut.json", br#"[{"owner":"acme","api_key":"s8"},"#.to_vec(), "the file is incomplete"),
    ] {
        importer.import(name, content).is_refused(&[words]);
    }
    assert_eq!(importer.local.call("/status/200", Some("s8")), 403, "no row of a refused file is imported");
}

#[test]
fn a_row_that_differs_from_what_is_there_changes_it_or_is_named() {
    let importer = Importer::start();
    let sha256 = hash("s1");
    let row = |limit: &str| {
        format!("api_key_id,owner,sha256,monthly_limit,plan\ncust-60,acme,{sha256},{limit},gold\n")
    };
    importer.import("v1.csv", row("1000")).is([1, 0, 0, 0], &[]);
    importer.import("v1.csv", row("1000")).is([0, 0, 1, 0], &[]);
    importer.import("v2.csv", row("5")).is([0, 1, 0, 0], &[]);
    assert_eq!(importer.show("cust-60")["monthly_limit"], 5);
    let response = importer.local.response("/status/200", Some("s1"));
    assert!(response.contains("x-ratelimit-limit: 5\r\n"), "{response}");
    // Fields that the file does not have are unchanged, and empty fields are removed.
    importer.import("owner.csv", format!("owner,sha256\nbeta,{sha256}\n")).is([0, 1, 0, 0], &[]);
    let key = importer.show("cust-60");
    assert_eq!(
        (&key["owner"], &key["monthly_limit"], &key["plan"]),
        (&json!("beta"), &json!(5), &json!("gold"))
    );
    importer.import("v3.csv", row("")).is([0, 1, 0, 0], &[]);
    assert_eq!(importer.show("cust-60")["monthly_limit"], Value::Null);

    let twice = "owner,api_key,monthly_limit\nacme,s2,10\nacme,s2,10\nacme,s2,99999\n";
    importer.import("twice.csv", twice).is([1, 0, 1, 1], &["line 4: it has the same secret as line 2"]);
    let other = |id: &str, secret: &str| format!("api_key_id,owner,api_key\n{id},acme,{secret}\n");
    importer
        .import("id.csv", other("cust-61", "s1"))
        .is([0, 0, 0, 1], &["line 2: its secret belongs to the key cust-60"]);
    importer
        .import("secret.csv", other("cust-60", "s3"))
        .is([0, 0, 0, 1], &["the key cust-60 has another secret"]);
    stdout(&importer.keys(&["delete", "cust-60"]));
    importer.import("v1.csv", row("1000")).is([0, 0, 0, 1], &["line 2: the key cust-60 was deleted"]);
}

#[test]
fn what_the_command_prints_can_be_imported_again() {
    let (here, there) = (Importer::start(), Importer::start());
    for arguments in [
        [
            "create",
            "--owner",
            "acme",
            "--id",
            "full",
            "--plan",
            "gold",
            "--monthly-limit",
            "7",
            "--label",
            "team=a",
        ]
        .as_slice(),
        &["create", "--owner", "gone", "--id", "deleted"],
    ] {
        stdout(&here.keys(arguments));
    }
    stdout(&here.keys(&["delete", "deleted"]));
    // Other systems have keys without an owner, and expired ones.
    let others = r#"{"api_key_id": "ownerless", "owner": "", "api_key": "s1"}
{"api_key_id": "expired", "owner": "acme", "api_key": "s2", "expires_at": "2020-01-01"}"#;
    here.import("others.jsonl", others).is([2, 0, 0, 0], &[]);
    let is_made = |line: &&str| !line.contains("\"key-");
    let exported = stdout(&here.keys(&["export"]));
    let exported = exported.lines().filter(is_made).collect::<Vec<_>>().join("\n");
    here.import("export.jsonl", &exported).is([0, 0, 3, 0], &[]);
    there.import("export.jsonl", &exported).is([3, 0, 0, 0], &[]);
    for id in ["full", "ownerless", "expired"] {
        let (mut here, mut there) = (here.show(id), there.show(id));
        assert!(here["created_at"].take().is_string() && there["created_at"].take().is_string());
        assert_eq!(here, there);
    }
    // A list has no secrets, and changes existing keys.
    stdout(&here.keys(&["update", "full", "--plan", "silver", "--no-monthly-limit"]));
    let listed = stdout(&here.keys(&["list", "--all", "--json"]));
    listed.lines().for_each(|key| drop(documented("keys-list", key.as_bytes())));
    let listed = listed.lines().filter(is_made).collect::<Vec<_>>().join("\n");
    there.import("list.jsonl", &listed).is([0, 1, 3, 0], &[]);
    assert_eq!(
        (&there.show("full")["plan"], &there.show("full")["monthly_limit"]),
        (&json!("silver"), &Value::Null)
    );
    here.import("list.jsonl", &listed).is([0, 0, 4, 0], &[]);
    stdout(&there.keys(&["delete", "expired"]));
    there.import("list.jsonl", &listed).is([0, 0, 3, 1], &["the key expired was deleted"]);
}
