//! The real server on a disk that takes nothing: what it says, what it goes on doing, and what is there afterwards.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const STATES: &str = "/api/v0002/clientconnectionstates?connectionStatus=connected";

/// The program, without settings from this process's environment. A write beyond the limit of the size of a file is
/// an error for it, and not its end.
fn rollcall(args: &[&str], data: &Path) -> Command {
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROLLCALL_")) {
        command.env_remove(name);
    }
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_rollcall")]);
    command.args(args).arg("--data").arg(data).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

struct Server {
    process: Child,
    mqtt: SocketAddr,
    url: String,
    credentials: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let key = text(&rollcall(&["keys", "add", "--role", "viewer", "--json"], data).output().unwrap());
        let key: serde_json::Value = serde_json::from_str(&key).unwrap();
        let pair = format!("{}:{}", key["key"].as_str().unwrap(), key["token"].as_str().unwrap());
        let credentials = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
        let ports = ["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];
        let log = std::fs::File::create(data.join("server.log")).unwrap();
        let mut process = rollcall(&ports, data).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (mut url, mut mqtt) = (None, None);
        for line in BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(found) = line.strip_prefix("Dashboard ") {
                url = Some(found.trim().trim_end_matches('/').to_owned());
            } else if let Some(found) = line.strip_prefix("MQTT ") {
                mqtt = Some(found.trim().parse().unwrap());
            } else if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let (url, mqtt) = url.zip(mqtt).unwrap();
        Self { process, mqtt, url, credentials }
    }

    fn get(&self, path: &str) -> serde_json::Value {
        let request = ureq::get(format!("{}{path}", self.url));
        let authorization = format!("Basic {}", self.credentials);
        let mut answer = request.header("authorization", authorization).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Waits until the status says that the journal fails, or that it does not; returns what it says.
    fn wait_for_journal(&self, is_failing: bool) -> String {
        let begun = Instant::now();
        loop {
            let status = self.get("/api/rollcall/v1/status");
            let error = status.get("journalError").and_then(|error| error.as_str());
            if error.is_some() == is_failing {
                return error.unwrap_or_default().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "{status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens a session under this id; it ends when what is returned is dropped.
    fn connect(&self, id: &str) -> TcpStream {
        let length = u8::try_from(12 + id.len()).unwrap();
        let head = [0x10, length, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, length - 12];
        let mut stream = TcpStream::connect(self.mqtt).unwrap();
        stream.write_all(&[&head[..], id.as_bytes()].concat()).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0], "{id} was refused");
        stream
    }

    /// Waits until so many clients are shown as connected.
    fn wait_for_connected(&self, clients: u64) {
        let begun = Instant::now();
        while self.get(STATES)["meta"]["total_rows"] != clients {
            assert!(begun.elapsed() < PATIENCE, "{}", self.get(STATES));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn logged(&self, id: &str) -> usize {
        self.get(&format!("/api/v0002/logs/connection?clientId={id}")).as_array().unwrap().len()
    }

    /// Waits until the log of a client has so many entries.
    fn wait_for_logged(&self, id: &str, entries: usize) {
        let begun = Instant::now();
        while self.logged(id) != entries {
            assert!(begun.elapsed() < PATIENCE, "{} entries of {id}", self.logged(id));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets files grow up to so many bytes; 0 is a disk that takes nothing.
    fn limit_files(&self, limit: &str) {
        let (pid, limit) = (format!("--pid={}", self.process.id()), format!("--fsize={limit}:"));
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Files that may not have a single byte stand for the disk that became read-only: the kernel refuses every write, as
/// it would then, for the server's own log lines, too. (A file system with open files cannot be made read-only from
/// outside.)
#[test]
fn a_server_whose_disk_takes_no_write_says_so_keeps_the_states_and_writes_the_log_when_it_can() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let _before = server.connect("before");
    server.wait_for_logged("before", 1);
    server.wait_for_journal(false);

    server.limit_files("0");
    let during = server.connect("during");
    server.wait_for_connected(2);
    let error = server.wait_for_journal(true);
    assert!(error.contains("log-") || error.contains("states.db"), "{error}");
    assert!(error.contains("disk"), "{error}");
    drop(during);
    server.wait_for_connected(1);
    assert_eq!((server.logged("before"), server.logged("during")), (1, 0));

    server.limit_files("unlimited");
    server.wait_for_logged("during", 2);
    server.wait_for_journal(false);
    assert_eq!(server.logged("before"), 1);
    drop(server);
    let export = rollcall(&["export", "log"], data.path()).output().unwrap();
    assert!(export.status.success(), "{}", text(&export));
    assert_eq!(text(&export).matches("\"during\"").count(), 2, "{}", text(&export));
}

/// No file can be made in these folders, not even by the superuser.
#[test]
fn a_data_folder_that_cannot_be_written_is_refused_with_its_name() {
    for folder in ["/sys/kernel", "/proc/rollcall-data"] {
        let output = rollcall(&["serve"], Path::new(folder)).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot use {folder} as the data folder: ")), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
