//! Where the current entry of each event stands: a cache of the table, one page a day, safe to lose.

mod load;
mod observed;
mod page;

pub(crate) use observed::Observed;
pub(crate) use page::{Page, RowPlace};

use crate::SinkError;
use hashbrown::HashMap;
use modellane_event::Date;
use modellane_lake::{DataFile, Table};

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

    pub(crate) fn get(&self, number: u32) -> &DataFile {
        &self.files[number as usize]
    }
}

/// The pages in memory.
pub(crate) struct Index {
    pub(crate) files: Files,
    pages: HashMap<Date, Page>,
    budget: usize,
    /// Counts uses, so that the page that was not used for longest is known.
    uses: u64,
}

impl Index {
    /// An index that keeps to so many bytes, as long as the days of one poll fit.
    pub(crate) fn new(budget: usize) -> Self {
        Self { files: Files::default(), pages: HashMap::new(), budget, uses: 0 }
    }

    /// Makes sure that the pages of these days are in memory.
    pub(crate) async fn load(
        &mut self,
        days: &[Date],
        ledger: &Table,
        observations: &Table,
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
        }
        self.drop_cold();
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
        self.files = Files::default();
    }

    fn drop_cold(&mut self) {
        let mut bytes: usize = self.pages.values().map(Page::bytes).sum();
        while bytes > self.budget {
            let coldest = self.pages.iter().filter(|(_, page)| page.last_use < self.uses);
            let Some(day) = coldest.min_by_key(|(_, page)| page.last_use).map(|(day, _)| *day) else { break };
            bytes -= self.pages.remove(&day).map_or(0, |page| page.bytes());
        }
    }
}

#[cfg(test)]
mod tests;
