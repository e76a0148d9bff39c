//! The identity store from the inside of the server: who is who, and for how long.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const SOMEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn login(id: &str, user: Option<&str>, password: Option<&str>) -> Login {
    Login {
        client_id: id.to_owned(),
        user: user.map(str::to_owned),
        password: password.map(|password| password.as_bytes().to_vec()),
        from: SOMEWHERE,
        may_be_anonymous: true,
    }
}

/// On what the right of a client rests.
async fn verdict(
    credentials: &Arc<Credentials>,
    id: &str,
    user: &str,
    token: &str,
) -> Result<Holder, Refusal> {
    let login = login(id, Some(user), Some(token));
    Arc::clone(credentials).authenticate_client(login).await.map(|admitted| admitted.holder)
}

async fn anonymous(credentials: &Arc<Credentials>, id: &str) -> Result<Holder, Refusal> {
    let verdict = Arc::clone(credentials).authenticate_client(login(id, None, None)).await;
    verdict.map(|admitted| admitted.holder)
}

fn in_memory() -> Arc<Credentials> {
    Arc::new(Credentials::in_memory().unwrap())
}

#[tokio::test]
async fn a_registered_device_must_present_its_token_and_then_everybody_else_must_too() {
    let credentials = in_memory();
    assert_eq!(anonymous(&credentials, "other").await, Ok(Holder::Nobody));
    assert_eq!(verdict(&credentials, "other", "user", "password").await, Ok(Holder::Nobody));
    let NewDevice { client_id, token } = credentials.add_device("thermo", "t-17", "acme01").unwrap();
    assert_eq!(client_id, "d:acme01:thermo:t-17");
    let device = Ok(Holder::Device(client_id.clone()));
    // The second time the token is remembered; a wrong one still is not.
    for _ in 0..2 {
        assert_eq!(verdict(&credentials, &client_id, TOKEN_USER, &token).await, device);
        assert_eq!(verdict(&credentials, &client_id, TOKEN_USER, "wrong").await, Err(Refusal::Token));
    }
    assert_eq!(verdict(&credentials, &client_id, "someone", &token).await, Err(Refusal::Token));
    assert_eq!(anonymous(&credentials, &client_id).await, Err(Refusal::Token));
    assert_eq!(anonymous(&credentials, "other").await, Err(Refusal::Missing));
    assert_eq!(verdict(&credentials, "other", TOKEN_USER, &token).await, Err(Refusal::Token));
}

#[tokio::test]
async fn nobody_is_anonymous_where_others_than_this_machine_can_come() {
    let credentials = in_memory();
    let login = Login { may_be_anonymous: false, ..login("other", None, None) };
    assert_eq!(Arc::clone(&credentials).authenticate_client(login).await, Err(Refusal::Missing));
}

#[tokio::test]
async fn a_token_of_this_process_works_without_a_store_and_counts_as_no_registration() {
    let credentials = in_memory();
    credentials.add_ephemeral("demo-1", TOKEN_USER, "secret").unwrap();
    credentials.add_ephemeral("a:acme01:demo", "a-acme01-demo", "secret").unwrap();
    assert_eq!(verdict(&credentials, "demo-1", TOKEN_USER, "secret").await, Ok(Holder::Process));
    assert_eq!(verdict(&credentials, "a:acme01:demo", "a-acme01-demo", "secret").await, Ok(Holder::Process));
    assert_eq!(verdict(&credentials, "a:acme01:demo", TOKEN_USER, "secret").await, Err(Refusal::Key));
    assert_eq!(anonymous(&credentials, "demo-1").await, Err(Refusal::Token));
    assert_eq!(credentials.list().unwrap(), []);
    assert_eq!(anonymous(&credentials, "other").await, Ok(Holder::Nobody));
    // It opens nothing but the connection of its client.
    let elsewhere = credentials.authenticate_key("a-acme01-demo", b"secret", SOMEWHERE).await;
    assert_eq!(elsewhere, Err(Refusal::Key));
}

#[tokio::test]
async fn an_application_presents_a_key_of_its_organisation_whether_devices_are_registered_or_not() {
    let credentials = in_memory();
    credentials.serve("acme01", "http://127.0.0.1:8080/").unwrap();
    let NewKey { key, token } = credentials.add_key("acme01", Role::Viewer, None).unwrap();
    let other = credentials.add_key("other", Role::Admin, None).unwrap();
    for id in ["a:acme01:console", "A:acme01:console:1", "a:acme01:not a name"] {
        assert_eq!(anonymous(&credentials, id).await, Err(Refusal::Missing), "{id}");
        assert_eq!(verdict(&credentials, id, &key, "wrong").await, Err(Refusal::Key), "{id}");
        assert_eq!(verdict(&credentials, id, TOKEN_USER, &token).await, Err(Refusal::Key), "{id}");
        assert_eq!(verdict(&credentials, id, &key, &token).await, Ok(Holder::Key(key.clone())), "{id}");
    }
    assert_eq!(verdict(&credentials, "a:acme02:x", &key, &token).await, Err(Refusal::Organization));
    let foreign = verdict(&credentials, "a:other:x", &other.key, &other.token).await;
    assert_eq!(foreign, Err(Refusal::Organization));
}

#[tokio::test]
async fn another_process_can_add_and_take_away_while_the_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Credentials::open(directory.path()).unwrap());
    let command = Credentials::open(directory.path()).unwrap();
    let before = server.changes().unwrap();
    let NewDevice { client_id, token } = command.add_device("thermo", "t-17", "acme01").unwrap();
    assert_ne!(server.changes().unwrap(), before);
    assert_eq!(anonymous(&server, &client_id).await, Err(Refusal::Token));
    assert!(verdict(&server, &client_id, TOKEN_USER, &token).await.is_ok());
    assert_eq!(server.list().unwrap()[0].client_id, client_id);
    assert!(!server.holds(&Holder::Nobody).unwrap());
    assert!(command.remove(&client_id).unwrap());
    assert!(!command.remove(&client_id).unwrap());
    assert_eq!(anonymous(&server, &client_id).await, Ok(Holder::Nobody));

    let NewKey { key, token } = command.add_key("acme01", Role::Operator, Some("ci")).unwrap();
    let caller = server.authenticate_key(&key, token.as_bytes(), SOMEWHERE).await.unwrap();
    assert_eq!((caller.role, caller.name.as_deref()), (Role::Operator, Some("ci")));
    let session = server.open_session(caller).await.unwrap();
    assert!(server.authenticate_session(&session.secret).await.unwrap().is_some());
    let before = server.changes().unwrap();
    assert!(command.revoke_key(&key).unwrap());
    assert_ne!(server.changes().unwrap(), before);
    // It was verified before, and is not honoured from memory.
    let again = server.authenticate_key(&key, token.as_bytes(), SOMEWHERE).await;
    assert_eq!(again, Err(Refusal::Key));
    assert_eq!(server.authenticate_session(&session.secret).await, Ok(None));
    assert!(!server.holds(&session.caller.holder).unwrap());
}

#[tokio::test]
async fn no_secret_is_in_the_file_or_in_debug_output_and_the_file_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = Arc::new(Credentials::open(directory.path()).unwrap());
    let device = credentials.add_device("thermo", "t-17", "acme01").unwrap();
    let key = credentials.add_key("acme01", Role::Viewer, None).unwrap();
    let link = credentials.make_link().unwrap();
    let session = credentials.open_link_session("acme01").await.unwrap();
    let shown = format!("{device:?} {key:?} {link:?} {session:?}");
    let secrets = [device.token, key.token, link.code, session.secret];
    drop(credentials);
    for secret in &secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        for secret in &secrets {
            assert!(!content.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }
}

#[test]
fn a_client_is_registered_once_and_only_under_a_valid_id() {
    let credentials = in_memory();
    credentials.add_device("thermo", "t-17", "acme01").unwrap();
    let again = credentials.add_device("thermo", "t-17", "acme01").unwrap_err();
    assert!(matches!(again, IdentityError::Registered(_)), "{again}");
    for (device_type, device_id) in [("", "x"), ("a:b", "x"), ("a/b", "x"), ("a", "")] {
        let error = credentials.add_device(device_type, device_id, "acme01").unwrap_err();
        assert!(matches!(error, IdentityError::NotADevice(_)), "{error}");
    }
    assert_eq!(credentials.add_gateway("gw", "north", "acme01").unwrap().client_id, "g:acme01:gw:north");
    assert_eq!(credentials.add_client("my pump").unwrap().client_id, "my pump");
    for id in ["a:acme01:console", "A:acme01:console", ""] {
        credentials.add_client(id).unwrap_err();
    }
}

/// Credentials, and the hand that turns their clock, in milliseconds.
fn with_clock() -> (Arc<Credentials>, Arc<AtomicI64>) {
    let time_ms = Arc::new(AtomicI64::new(1_700_000_000_000));
    let shown = Arc::clone(&time_ms);
    let clock: Clock = Arc::new(move || Timestamp::from_millis(shown.load(Ordering::Relaxed)));
    (Arc::new(Credentials::in_memory_at(clock).unwrap()), time_ms)
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_for_twelve_hours_or_seven_days_old() {
    let (credentials, time_ms) = with_clock();
    let is_open = async |session: &NewSession| {
        credentials.authenticate_session(&session.secret).await.unwrap().is_some()
    };
    let idle = credentials.open_link_session("acme01").await.unwrap();
    let used = credentials.open_link_session("acme01").await.unwrap();
    let start = time_ms.load(Ordering::Relaxed);
    assert_eq!(idle.caller.expires, Some(Timestamp::from_millis(start + IDLE_EXPIRY_MS)));
    for _ in 0..13 {
        assert!(is_open(&used).await);
        time_ms.fetch_add(IDLE_EXPIRY_MS / 13, Ordering::Relaxed);
    }
    time_ms.store(start + IDLE_EXPIRY_MS, Ordering::Relaxed);
    assert!(!is_open(&idle).await);
    while time_ms.load(Ordering::Relaxed) < start + ABSOLUTE_EXPIRY_MS {
        assert!(is_open(&used).await);
        time_ms.fetch_add(IDLE_EXPIRY_MS - 1, Ordering::Relaxed);
    }
    time_ms.store(start + ABSOLUTE_EXPIRY_MS, Ordering::Relaxed);
    assert!(!is_open(&used).await);
    assert!(!is_open(&NewSession { secret: "guessed".to_owned(), ..used.clone() }).await);
    // The next session sweeps out the old ones.
    credentials.open_link_session("acme01").await.unwrap();
    let count: i64 =
        credentials.store.lock().query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_link_works_once_and_for_a_quarter_of_an_hour() {
    let (credentials, time_ms) = with_clock();
    let (first, second) = (credentials.make_link().unwrap(), credentials.make_link().unwrap());
    assert_eq!(credentials.use_link(&first.code, SOMEWHERE).await, Ok(()));
    assert_eq!(credentials.use_link(&first.code, SOMEWHERE).await, Err(Refusal::Link));
    time_ms.fetch_add(LINK_LIFETIME_MS, Ordering::Relaxed);
    assert_eq!(credentials.use_link(&second.code, SOMEWHERE).await, Err(Refusal::Link));
}

#[tokio::test]
async fn a_store_that_does_not_answer_lets_nobody_in() {
    let credentials = in_memory();
    let NewKey { key, token } = credentials.add_key("acme01", Role::Admin, None).unwrap();
    let session = credentials.open_link_session("acme01").await.unwrap();
    let drop_tables = "DROP TABLE devices; DROP TABLE keys; DROP TABLE sessions; DROP TABLE links;";
    credentials.store.lock().execute_batch(drop_tables).unwrap();
    assert_eq!(anonymous(&credentials, "other").await, Err(Refusal::Store));
    assert_eq!(verdict(&credentials, "a:acme01:x", &key, &token).await, Err(Refusal::Store));
    assert_eq!(credentials.authenticate_session(&session.secret).await, Err(Refusal::Store));
    assert_eq!(credentials.use_link("code", SOMEWHERE).await, Err(Refusal::Store));
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_token_known_to_be_right_is_not() {
    let credentials = in_memory();
    let NewKey { key, token } = credentials.add_key("acme01", Role::Viewer, None).unwrap();
    let ask = async |token: &str, from| credentials.authenticate_key(&key, token.as_bytes(), from).await;
    ask(&token, SOMEWHERE).await.unwrap();
    for _ in 0..5 {
        assert_eq!(ask("wrong", SOMEWHERE).await, Err(Refusal::Key));
    }
    assert!(matches!(ask("wrong", SOMEWHERE).await, Err(Refusal::TooMany(_))));
    ask(&token, SOMEWHERE).await.unwrap();
    let elsewhere = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8)));
    assert_eq!(ask("wrong", elsewhere).await, Err(Refusal::Key));
}

#[tokio::test]
async fn what_the_store_said_is_remembered_until_somebody_loses_a_right() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Credentials::open(directory.path()).unwrap());
    let command = Credentials::open(directory.path()).unwrap();
    let NewKey { key, token } = server.add_key("acme01", Role::Viewer, None).unwrap();
    let by_key = || server.authenticate_key(&key, token.as_bytes(), SOMEWHERE);
    let caller = by_key().await.unwrap();
    let session = server.open_session(caller.clone()).await.unwrap();
    let Holder::Session(id) = session.caller.holder else { panic!("a session holds itself") };
    let by_session = || server.authenticate_session(&session.secret);
    assert!(server.remembered_session(&id).is_none());
    let first = by_session().await;
    assert!(server.remembered_session(&id).is_some() && server.remembered_key(&key).is_some());
    assert_eq!((by_session().await, by_key().await), (first, Ok(caller)));
    let wrong = server.authenticate_key(&key, b"wrong", SOMEWHERE).await;
    assert_eq!(wrong, Err(Refusal::Key));
    // Another process takes a right from somebody else.
    let other = command.add_key("acme01", Role::Viewer, None).unwrap();
    assert!(command.revoke_key(&other.key).unwrap());
    assert!(server.remembered_session(&id).is_none() && server.remembered_key(&key).is_none());
    assert!(by_session().await.unwrap().is_some() && by_key().await.is_ok());
    // This process ends the session.
    server.close_session(id).await.unwrap();
    assert_eq!(by_session().await, Ok(None));
    assert!(server.remembered_session(&id).is_none());
}
