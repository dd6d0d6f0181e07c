//! Addresses for servers that a test starts.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 10_000;

/// An address on loopback where nobody listens, below the ports that outgoing connections take theirs from: one from among
/// those could be gone by the time that the server binds it. No two calls in one process get the same one soon.
///
/// # Panics
/// When every port from 10,000 to 19,999 is taken.
#[must_use]
#[allow(clippy::panic, reason = "a helper of tests fails by panicking, as tests do")]
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes start at places of their own, far apart for neighbouring process ids.
    let offset = std::process::id().wrapping_mul(2_654_435_761) % COUNT;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + offset.wrapping_add(step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap_or(u16::MAX)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("every port from {FIRST} to {} is taken", FIRST + COUNT - 1);
}
