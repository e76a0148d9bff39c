//! `rollcall import` and `rollcall export` from outside: the real binary, real files, a real server beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, in its helpers too")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const CONNECT: &str = r#"{"Action":"Connect","Time":"2026-11-20T08:00:00.000Z","ClientAddr":"10.0.0.7","ClientID":"d:acme01:thermo:t-1","Port":1883,"Secure":false,"Protocol":"mqtt4"}"#;
const CLOSED: &str = r#"{"Action":"Disconnect","Time":"2026-11-20T08:05:00.000Z","ClientID":"d:acme01:thermo:t-1","CloseCode":91,"ReadMsg":3}"#;
const REFUSED: &str =
    r#"{"Action":"FailedConnect","Time":"2026-11-20T08:06:00.000Z","ClientID":"=1+1","CloseCode":180}"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// The program in this place, without settings from this process's environment.
    fn rollcall(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROLLCALL_")) {
            command.env_remove(name);
        }
        command.current_dir(&self.0).args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.rollcall(args).output().unwrap())
    }

    /// What the folder `data` holds, as CSV.
    fn states(&self) -> String {
        let said = self.run(&["export", "states", "--data", "data", "--format", "csv"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }
}

#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn has(&self, text: &str) -> &Self {
        assert!(self.out.contains(text) || self.err.contains(text), "{text} is not in {self:#?}");
        self
    }
}

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

#[test]
fn plain_gzip_and_zstd_files_and_standard_input_are_all_read() {
    let place = Place::new();
    let plain = lines(&[CONNECT, CLOSED]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&lines(&[CONNECT])).unwrap();
    let mut second = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    second.write_all(&lines(&[CLOSED])).unwrap();
    let gzip = [gzip.finish().unwrap(), second.finish().unwrap()].concat();
    let frame =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    // Two frames, and between them one that is to be skipped.
    let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
    let zstd = [frame(&lines(&[CONNECT])), skipped, frame(&lines(&[CLOSED]))].concat();
    let mut told = Vec::new();
    for (name, bytes) in [("plain", &plain), ("gzip", &gzip), ("zstd", &zstd)] {
        place.file(name, bytes);
        let folder = format!("data-{name}");
        place.run(&["import", "--data", &folder, name]).has("2 lines").has("0 bad, 2 logged");
        told.push(place.run(&["export", "log", "--data", &folder]).out);
    }
    let mut child = place
        .rollcall(&["import", "--data", "data-stdin", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&gzip).unwrap();
    assert!(child.wait().unwrap().success());
    told.push(place.run(&["export", "log", "--data", "data-stdin"]).out);
    assert_eq!(told[0].lines().count(), 2);
    assert!(told.iter().all(|other| *other == told[0]), "{told:#?}");
}

#[test]
fn bad_lines_are_named_and_the_others_are_taken() {
    let place = Place::new();
    let other_org = CONNECT.replace("acme01", "other");
    let mut file = lines(&[
        CONNECT,
        "not json",
        "",
        r#"{"Action":"Explode","Time":"2026-11-20T08:00:00Z","ClientID":"x"}"#,
        r#"{"Action":"Connect","Time":"yesterday","ClientID":"x"}"#,
        r#"{"Action":"Connect","Time":"2026-11-20T08:00:00Z"}"#,
        r#"{"hello":"world"}"#,
        &other_org,
    ]);
    file.extend(b"{\"Action\":\"Connect\",\"ClientID\":\"\xff\"}\n");
    file.extend(vec![b'x'; (1 << 20) + 7]);
    file.push(b'\n');
    // The last line is not complete: a file that is still being copied.
    file.extend(&CLOSED.as_bytes()[..60]);
    place.file("x.ndjson", &file);
    let said =
        place.run(&["import", "--data", "data", "--org", "acme01", "--rejects", "bad.txt", "x.ndjson"]);
    assert_eq!(said.code, 3, "{said:#?}");
    said.has("10 lines").has("9 bad, 1 logged");
    for text in [
        "x.ndjson:2: expected ident",
        "x.ndjson:4: unknown variant `Explode`",
        "x.ndjson:5: “yesterday” is not a time",
        "x.ndjson:6: there is no client id",
        "x.ndjson:7: this is neither",
        "x.ndjson:8: the client is of another organisation, other",
        "x.ndjson:9: this is no UTF-8",
        "x.ndjson:10: the line is longer",
        "x.ndjson:11: the input ends within this line",
    ] {
        said.has(text);
    }
    let rejects = std::fs::read_to_string(place.path("bad.txt")).unwrap();
    assert_eq!(rejects.lines().count(), 9);
    let states = place.states();
    assert!(states.contains("d:acme01:thermo:t-1,device,connected"), "{states}");
}

#[test]
fn of_many_bad_lines_a_hundred_are_shown_and_the_rest_is_counted() {
    let place = Place::new();
    place.file("x", &lines(&["{}"; 130]));
    let said = place.run(&["import", "--data", "data", "x"]);
    assert_eq!((said.code, said.err.matches("neither a monitor").count()), (3, 100), "{said:#?}");
    said.has("and 30 more bad lines: 30 neither message nor state; --rejects FILE lists them all");
}

#[test]
fn a_compressed_file_that_ends_too_early_is_taken_up_to_its_last_whole_line() {
    let place = Place::new();
    let many: Vec<String> = (0..5_000).map(|number| CONNECT.replace("t-1", &format!("t-{number}"))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(many.join("\n").as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    place.file("x.gz", &bytes[..bytes.len() / 2]);
    let said = place.run(&["import", "--data", "data", "x.gz"]);
    assert_eq!(said.code, 3, "{said:#?}");
    said.has("the input cannot be read any further").has("1 bad");
    let log = place.run(&["export", "log", "--data", "data"]).out;
    let taken = log.lines().count();
    assert!(taken > 100 && taken < 5_000, "{taken}");
    assert!(log.lines().last().unwrap().contains(&format!("t-{}\"", taken - 1)));
}

#[test]
fn a_dry_run_says_what_it_would_do_and_leaves_no_trace() {
    let place = Place::new();
    place.file("x", &lines(&[CONNECT, "{", CLOSED]));
    let said = place.run(&["import", "--dry-run", "--data", "data", "x"]);
    assert_eq!(said.code, 3);
    said.has("x:2: EOF while parsing").has("1 bad, 2 log entries").has("Nothing was written");
    assert!(!place.path("data").exists());
}

#[test]
fn a_missing_file_is_said_before_anything_is_written() {
    let place = Place::new();
    place.file("x", &lines(&[CONNECT]));
    let said = place.run(&["import", "--data", "data", "x", "y"]);
    assert_eq!(said.code, 1);
    said.has("cannot read y");
    assert!(!place.path("data").exists());
}

struct Server(Child);

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = place
            .rollcall(&["serve", "--data", "data", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with("Ctrl-C")));
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn beside_a_running_server_neither_works_and_both_say_why() {
    let place = Place::new();
    place.file("x", &lines(&[CONNECT, CLOSED]));
    let server = Server::start(&place);
    let import = place.run(&["import", "--data", "data", "x"]);
    let export = place.run(&["export", "states", "--data", "data", "--output", "states"]);
    for said in [&import, &export] {
        assert_eq!(said.code, 1, "{said:#?}");
        said.has("a server is running on the data folder data; stop it first");
    }
    export.has("/api/v0002/export/states");
    assert!(!place.path("states").exists());
    drop(server);
    assert_eq!(place.run(&["import", "--data", "data", "x"]).code, 0);
    place.run(&["import", "--data", "data", "x"]).has("0 logged, 2 in the log already");
    // A server starts from what was imported.
    drop(Server::start(&place));
    let states = place.states();
    assert!(states.contains("d:acme01:thermo:t-1,device,disconnected"), "{states}");
}

#[test]
fn an_export_takes_the_filters_of_the_apis_and_refuses_others() {
    let place = Place::new();
    place.file("x", &lines(&[CONNECT, CLOSED, REFUSED]));
    place.run(&["import", "--data", "data", "x"]);
    let export = |args: &[&str]| place.run(&[&["export"], args, &["--data", "data"]].concat());
    let count = |args: &[&str]| export(args).out.lines().count();
    assert_eq!(count(&["states"]), 2);
    assert_eq!(count(&["states", "deviceType=thermo", "connectionStatus=disconnected"]), 1);
    assert_eq!(count(&["states", "deviceType!=thermo"]), 1);
    assert_eq!(count(&["states", "--format", "csv", "connectionStatus=connected"]), 1);
    assert_eq!(count(&["log", "typeId=thermo", "deviceId=t-1"]), 2);
    assert_eq!(count(&["log", "event=failedConnect,connect"]), 2);
    assert_eq!(count(&["log", "fromTime=2026-11-20T08:05:00Z", "toTime=2026-11-20T08:05:59Z"]), 1);
    assert_eq!(count(&["log", "--format", "csv", "clientId=nobody"]), 1);
    let csv = export(&["log", "--format", "csv", "clientId==1+1"]).out;
    assert!(csv.contains(",'=1+1,failedConnect,\"Token auth failed"), "{csv}");
    for (args, problem) in [
        (["states", "_limit=5"], "an export has all rows"),
        (["states", "colour=red"], "this parameter is not known"),
        (["states", "connected"], "“connected” is no filter"),
        (["log", "connectionStatus=connected"], "this is no filter of the log"),
        (["log", "event=publish"], "one or more of connect"),
    ] {
        let said = export(&args);
        assert_eq!(said.code, 1, "{said:#?}");
        said.has(problem);
    }
}

#[test]
fn an_export_of_a_folder_that_is_not_there_makes_none() {
    let place = Place::new();
    let said = place.run(&["export", "log", "--data", "data"]);
    assert_eq!(said.code, 1);
    said.has("there is no data folder data");
    assert!(!Path::new(&place.path("data")).exists());
}
