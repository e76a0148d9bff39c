//! Disks that are full or cannot be written.

use std::os::unix::fs::PermissionsExt as _;

use rollcall_server::journal::Journal as _;

use crate::child::{self, Recording};
use crate::events::{event, number};

/// The limit of the size of a file stands for the size of the disk: the kernel refuses the write in the middle, and
/// lets it through when the limit is lifted. While the disk is full, the fleet goes on, the failure is told, nothing
/// is acknowledged; and when there is space again, everything is written, once and in order.
#[test]
fn a_full_disk_is_told_and_everything_is_written_when_there_is_space_again() {
    if child::is_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let test = "disk::a_full_disk_is_told_and_everything_is_written_when_there_is_space_again";
    let mut recording = Recording::start("trap '' XFSZ; ulimit -S -f 64;", test, directory.path(), 0);
    recording.send(5_000);
    // The states may be the first that find no room.
    let error = std::iter::repeat_with(|| recording.wait_for("failing")).find(|error| error.contains("log-"));
    assert!(error.as_ref().is_some_and(|error| error.contains("disk")), "{error:?}");
    let limit = format!("--pid={}", recording.process.id());
    let lifted = std::process::Command::new("prlimit").args([&limit, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    assert_eq!(recording.wait_for("durable 5000"), "");
    drop(recording.input);
    assert!(recording.process.wait().unwrap().success());
    let mut numbers = Vec::new();
    let journal = child::open(directory.path()).unwrap();
    journal
        .each(0, &mut |event| {
            numbers.extend(number(&event));
            true
        })
        .unwrap();
    let logged: Vec<_> = (0..5_000).filter(|n| event(*n).is_logged()).collect();
    assert_eq!(numbers, logged);
}

/// The superuser may write to any file, so a file where the folder should be stands for the folder that cannot be
/// written.
#[test]
fn a_journal_that_cannot_be_written_is_refused_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("journal"), "").unwrap();
    let error = child::open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("journal: Not a directory") || error.contains("journal: File exists"), "{error}");

    let directory = tempfile::tempdir().unwrap();
    drop(child::open(directory.path()).unwrap());
    let folder = directory.path().join("journal");
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::set_permissions(file.unwrap().path(), std::fs::Permissions::from_mode(0o400)).unwrap();
    }
    if let Err(error) = child::open(directory.path()) {
        assert!(error.to_string().contains("Permission denied"), "{error}");
    }
}
