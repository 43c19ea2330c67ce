//! Losing and damaging the index on purpose.

use super::Index;
use crate::SinkError;
use modellane_event::Date;
use std::sync::Arc;

/// What becomes of the index in memory before the events of a poll are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFate {
    /// Nothing.
    Kept,
    /// All its pages are gone.
    Lost,
    /// A bit flips; which one follows from `pick`.
    Damaged {
        /// Any number.
        pick: u64,
    },
}

/// Asked before the events of each poll are decided, so that tests can lose or damage the index at any time.
#[derive(Clone)]
pub struct IndexHook(Arc<dyn Fn() -> IndexFate + Send + Sync>);

impl IndexHook {
    /// Asks `fate`.
    pub fn new(fate: impl Fn() -> IndexFate + Send + Sync + 'static) -> Self {
        Self(Arc::new(fate))
    }

    pub(crate) fn strike(&self, index: &mut Index) -> Result<(), SinkError> {
        match (self.0)() {
            IndexFate::Kept => Ok(()),
            IndexFate::Lost => index.lose(),
            IndexFate::Damaged { pick } => {
                index.damage(pick);
                Ok(())
            }
        }
    }
}

impl Default for IndexHook {
    /// Does nothing.
    fn default() -> Self {
        Self::new(|| IndexFate::Kept)
    }
}

impl std::fmt::Debug for IndexHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexHook")
    }
}

impl Index {
    fn lose(&mut self) -> Result<(), SinkError> {
        let days: Vec<Date> = self.pages.keys().copied().collect();
        days.into_iter().try_for_each(|day| self.drop_page(day).map(|_| ()))
    }

    fn damage(&mut self, pick: u64) {
        let page =
            self.pages.iter_mut().min_by_key(|(day, _)| (i64::from(day.0) as u64).wrapping_mul(pick | 1));
        if let Some((_, page)) = page {
            page.damage(pick);
        }
    }
}
