//! The real binary, started with flags of the test.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::harness::soon;

pub struct Server {
    pub http: SocketAddr,
    pub scheme: String,
    pub mqtts: Option<SocketAddr>,
    pub stderr: Lines<BufReader<ChildStderr>>,
    pub child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
}

/// `rollcall serve` on free ports, with no settings from this process's environment.
pub fn command(data: &std::path::Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROLLCALL_")) {
        command.env_remove(name);
    }
    command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Server {
    /// Starts the server and waits until it says where it listens.
    pub async fn start(data: &std::path::Path, flags: &[&str]) -> Self {
        let mut all = vec!["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];
        if flags.iter().any(|flag| flag.starts_with("--tls")) {
            all.extend(["--mqtts", "127.0.0.1:0"]);
        }
        all.extend(flags);
        let mut child = command(data, &all).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut http, mut mqtts) = (None, None);
        while let Some(line) = soon("the server's start", stdout.next_line()).await.unwrap() {
            if let Some(url) = line.strip_prefix("Dashboard ") {
                let (scheme, rest) = url.trim().split_once("://").unwrap();
                let address = rest.split('/').next().unwrap().parse().unwrap();
                http = Some((scheme.to_owned(), address));
            } else if let Some(address) = line.strip_prefix("MQTT TLS ") {
                mqtts = Some(address.trim().parse().unwrap());
            } else if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let Some((scheme, http)) = http else {
            let output = soon("the server's end", child.wait_with_output()).await.unwrap();
            panic!("the server did not start: {}", String::from_utf8_lossy(&output.stderr));
        };
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { http, scheme, mqtts, stderr, child, _stdout: stdout }
    }

    /// Waits for a line of the log with this text.
    pub async fn logged(&mut self, text: &str) -> String {
        loop {
            let line = soon(text, self.stderr.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the server has ended without “{text}”"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap();
        // The shell's own: not every system has a program of that name.
        assert!(run("sh", &["-c", &format!("kill -s {name} {pid}")]).await.0);
    }

    /// However it ends: it may not have come to listening for the signal.
    pub async fn stop(mut self) {
        self.signal("TERM").await;
        soon("the server's end", self.child.wait()).await.unwrap();
    }
}

/// Runs a program to its end: whether it succeeded, and what it wrote, errors last.
pub async fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = soon(program, command.output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
