//! A running `meter local`, and the command.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub fn binaries() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "../../target".into(), PathBuf::from);
    let folder = target.join("release");
    let built = folder.join("usage-consumer").is_file() && folder.join("api-authorizer").is_file();
    assert!(built, "{} has no binaries; build them with scripts/build-local.sh", folder.display());
    folder.canonicalize().unwrap()
}

pub fn meter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meter")).args(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A running `meter local`.
pub struct Local {
    pub process: Child,
    pub data: PathBuf,
}

impl Local {
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_meter"))
            .args(["local", "--data", data.to_str().unwrap(), "--binaries", binaries().to_str().unwrap()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().starts_with("Stop it with Ctrl-C")),
            "it says when it is ready"
        );
        Self { process, data: data.to_owned() }
    }

    pub fn endpoint(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.data.join("endpoints.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[name].as_str().unwrap().to_owned()
    }

    /// Calls the gateway and returns the status.
    pub fn call(&self, path: &str, api_key: Option<&str>) -> u16 {
        self.response(path, api_key).split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Calls the gateway and returns the whole response.
    pub fn response(&self, path: &str, api_key: Option<&str>) -> String {
        let gateway = self.endpoint("gateway");
        let address = gateway.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let key = api_key.map_or_else(String::new, |key| format!("x-api-key: {key}\r\n"));
        write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n\r\n")
            .unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        response
    }

    pub fn key(&self) -> String {
        let keys: Value =
            serde_json::from_str(&std::fs::read_to_string(self.data.join("demo-keys.json")).unwrap())
                .unwrap();
        keys[0]["apiKey"].as_str().unwrap().to_owned()
    }

    pub fn calls_in_ledger(&self) -> u64 {
        let output = meter(&["usage", "key-1", "--json", "--data", self.data.to_str().unwrap()]);
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()["calls"].as_u64().unwrap()
    }

    /// Asks until the ledger has at least this many calls, then returns what it has.
    pub fn wait_for_calls(&self, calls: u64) -> u64 {
        (0..2_000)
            .map(|_| self.calls_in_ledger())
            .find(|counted| *counted >= calls)
            .expect("the calls arrive in the ledger")
    }

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
