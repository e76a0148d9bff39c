//! How many files, sockets among them, this process may have open.
//!
//! Many systems start programs with room for 1,024 and let them ask for more. `serve` asks before it opens anything.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets that one MQTT client takes: its own, and two that connect it to the broker.
pub const PER_MQTT_CLIENT: u64 = 3;
/// With room for fewer than this the start says so.
pub const FEW: u64 = 4_096;

/// Takes as much room as the system gives. Returns how many files can be open; `None` when there is no limit.
pub fn make_room() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = limit.current, "the system gives no room for more open files");
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_the_room_that_the_system_gives_is_taken() {
        let room = make_room();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.maximum), (room, room));
    }
}
