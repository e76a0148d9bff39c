//! The certificate that the server makes itself.

use std::os::unix::fs::PermissionsExt;

use crate::binary::{Server, run};
use crate::certificates::{connect, try_connect};

const NAMES: [&str; 4] =
    ["localhost", "acme01.localhost", "acme01.messaging.localhost", "messaging.localhost"];

#[tokio::test]
async fn whoever_trusts_the_ca_reaches_every_name_of_the_server() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--tls-self-signed"]).await;
    assert_eq!(server.scheme, "https");
    let ca = data.path().join("tls/ca.pem");
    let (ca_text, port, mqtts) = (ca.to_str().unwrap(), server.http.port(), server.mqtts.unwrap());
    for name in NAMES {
        let resolve = format!("{name}:{port}:127.0.0.1");
        let url = format!("https://{name}:{port}/");
        let (succeeded, text) =
            run("curl", &["-sSi", "--cacert", ca_text, "--resolve", &resolve, &url]).await;
        assert!(succeeded && text.starts_with("HTTP/1.1 "), "{name}: {text}");
        assert!(!text.to_ascii_lowercase().contains("strict-transport-security"), "{text}");
        connect(server.http, &ca, name).await;
        let target = mqtts.to_string();
        let arguments = [
            "s_client",
            "-connect",
            &target,
            "-servername",
            name,
            "-verify_hostname",
            name,
            "-CAfile",
            ca_text,
            "-verify_return_error",
            "-brief",
        ];
        let (succeeded, text) = run("openssl", &arguments).await;
        assert!(succeeded, "{name}: {text}");
        connect(mqtts, &ca, name).await;
    }
    let url = format!("https://127.0.0.1:{port}/");
    let (succeeded, text) = run("curl", &["-sSi", "--cacert", ca_text, &url]).await;
    assert!(succeeded, "{text}");
    connect(mqtts, &ca, "127.0.0.1").await;
    connect(mqtts, &ca, "::1").await;
    assert!(try_connect(mqtts, &ca, "rollcall.example").await.is_err());
    let mqtts_port = mqtts.port().to_string();
    let arguments = [
        "-h",
        "localhost",
        "-p",
        &mqtts_port,
        "--cafile",
        ca_text,
        "-i",
        "d:acme01:thermo:t-1",
        "-t",
        "plant/1",
        "-m",
        "x",
    ];
    let (succeeded, text) = run("mosquitto_pub", &arguments).await;
    assert!(succeeded, "{text}");
}

#[tokio::test]
async fn the_certificates_are_kept_for_the_next_start_and_their_keys_are_secret() {
    let data = tempfile::tempdir().unwrap();
    let files = ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"];
    let read = || files.map(|file| std::fs::read_to_string(data.path().join("tls").join(file)).unwrap());
    Server::start(data.path(), &["--tls-self-signed"]).await.stop().await;
    let first = read();
    for file in ["ca-key.pem", "server-key.pem"] {
        let metadata = std::fs::metadata(data.path().join("tls").join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
    Server::start(data.path(), &["--tls-self-signed"]).await.stop().await;
    assert_eq!(read(), first);
    // Another organisation has other names: a new certificate of the same CA.
    Server::start(data.path(), &["--tls-self-signed", "--org", "other"]).await.stop().await;
    let third = read();
    assert_eq!(third[..2], first[..2]);
    assert_ne!(third[2..], first[2..]);
    // A damaged file is made anew.
    std::fs::write(data.path().join("tls/server.pem"), "damaged").unwrap();
    let server = Server::start(data.path(), &["--tls-self-signed"]).await;
    connect(server.http, &data.path().join("tls/ca.pem"), "acme01.localhost").await;
    assert_eq!(read()[..2], first[..2]);
}

#[tokio::test]
async fn who_writes_http_at_the_https_port_is_told() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--tls-self-signed"]).await;
    let (succeeded, text) = run("curl", &["-sSi", &format!("http://{}/", server.http)]).await;
    assert!(
        succeeded && text.starts_with("HTTP/1.1 400 ") && text.ends_with("in the address.\r\n"),
        "{text}"
    );
}
