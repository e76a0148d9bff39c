//! A certificate that is renewed while clients are connected.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::binary::{Server, run};
use crate::certificates::{Authority, Client, connect, shown};
use crate::harness::{Connect, soon};

async fn start(authority: &Authority) -> Server {
    let (certificate, key) = (authority.certificate(), authority.key());
    let flags = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    Server::start(&authority.folder.path().join("data"), &flags).await
}

async fn mqtt(server: SocketAddr, authority: &Authority) -> Client {
    let mut client = connect(server, &authority.ca(), "localhost").await;
    client.write_all(&Connect::new("d:acme01:thermo:t-1").bytes()).await.unwrap();
    let mut connack = [0; 4];
    soon("CONNACK", client.read_exact(&mut connack)).await.unwrap();
    assert_eq!(connack[3], 0);
    client
}

async fn ping(client: &mut Client) {
    client.write_all(&[0xC0, 0]).await.unwrap();
    let mut answer = [0; 2];
    soon("PINGRESP", client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, [0xD0, 0]);
}

/// Waits until new connections are shown this certificate.
async fn taken_up(server: SocketAddr, authority: &Authority, expect: &CertificateDer<'_>) {
    soon("the new certificate", async {
        while shown(&connect(server, &authority.ca(), "localhost").await) != *expect {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_no_client_is_dropped() {
    let authority = Authority::new();
    let server = start(&authority).await;
    let mqtts = server.mqtts.unwrap();
    let mut client = mqtt(mqtts, &authority).await;
    let old = shown(&client);
    let new = authority.issue(|_| {});
    assert_ne!(new, old);
    taken_up(mqtts, &authority, &new).await;
    taken_up(server.http, &authority, &new).await;
    ping(&mut client).await;
}

#[tokio::test]
async fn a_broken_renewal_is_reported_and_the_certificate_in_use_stays() {
    let authority = Authority::new();
    let mut server = start(&authority).await;
    let mqtts = server.mqtts.unwrap();
    let mut client = mqtt(mqtts, &authority).await;
    let old = shown(&client);
    let good = std::fs::read_to_string(authority.certificate()).unwrap();
    let path = authority.certificate().display().to_string();

    std::fs::write(authority.certificate(), "no certificate").unwrap();
    let line = server.logged("The TLS certificate in use stays").await;
    assert!(line.contains(&path), "{line}");
    assert_eq!(shown(&connect(mqtts, &authority.ca(), "localhost").await), old);

    authority.issue(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    server.signal("HUP").await;
    let line = server.logged("expired at 2020-01-01").await;
    assert!(line.contains("stays") && line.contains(&path), "{line}");

    // The right certificate with the wrong key.
    std::fs::write(authority.certificate(), good).unwrap();
    server.signal("HUP").await;
    server.logged("does not belong to the certificate").await;
    assert_eq!(shown(&connect(mqtts, &authority.ca(), "localhost").await), old);
    ping(&mut client).await;

    let new = authority.issue(|_| {});
    server.signal("HUP").await;
    taken_up(mqtts, &authority, &new).await;
    ping(&mut client).await;
}

#[tokio::test]
async fn a_browser_is_told_to_stay_with_https_where_a_ca_stands_behind_the_certificate() {
    let authority = Authority::new();
    let server = start(&authority).await;
    let ca = authority.ca();
    let url = format!("https://localhost:{}/", server.http.port());
    let arguments = ["-sSi", "--ipv4", "--cacert", ca.to_str().unwrap(), &url];
    let (succeeded, text) = run("curl", &arguments).await;
    assert!(succeeded && text.to_ascii_lowercase().contains("strict-transport-security: max-age="), "{text}");
}
