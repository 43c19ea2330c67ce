//! Servers of other projects as processes of their own, on loopback: what a cluster runs in production, and
//! what a fault plan kills, stops and starts again.
//!
//! They come from package registries, once, into `$HOME/.cache/modellane`. Each has a function
//! `availability` that names what this machine lacks, so that a tier can be skipped by name.

pub mod apache_kafka;
pub mod broker;
mod install;
mod process;
pub mod s3;

use std::net::TcpListener;

use anyhow::{Context, Result};
use rand::RngExt;

pub use process::Process;

/// Below the ports that systems give to outgoing connections. A client that tries again and again to reach
/// a killed server on one of those would in the end be given that very port and reach itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// What this machine lacks to run a server, in words for the line that says what was skipped.
pub type Availability = Result<(), String>;

/// Different ports of this machine that nobody listens on.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    // All are held until the last one is found.
    let mut held = Vec::with_capacity(count);
    for _ in 0..10_000 {
        if held.len() == count {
            break;
        }
        let port = rand::rng().random_range(PORTS);
        held.extend(TcpListener::bind(("127.0.0.1", port)).ok());
    }
    anyhow::ensure!(held.len() == count, "found {} of {count} free ports", held.len());
    held.iter().map(|listener| Ok(listener.local_addr().context("a free port")?.port())).collect()
}

/// Random letters and digits.
fn random_text(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect()
}

/// Waits for Ctrl-C or SIGTERM, for a server that a developer started.
pub async fn until_interrupted() -> Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
