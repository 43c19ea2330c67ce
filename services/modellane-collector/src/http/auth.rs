//! Who may send what.

use crate::config::AccessKey;
use crate::intents::account;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use modellane_event::{AccountRef, LakeKey};
use std::net::SocketAddr;

/// The configured keys as keyed hashes, so that comparing takes no time that tells of the secret.
pub(crate) struct Keys(Vec<Entry>);

struct Entry {
    hash: [u8; 16],
    scope: String,
    person: Option<AccountRef>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// To send records of a source.
    Source(&'a str),
    /// To declare intents.
    Intents,
    /// To change the context.
    Admin,
}

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    /// What it asks for.
    Full,
    /// To declare intents of this account alone.
    Own(AccountRef),
}

/// Why a request may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No key, an unknown one, or no key configured and a peer that is not this machine.
    Unauthenticated,
    /// A key of another scope.
    OtherScope,
    /// No key configured, and a web page asks.
    WebPage,
}

impl Keys {
    pub(crate) fn new(key: &LakeKey, configured: &[AccessKey]) -> Self {
        let entry = |access: &AccessKey| Entry {
            hash: hash(key, access.key.trim()),
            scope: access.scope.clone(),
            person: access.person.as_deref().and_then(|person| account(key, person)),
        };
        Self(configured.iter().map(entry).collect())
    }

    /// Decides by bearer key; without any configured key, by the peer's address. Then a request with an
    /// `Origin` is refused too, because it comes from a page in a browser of this machine, not from its user.
    pub(crate) fn permit(
        &self,
        key: &LakeKey,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        wish: Wish<'_>,
    ) -> Result<Permit, Denied> {
        if self.0.is_empty() {
            return match peer {
                _ if headers.contains_key(ORIGIN) => Err(Denied::WebPage),
                Some(peer) if peer.ip().to_canonical().is_loopback() => Ok(Permit::Full),
                _ => Err(Denied::Unauthenticated),
            };
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        let Some((_, secret)) = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(Denied::Unauthenticated);
        };
        let given = hash(key, secret.trim());
        let mut known = false;
        for entry in self.0.iter().filter(|entry| entry.hash == given) {
            known = true;
            match (wish, entry.scope.as_str(), entry.person) {
                (_, "admin", _) | (Wish::Intents, "intents", _) => return Ok(Permit::Full),
                (Wish::Source(source), scope, _) if source == scope => return Ok(Permit::Full),
                (Wish::Intents, "intent:self", Some(person)) => return Ok(Permit::Own(person)),
                _ => {}
            }
        }
        Err(if known { Denied::OtherScope } else { Denied::Unauthenticated })
    }
}

fn hash(key: &LakeKey, secret: &str) -> [u8; 16] {
    key.hash("bearer", &[secret.as_bytes()])
}
