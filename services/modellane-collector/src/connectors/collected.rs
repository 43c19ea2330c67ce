//! What the tests of connectors look at.

use crate::connector::{Connector, Draft, Payload, Records, Rejection};
use modellane_event::{LakeKey, RejectReason, UtcTime};

/// Everything that a connector handed out.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) accepted: Vec<(u64, Draft)>,
    pub(crate) rejected: Vec<(u64, Rejection)>,
    pub(crate) skipped: Vec<&'static str>,
    pub(crate) null_labels: Vec<&'static str>,
    /// Where each record starts.
    pub(crate) lines: Vec<u64>,
}

impl Records for Collected {
    fn accept(&mut self, index: u64, draft: Draft) {
        self.accepted.push((index, draft));
    }
    fn reject(&mut self, index: u64, rejection: Rejection) {
        self.rejected.push((index, rejection));
    }
    fn skip(&mut self, what: &'static str) {
        self.skipped.push(what);
    }
    fn null_label(&mut self, field: &'static str) {
        self.null_labels.push(field);
    }
    fn line(&mut self, line: u64) {
        self.lines.push(line);
    }
}

impl Collected {
    pub(crate) fn read(connector: &dyn Connector, bytes: &[u8]) -> Self {
        let key = key();
        let mut collected = Self::default();
        connector.read(&payload(bytes, &key), &mut collected);
        collected
    }

    pub(crate) fn drafts(&self) -> Vec<&Draft> {
        self.accepted.iter().map(|(_, draft)| draft).collect()
    }

    /// Reasons with the field that each is about.
    pub(crate) fn reasons(&self) -> Vec<(RejectReason, Option<&'static str>)> {
        self.rejected.iter().map(|(_, rejection)| (rejection.reason, rejection.field)).collect()
    }

    /// How often each kind of record was skipped, sorted by name.
    pub(crate) fn skips(&self) -> Vec<(&'static str, usize)> {
        let mut names = self.skipped.clone();
        names.sort_unstable();
        names.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect()
    }

    /// Rendered natural keys.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.drafts().iter().map(|draft| draft.natural_key.label(&key()).to_string()).collect()
    }

    /// Fails if anything that leaves the connector holds planted content.
    pub(crate) fn assert_no_canary(&self) {
        let shown = format!("{self:?} {:?}", self.keys());
        assert!(!shown.to_ascii_uppercase().contains("CANARY"), "planted content came through");
    }
}

/// Key of all connector tests.
pub(crate) fn key() -> LakeKey {
    LakeKey::new([3; 32])
}

/// A payload that was fetched at a fixed time.
pub(crate) fn payload<'a>(bytes: &'a [u8], key: &'a LakeKey) -> Payload<'a> {
    Payload { bytes, observed_at: UtcTime(1_794_500_000_000_000), key }
}
