//! Rebuilds the server when the dashboard that it embeds has changed: its files change their names.

fn main() {
    println!("cargo:rerun-if-changed=../../dist");
}
