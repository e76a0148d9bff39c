//! `rollcall keys`: makes, lists and revokes API keys and makes sign-in links, also beside a running server.

use clap::Subcommand;
use serde_json::json;

use crate::config::{DEFAULT_ORG, checked_org};
use crate::devices::Common;
use crate::identity::{Credentials, Role};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an API key and print its token, once
    Add {
        /// What the key allows
        #[arg(long, value_enum)]
        role: Role,
        /// Whom or what it is for, as people will read it
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Organisation of the key [default: that of the server on this data folder, else acme01]
        #[arg(long, env = "ROLLCALL_ORG", value_name = "ID")]
        org: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List the API keys
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Take a key back: its sessions and MQTT connections end
    Revoke {
        /// Key as `list` prints it
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        common: Common,
    },
    /// Print a link that signs a browser in as an administrator, once, within 15 minutes
    Link {
        #[command(flatten)]
        common: Common,
    },
}

/// Where the dashboard is when no server has said.
const DEFAULT_URL: &str = "http://127.0.0.1:8080/";
/// A name is shown in tables.
const NAME_CHARS_MAX: usize = 100;

/// Runs the command and prints its result.
///
/// # Errors
/// When the data folder or the identity store cannot be used, or there is no such key.
pub fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Add { role, name, org, common } => add(&common, role, name.as_deref(), org),
        Command::List { common } => list(&common),
        Command::Revoke { key, common } => revoke(&common, &key),
        Command::Link { common } => link(&common),
    }
}

fn add(
    common: &Common,
    role: Role,
    name: Option<&str>,
    org: Option<String>,
) -> Result<(), Box<dyn std::error::Error>> {
    if name.is_some_and(|name| name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control)) {
        return Err(format!(
            "the name of a key may have {NAME_CHARS_MAX} characters and no control characters"
        )
        .into());
    }
    let org = org.map(|org| checked_org(Some(org))).transpose()?;
    let credentials = common.open()?;
    let served = credentials.served_org()?;
    let org = org.or_else(|| served.clone()).unwrap_or_else(|| DEFAULT_ORG.to_owned());
    let made = credentials.add_key(&org, role, name)?;
    if common.json {
        let mut answer = json!({ "key": made.key, "token": made.token, "role": role });
        if let Some(name) = name {
            answer["name"] = name.into();
        }
        println!("{answer}");
        return Ok(());
    }
    println!("Key    {}", made.key);
    println!("Token  {}", made.token);
    println!("Role   {}", role.as_str());
    println!("The token is not shown again.");
    if let Some(served) = served.filter(|served| *served != org) {
        println!("The server on this data folder serves {served} and will not honour a key of {org}.");
    }
    Ok(())
}

fn list(common: &Common) -> Result<(), Box<dyn std::error::Error>> {
    let keys = common.open_existing()?.list_keys()?;
    if common.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut shown = json!({ "key": key.key, "role": key.role, "added": key.added });
                if let Some(name) = &key.name {
                    shown["name"] = name.as_str().into();
                }
                shown
            })
            .collect();
        println!("{}", json!(keys));
    } else if keys.is_empty() {
        println!("There are no API keys. Make one with: rollcall keys add --role viewer");
    } else {
        for key in keys {
            let name = key.name.as_deref().unwrap_or_default();
            println!(
                "{}",
                format!("{}  {}  {:<8}  {name}", key.added, key.key, key.role.as_str()).trim_end()
            );
        }
    }
    Ok(())
}

fn revoke(common: &Common, key: &str) -> Result<(), Box<dyn std::error::Error>> {
    if !common.open_existing()?.revoke_key(key)? {
        return Err(format!("there is no key {key}; `rollcall keys list` names them").into());
    }
    if common.json {
        println!("{}", json!({ "key": key, "revoked": true }));
    } else {
        println!("Revoked {key}.");
    }
    Ok(())
}

fn link(common: &Common) -> Result<(), Box<dyn std::error::Error>> {
    let credentials: Credentials = common.open()?;
    let link = credentials.make_link()?;
    let url = link.url(&credentials.served_url()?.unwrap_or_else(|| DEFAULT_URL.to_owned()));
    if common.json {
        println!("{}", json!({ "url": url, "code": link.code, "expires": link.expires }));
    } else {
        println!("Sign in    {url}");
        println!("Works once, until {}.", link.expires);
    }
    Ok(())
}
