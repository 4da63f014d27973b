//! Free TCP ports on loopback.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// First port handed out.
const FIRST: u16 = 15_000;
/// Number of ports to choose from. They lie below Linux's range for outgoing connections
/// (from 32768): there, a client that reconnects to a server being restarted may be given the
/// server's own port and keep the server from binding it.
const COUNT: u16 = 17_000;

/// A TCP port on 127.0.0.1 that nothing listens on now and that this process has not handed out.
///
/// # Errors
/// No port in 15000–31999 is free.
pub fn free_port() -> Result<u16> {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // A random start keeps test processes that run at the same time apart.
    let next = NEXT.get_or_init(|| {
        let seed = RandomState::new().hash_one(std::process::id());
        AtomicU16::new(u16::try_from(seed % u64::from(COUNT)).unwrap_or(0))
    });
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no TCP port from {FIRST} to {} is free", FIRST + (COUNT - 1))
}
