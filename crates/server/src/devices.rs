//! `rollcall devices`: gives devices tokens of their own, also beside a running server.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use crate::config::{checked_org, default_data};
use crate::identity::{Credentials, NewDevice, TOKEN_USER};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a device and print its token, once
    ///
    /// Until the first one is registered, a broker that only this machine can reach accepts clients without
    /// credentials. From then on every client must present some, and those that did not are disconnected.
    Add {
        /// Device type, as in d:ORG:TYPE:ID
        #[arg(value_name = "TYPE", required_unless_present = "client_id")]
        device_type: Option<String>,
        /// Device id, as in d:ORG:TYPE:ID
        #[arg(value_name = "ID", required_unless_present = "client_id")]
        device_id: Option<String>,
        /// It is a gateway, as in g:ORG:TYPE:ID
        #[arg(long)]
        gateway: bool,
        /// Register a client by its whole id, which may be any text
        #[arg(long, value_name = "ID", conflicts_with_all = ["device_type", "device_id", "gateway"])]
        client_id: Option<String>,
        #[command(flatten)]
        common: Common,
        /// Organisation in the client id [default: that of the server on this data folder, else acme01]
        #[arg(long, env = "ROLLCALL_ORG", value_name = "ID")]
        org: Option<String>,
    },
    /// List the registered devices
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Take a device's token away and end its connection
    Remove {
        /// Client id as `list` prints it
        #[arg(value_name = "CLIENT_ID")]
        client_id: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
pub struct Common {
    /// Data folder of the server [default: rollcall-data]
    #[arg(long, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// Opens the identity store, making the folder if need be.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn open(&self) -> Result<Credentials, Box<dyn std::error::Error>> {
        make_folder(&self.data())?;
        Ok(Credentials::open(&self.data())?)
    }

    /// The same for what asks for something that was added before.
    ///
    /// # Errors
    /// When there is no folder, or the identity store cannot be used.
    pub fn open_existing(&self) -> Result<Credentials, Box<dyn std::error::Error>> {
        is_there(&self.data())?;
        Ok(Credentials::open(&self.data())?)
    }

    fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data)
    }
}

/// Whom nobody has made a folder for has no keys and no devices: the path is a slip of the pen.
fn is_there(path: &Path) -> Result<(), String> {
    match path.is_dir() {
        true => Ok(()),
        false => {
            Err(format!("there is no data folder {}: name that of the server with --data", path.display()))
        }
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path)
        .map_err(|reason| format!("cannot use {} as the data folder: {reason}", path.display()))
}

/// Runs the command and prints its result.
///
/// # Errors
/// When the data folder or the identity store cannot be used, or the device cannot be (un)registered.
pub fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Add { device_type, device_id, gateway, client_id, common, org } => {
            let credentials = common.open()?;
            let org = match org {
                Some(org) => checked_org(Some(org))?,
                None => checked_org(credentials.served_org()?)?,
            };
            let device = match (client_id, device_type, device_id) {
                (Some(client_id), ..) => credentials.add_client(&client_id)?,
                (None, Some(device_type), Some(device_id)) if gateway => {
                    credentials.add_gateway(&device_type, &device_id, &org)?
                }
                (None, device_type, device_id) => credentials.add_device(
                    &device_type.unwrap_or_default(),
                    &device_id.unwrap_or_default(),
                    &org,
                )?,
            };
            print_added(&device, common.json);
        }
        Command::List { common } => {
            let devices = common.open_existing()?.list()?;
            if common.json {
                let devices: Vec<_> = devices
                    .iter()
                    .map(|device| json!({ "clientId": device.client_id, "added": device.added }))
                    .collect();
                println!("{}", json!(devices));
            } else if devices.is_empty() {
                println!("No device is registered. Add one with: rollcall devices add TYPE ID");
            } else {
                for device in devices {
                    println!("{}  {}", device.added, device.client_id);
                }
            }
        }
        Command::Remove { client_id, common } => {
            if !common.open_existing()?.remove(&client_id)? {
                return Err(format!(
                    "no device {client_id} is registered; `rollcall devices list` names them"
                )
                .into());
            }
            if common.json {
                println!("{}", json!({ "clientId": client_id, "removed": true }));
            } else {
                println!("Removed {client_id}.");
            }
        }
    }
    Ok(())
}

fn print_added(device: &NewDevice, as_json: bool) {
    if as_json {
        println!("{}", json!({ "clientId": device.client_id, "user": TOKEN_USER, "token": device.token }));
    } else {
        println!("Client id  {}", device.client_id);
        println!("User       {TOKEN_USER}");
        println!("Token      {}", device.token);
        println!("The token is not shown again. From now on every client must present credentials.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rollcall keys list --data` with a slip of the pen made the folder and said that there are no keys.
    #[test]
    fn asking_for_what_was_added_makes_no_folder() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("elsewhere");
        let common = Common { data: Some(data.clone()), json: false };
        let error = common.open_existing().err().unwrap().to_string();
        assert!(error.contains("elsewhere") && error.contains("--data"), "{error}");
        assert!(!data.exists());
        assert!(common.open().is_ok() && common.open_existing().is_ok());
    }
}
