//! The server without TLS, which only this machine can reach.

use crate::binary::{Server, run};

/// Outside the API such an answer had no body.
#[tokio::test]
async fn a_wrong_method_is_405_with_the_body_of_an_error_also_outside_the_api() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]).await;
    for path in ["/", "/foo", "/index.html"] {
        let url = format!("http://{}{path}", server.http);
        let (succeeded, text) = run("curl", &["-sSi", "-X", "POST", &url]).await;
        assert!(succeeded && text.starts_with("HTTP/1.1 405 "), "{path}: {text}");
        for part in ["\r\nallow: GET,HEAD\r\n", "\r\nx-content-type-options: nosniff\r\n", "ROLLC0405E"] {
            assert!(text.contains(part), "{path}: {text}");
        }
    }
    server.stop().await;
}
