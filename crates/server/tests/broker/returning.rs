//! Clients that come back at once, or twice at the same time.

use futures_util::future::join_all;

use crate::harness::{Connect, Raw, start};

/// A client whose connection had just broken was refused with "server unavailable" one time in ten: the session before
/// was ending and no longer answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_the_moment_its_connection_broke_is_let_in() {
    let running = start().await;
    for version in [4, 5] {
        let connect = Connect::new("hasty").version(version);
        for _ in 0..150 {
            // Expects to be accepted.
            drop(Raw::connect(&running.broker, &connect).await);
        }
    }
}

/// One of two handshakes at the same time was refused with "server unavailable".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_connections_with_one_id_at_the_same_time_each_is_let_in_and_takes_over() {
    let running = start().await;
    let connect = Connect::new("twins");
    let mut clients = join_all((0..20).map(|_| Raw::connect(&running.broker, &connect))).await;
    let mut left = 0;
    for client in &mut clients {
        client.send(&[0xC0, 0]).await;
    }
    for mut client in clients {
        let mut answer = [0; 2];
        let read = tokio::io::AsyncReadExt::read(&mut client.stream, &mut answer).await;
        left += usize::from(read.is_ok_and(|read| read > 0));
    }
    assert_eq!(left, 1);
}
