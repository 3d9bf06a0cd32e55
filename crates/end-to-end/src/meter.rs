//! The command `meter`, and a running `meter local`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use output_schema::problems;
use serde_json::Value;

use crate::binaries;

/// Runs `meter` with these arguments.
pub fn meter(arguments: &[&str]) -> Output {
    meter_from(&binaries(), arguments)
}

/// Runs the `meter` of a folder with these arguments.
pub fn meter_from(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(folder.join("meter")).args(arguments).output().unwrap()
}

/// Sends a GET request with at most one header of the test's choice, and returns the whole response.
pub fn get(url: &str, path: &str, header: Option<(&str, &str)>) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let header = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{header}Connection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response
}

/// Returns the JSON document in a response.
pub fn json_in(response: &str) -> Value {
    let body = &response[response.find('{').unwrap()..=response.rfind('}').unwrap()];
    serde_json::from_str(body).unwrap()
}

/// Returns the standard output of a command, and asserts that it succeeded.
pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Returns `true` if a table that `meter` printed has a row with these cells, each of one word, and no others.
pub fn has_row(table: &str, cells: &[&str]) -> bool {
    table.lines().any(|line| line.split_whitespace().eq(cells.iter().copied()))
}

/// Parses a JSON document that `meter` printed, and checks it against the schema
/// `docs/schemas/meter-NAME.json`.
#[track_caller]
pub fn documented(name: &str, text: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)));
    assert_documented(&format!("meter-{name}"), &document);
    document
}

/// Checks a document against the schema `docs/schemas/NAME.json`.
#[track_caller]
pub fn assert_documented(name: &str, document: &Value) {
    let path = format!("{}/../../docs/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(problems(&schema, document), [""; 0], "{document:#}");
}

/// A running `meter local`.
pub struct Local {
    /// The process of the command.
    pub process: Child,
    /// The data folder.
    pub data: PathBuf,
}

impl Local {
    /// Starts `meter local` on a data folder, and waits until it is ready.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts `meter local` with further arguments.
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::start_from(&binaries(), data, arguments)
    }

    /// Starts the `meter local` and the functions of a folder.
    pub fn start_from(folder: &Path, data: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(folder.join("meter"))
            .args([
                "local",
                "--no-canary",
                "--data",
                data.to_str().unwrap(),
                "--binaries",
                folder.to_str().unwrap(),
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().starts_with("Stop it with Ctrl-C")),
            "meter local prints that it is ready"
        );
        Self { process, data: data.to_owned() }
    }

    /// Returns the URL with this name in `endpoints.json`.
    pub fn endpoint(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.data.join("endpoints.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[name].as_str().unwrap().to_owned()
    }

    /// Runs a command of `meter` on a terminal of its own, types an answer, and returns what the terminal shows.
    pub fn on_terminal(&self, arguments: &[&str], answer: &str) -> String {
        let meter = binaries().join("meter");
        let words = [arguments, &["--data", self.data.to_str().unwrap()]].concat().join(" ");
        let mut terminal = Command::new("script")
            .args(["--quiet", "--command", &format!("{} {words}", meter.display()), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        terminal.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        String::from_utf8(terminal.wait_with_output().unwrap().stdout).unwrap()
    }

    /// Calls the gateway and returns the status.
    pub fn call(&self, path: &str, api_key: Option<&str>) -> u16 {
        self.response(path, api_key).split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Calls the gateway and returns the JSON of the response.
    pub fn json(&self, path: &str, api_key: &str) -> Value {
        json_in(&self.response(path, Some(api_key)))
    }

    /// Calls the gateway and returns the whole response.
    pub fn response(&self, path: &str, api_key: Option<&str>) -> String {
        get(&self.endpoint("gateway"), path, api_key.map(|key| ("x-api-key", key)))
    }

    /// Returns the secret of the first demo key.
    pub fn key(&self) -> String {
        let keys: Value =
            serde_json::from_str(&std::fs::read_to_string(self.data.join("demo-keys.json")).unwrap())
                .unwrap();
        keys[0]["api_key"].as_str().unwrap().to_owned()
    }

    /// Returns the number of calls of the first demo key in the ledger.
    pub fn calls_in_ledger(&self) -> u64 {
        let output = meter(&["usage", "key-1", "--json", "--data", self.data.to_str().unwrap()]);
        documented("usage", stdout(&output).as_bytes())["calls"].as_u64().unwrap()
    }

    /// Waits until the ledger has at least this number of calls, and returns the number.
    pub fn wait_for_calls(&self, calls: u64) -> u64 {
        (0..2_000)
            .map(|_| self.calls_in_ledger())
            .find(|counted| *counted >= calls)
            .expect("the calls arrive in the ledger")
    }

    /// Sends a signal to the process, in the form of an option of `kill`.
    pub fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
