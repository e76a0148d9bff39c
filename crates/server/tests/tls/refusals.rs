//! Settings with which the server does not start, and what it says.

use crate::binary::command;
use crate::certificates::Authority;
use crate::harness::soon;

/// Starts the server with these flags and expects it to end with one line that contains these words.
async fn check(flags: &[&str], expect: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let output = soon("the refusal", command(&data.path().join("data"), flags).output()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{flags:?}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{flags:?}: {stderr}");
    for words in expect {
        assert!(stderr.contains(words), "{flags:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_server_open_to_the_network_in_the_clear_is_refused_with_what_to_do() {
    let local = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];
    check(&["--http", "0.0.0.0:0"], &["--http 0.0.0.0:0", "--tls-cert", "--behind-proxy"]).await;
    check(&["--mqtt", "0.0.0.0:0"], &["--mqtt 0.0.0.0:0", "--mqtts", "--allow-plain-mqtt"]).await;
    check(&[&local[..], &["--mqtts", "0.0.0.0:0"]].concat(), &["--mqtts", "--tls-cert"]).await;
    check(&[&local[..], &["--tls-cert", "a.pem"]].concat(), &["--tls-key", "missing"]).await;
}

#[tokio::test]
async fn an_unusable_certificate_or_key_is_named() {
    let authority = Authority::new();
    let (certificate, key) = (authority.certificate(), authority.key());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let missing = authority.folder.path().join("missing.pem").display().to_string();
    let other = Authority::new();
    let other_key = other.key().display().to_string();
    let with = |certificate: &str, key: &str| {
        let flags = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0"];
        let tls = ["--tls-cert", certificate, "--tls-key", key];
        flags.iter().chain(&tls).map(|flag| (*flag).to_owned()).collect::<Vec<_>>()
    };
    let check = async |flags: Vec<String>, expect: &[&str]| {
        check(&flags.iter().map(String::as_str).collect::<Vec<_>>(), expect).await;
    };
    check(with(&missing, key), &["cannot read", &missing]).await;
    check(with(certificate, &missing), &["cannot read", &missing]).await;
    check(with(key, key), &["no certificate", key]).await;
    check(with(certificate, certificate), &["no private key", certificate]).await;
    check(with(certificate, &other_key), &["does not belong", certificate, &other_key]).await;
    authority.issue(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    check(with(certificate, key), &["expired at 2020-01-01", certificate]).await;
    authority.issue(|params| {
        params.not_before = rcgen::date_time_ymd(2100, 1, 1);
        params.not_after = rcgen::date_time_ymd(2101, 1, 1);
    });
    check(with(certificate, key), &["not valid before 2100-01-01", certificate]).await;
}
