//! What must hold before anything is started or written, so that a mistake leaves nothing behind.

use crate::config::AppConfig;
use crate::stack::Roles;
use anyhow::{Context, Result};
use modellane_runtime::{DataDir, RuntimeError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Whether the configuration can be used, nobody else runs in the data directory, and the ports are free.
pub(crate) fn ready(config: &AppConfig, roles: Roles) -> Result<()> {
    config.check()?;
    let owns_broker = roles.need_broker() && config.kafka.bootstrap.is_none();
    if owns_broker && DataDir::running(&config.data.dir).is_some() {
        return Err(RuntimeError::InUse { path: config.data.dir.clone() }.into());
    }
    ports(config, roles).into_iter().try_for_each(|(key, address)| free(key, address))
}

fn ports(config: &AppConfig, roles: Roles) -> Vec<(&'static str, SocketAddr)> {
    let mut ports = Vec::new();
    if roles.collector {
        ports.push(("collector.listen", config.collector.listen));
        ports.extend(config.collector.otlp_http_listen.map(|at| ("collector.otlp_http_listen", at)));
    }
    if roles.query {
        ports.push(("query.pg_listen", config.query.pg_listen));
        ports.push(("query.http_listen", config.query.http_listen));
    }
    ports.extend(roles.health_port(config));
    if roles.need_broker() && config.kafka.bootstrap.is_none() {
        ports.push(("data.broker_port", (Ipv4Addr::LOCALHOST, config.data.broker_port).into()));
    }
    ports
}

/// Takes the port and gives it back. Another process may come in between; then the start fails later, with
/// the same words.
fn free(key: &str, address: SocketAddr) -> Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| busy(key, address))
}

/// What to do about an address that cannot be listened on.
pub(crate) fn busy(key: &str, address: SocketAddr) -> String {
    let variable = key.to_uppercase().replace('.', "__");
    format!(
        "cannot listen on {address}: stop what listens there, or set {key} in the configuration, or \
         MODELLANE__{variable} in the environment, to another address"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named_with_its_key() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = AppConfig::default();
        config.query.http_listen = held.local_addr().unwrap();
        config.query.pg_listen.set_port(0);
        let roles = Roles { query: true, ..Roles::NONE };
        let message = ready(&config, roles).unwrap_err().to_string();
        let settings = ["query.http_listen", "MODELLANE__QUERY__HTTP_LISTEN"];
        assert!(settings.iter().all(|name| message.contains(name)), "{message}");
        assert!(ready(&config, Roles::NONE).is_ok());
    }
}
