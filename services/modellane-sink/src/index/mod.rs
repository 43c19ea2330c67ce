//! Where the current entry of each event stands: a cache of the table, one page a day, safe to lose.

mod fate;
mod load;
mod observed;
mod page;

pub use fate::{IndexFate, IndexHook};
pub(crate) use observed::Observed;
pub(crate) use page::{Page, RowPlace};

use crate::{SinkError, TableStore};
use hashbrown::HashMap;
use modellane_event::Date;
use modellane_lake::DataFile;
use std::collections::BTreeSet;

/// Data files by number, so that a place in the table takes eight bytes. A number stays the same for the
/// life of the index, whatever pages come and go.
#[derive(Default)]
pub(crate) struct Files {
    files: Vec<DataFile>,
    numbers: HashMap<String, u32>,
}

impl Files {
    pub(crate) fn number(&mut self, file: &DataFile) -> u32 {
        if let Some(number) = self.numbers.get(&file.path) {
            return *number;
        }
        let number = self.files.len() as u32;
        self.files.push(file.clone());
        self.numbers.insert(file.path.clone(), number);
        number
    }

    /// The file of a number; null for a number that was never given, which only damage brings.
    pub(crate) fn get(&self, number: u32) -> Option<&DataFile> {
        self.files.get(number as usize)
    }
}

/// The pages in memory.
pub(crate) struct Index {
    pub(crate) files: Files,
    pages: HashMap<Date, Page>,
    /// Days of the decisions since [`Index::verify`].
    consulted: BTreeSet<Date>,
    budget: usize,
    /// Counts uses, so that the page that was not used for longest is known.
    uses: u64,
}

impl Index {
    /// An index that keeps to so many bytes, as long as the days of one poll fit.
    pub(crate) fn new(budget: usize) -> Self {
        Self { files: Files::default(), pages: HashMap::new(), consulted: BTreeSet::new(), budget, uses: 0 }
    }

    /// Makes sure that the pages of these days are in memory.
    pub(crate) async fn load(
        &mut self,
        days: &[Date],
        ledger: &dyn TableStore,
        observations: &dyn TableStore,
    ) -> Result<(), SinkError> {
        self.uses += 1;
        for day in days {
            if !self.pages.contains_key(day) {
                let page = load::page(*day, ledger, observations, &mut self.files).await?;
                self.pages.insert(*day, page);
            }
            if let Some(page) = self.pages.get_mut(day) {
                page.last_use = self.uses;
            }
            self.consulted.insert(*day);
        }
        self.drop_cold()
    }

    /// Whether the pages that decisions rest on say what was put into them. What a damaged page says an event
    /// lacks would count a second time, so nothing is committed before this was asked.
    pub(crate) fn verify(&mut self) -> Result<(), SinkError> {
        for day in std::mem::take(&mut self.consulted) {
            sound(day, self.pages.get(&day))?;
        }
        Ok(())
    }

    /// The page of a day, if it is in memory.
    pub(crate) fn page(&self, day: Date) -> Option<&Page> {
        self.pages.get(&day)
    }

    pub(crate) fn page_mut(&mut self, day: Date) -> Option<&mut Page> {
        self.pages.get_mut(&day)
    }

    /// Forgets a day, which is read again when it is needed.
    pub(crate) fn forget(&mut self, day: Date) {
        self.pages.remove(&day);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pages.clear();
        self.consulted.clear();
        self.files = Files::default();
    }

    /// Drops a page. What was decided by it waits for its commit still, so it must have been sound.
    fn drop_page(&mut self, day: Date) -> Result<usize, SinkError> {
        let page = self.pages.remove(&day);
        if self.consulted.remove(&day) {
            sound(day, page.as_ref())?;
        }
        Ok(page.map_or(0, |page| page.bytes()))
    }

    fn drop_cold(&mut self) -> Result<(), SinkError> {
        let mut bytes: usize = self.pages.values().map(Page::bytes).sum();
        while bytes > self.budget {
            let coldest = self.pages.iter().filter(|(_, page)| page.last_use < self.uses);
            let coldest = coldest.map(|(day, page)| (page.last_use, *day)).min();
            let Some((_, day)) = coldest else { break };
            bytes -= self.drop_page(day)?;
        }
        Ok(())
    }
}

fn sound(day: Date, page: Option<&Page>) -> Result<(), SinkError> {
    match page {
        Some(page) if !page.is_sound() => Err(SinkError::IndexDamaged { day }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
