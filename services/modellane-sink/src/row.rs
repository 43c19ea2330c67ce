//! One row of a table, read by the names of its columns.

use crate::SinkError;
use crate::columns::{Days, Decimals, Ids, Lists, Numbers, Signs, Texts, Times, damaged};
use arrow::array::{Array, RecordBatch};
use modellane_event::{Amount, Currency, Date, Label, Share, UtcTime};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

/// A row of a batch in the vocabulary's types. What does not fit is damage, said by column name.
pub(crate) struct Row<'a> {
    pub(crate) batch: &'a RecordBatch,
    pub(crate) row: usize,
}

impl<'a> Row<'a> {
    /// What `read` reads, which is not null.
    pub(crate) fn required<T>(
        &self,
        read: impl Fn(&Self, &'static str) -> Result<Option<T>, SinkError>,
        name: &'static str,
    ) -> Result<T, SinkError> {
        read(self, name)?.ok_or_else(|| damaged(name))
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, SinkError> {
        Texts::of(self.batch, name)?.value(self.row)
    }

    pub(crate) fn label(&self, name: &'static str) -> Result<Option<Label>, SinkError> {
        let label = |text| Label::new(text).map_err(|_| damaged(name));
        self.text(name)?.map(label).transpose()
    }

    /// The texts of a list, each of which is not null.
    pub(crate) fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, SinkError> {
        let Some(list) = Lists::of(self.batch, name)?.value(self.row)? else { return Ok(None) };
        let item = |index: usize| {
            let text = list.is_valid(index).then(|| list.value(index));
            text.and_then(&read).ok_or_else(|| damaged(name))
        };
        (0..list.len()).map(item).collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn labels(&self, name: &'static str) -> Result<Vec<Label>, SinkError> {
        self.required(|row, name| row.list(name, |text| Label::new(text).ok()), name)
    }

    pub(crate) fn optional_variant<T: Deserialize<'a>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, SinkError> {
        self.text(name)?.map(|text| variant(text).ok_or_else(|| damaged(name))).transpose()
    }

    pub(crate) fn variant<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, SinkError> {
        self.required(Self::optional_variant, name)
    }

    pub(crate) fn share(&self, name: &'static str) -> Result<Option<Share>, SinkError> {
        let share = |millionths: i128| i32::try_from(millionths).ok().and_then(|m| Share::new(m).ok());
        let value = Decimals::of(self.batch, name)?.value(self.row)?;
        value.map(|millionths| share(millionths).ok_or_else(|| damaged(name))).transpose()
    }

    pub(crate) fn amount(&self, name: &'static str) -> Result<Option<Amount>, SinkError> {
        let value = Decimals::of(self.batch, name)?.value(self.row)?;
        value.map(|billionths| Amount::from_billionths(billionths).map_err(|_| damaged(name))).transpose()
    }

    pub(crate) fn currency(&self, name: &'static str) -> Result<Option<Currency>, SinkError> {
        self.text(name)?.map(|code| Currency::new(code).map_err(|_| damaged(name))).transpose()
    }

    pub(crate) fn id(&self, name: &'static str) -> Result<Option<[u8; 16]>, SinkError> {
        Ids::of(self.batch, name)?.value(self.row)
    }

    pub(crate) fn count(&self, name: &'static str) -> Result<Option<i64>, SinkError> {
        Ok(Numbers::of(self.batch, name)?.value(self.row))
    }

    pub(crate) fn int64(&self, name: &'static str) -> Result<i64, SinkError> {
        Numbers::of(self.batch, name)?.int64(self.row)
    }

    pub(crate) fn int32(&self, name: &'static str) -> Result<i32, SinkError> {
        Numbers::of(self.batch, name)?.int32(self.row)
    }

    pub(crate) fn sign(&self, name: &'static str) -> Result<i8, SinkError> {
        Signs::of(self.batch, name)?.required(self.row)
    }

    pub(crate) fn time(&self, name: &'static str) -> Result<Option<UtcTime>, SinkError> {
        Ok(Times::of(self.batch, name)?.value(self.row)?.map(UtcTime))
    }

    pub(crate) fn day(&self, name: &'static str) -> Result<Date, SinkError> {
        Days::of(self.batch, name)?.required(self.row).map(Date)
    }
}

/// The value of an enumeration by its name.
pub(crate) fn variant<'a, T: Deserialize<'a>>(name: &'a str) -> Option<T> {
    let read: Result<T, ValueError> = T::deserialize(name.into_deserializer());
    read.ok()
}
