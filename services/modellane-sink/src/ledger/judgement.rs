//! Reading a judgement back from an entry, to compare it with a newer one.

use crate::SinkError;
use crate::columns::{Decimals, Ids, Lists, Numbers, Signs, Texts, damaged};
use arrow::array::{Array, RecordBatch};
use modellane_event::{Amount, Currency, EventId, Judgement, Label, PersonId, Share};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

/// The columns of the ledger that make a judgement; signs say which feed counts, as no current entry is a
/// reversal.
pub const JUDGEMENT_COLUMNS: &[&str] = &[
    "usage_sign",
    "cost_sign",
    "context_version",
    "settle_run",
    "person_id",
    "actor_kind",
    "identity_confidence",
    "team",
    "cost_center",
    "model_class",
    "workspace",
    "sensitivity",
    "work_class",
    "billed_cost",
    "effective_cost",
    "contracted_cost",
    "list_cost",
    "currency",
    "cost_basis",
    "price_version",
    "fx_version",
    "derived_from",
    "duplicate_of",
    "overlap_rule",
    "intent_id",
    "match_confidence",
    "confidence_label",
    "match_reasons",
    "candidates",
    "model_id",
    "verdict",
    "matched_by",
    "p_followed",
    "p_drifted",
    "p_undecided",
    "verdict_confidence",
    "verdict_label",
    "rule_ids",
    "reason_code",
    "facts",
    "missing_facts",
    "recommended_class",
    "policy_version",
    "explained_share",
    "partial_share",
    "unexplained_share",
];

/// The judgement of a row.
pub(crate) fn judgement(batch: &RecordBatch, row: usize) -> Result<Judgement, SinkError> {
    let row = Row { batch, row };
    Ok(Judgement {
        settle_run: Numbers::of(batch, "settle_run")?.int32(row.row)?,
        context_version: Numbers::of(batch, "context_version")?.int64(row.row)?,
        person_id: row.id("person_id")?.map(PersonId),
        actor_kind: row.variant("actor_kind")?,
        identity_confidence: row.share("identity_confidence")?,
        team: row.label("team")?,
        cost_center: row.label("cost_center")?,
        model_class: row.label("model_class")?,
        workspace: row.label("workspace")?,
        sensitivity: row.optional_variant("sensitivity")?,
        work_class: row.label("work_class")?,
        billed_cost: row.amount("billed_cost")?,
        effective_cost: row.amount("effective_cost")?,
        contracted_cost: row.amount("contracted_cost")?,
        list_cost: row.amount("list_cost")?,
        currency: row.currency("currency")?,
        cost_basis: row.variant("cost_basis")?,
        price_version: row.label("price_version")?,
        fx_version: row.label("fx_version")?,
        intent_id: row.label("intent_id")?,
        match_confidence: row.share("match_confidence")?,
        confidence_label: row.variant("confidence_label")?,
        match_reasons: row.labels("match_reasons")?,
        candidates: row.labels("candidates")?,
        model_id: row.label("model_id")?,
        verdict: row.variant("verdict")?,
        matched_by: row.optional_variant("matched_by")?,
        p_followed: row.share("p_followed")?,
        p_drifted: row.share("p_drifted")?,
        p_undecided: row.share("p_undecided")?,
        verdict_confidence: row.share("verdict_confidence")?,
        verdict_label: row.variant("verdict_label")?,
        rule_ids: row.labels("rule_ids")?,
        reason_code: row.label("reason_code")?,
        facts: row.labels("facts")?,
        missing_facts: row.labels("missing_facts")?,
        recommended_class: row.label("recommended_class")?,
        policy_version: row.label("policy_version")?,
        explained_share: row.required_share("explained_share")?,
        partial_share: row.required_share("partial_share")?,
        unexplained_share: row.required_share("unexplained_share")?,
        counts_usage: Signs::of(batch, "usage_sign")?.required(row.row)? != 0,
        counts_cost: Signs::of(batch, "cost_sign")?.required(row.row)? != 0,
        derived_from: row.id("derived_from")?.map(EventId),
        duplicate_of: row.id("duplicate_of")?.map(EventId),
        overlap_rule: row.label("overlap_rule")?,
    })
}

struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl<'a> Row<'a> {
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, SinkError> {
        Texts::of(self.batch, name)?.value(self.row)
    }

    fn label(&self, name: &'static str) -> Result<Option<Label>, SinkError> {
        let label = |text| Label::new(text).map_err(|_| damaged(name));
        self.text(name)?.map(label).transpose()
    }

    fn labels(&self, name: &'static str) -> Result<Vec<Label>, SinkError> {
        let list = Lists::of(self.batch, name)?.required(self.row)?;
        let label = |index| {
            let text = list.is_valid(index).then(|| list.value(index));
            text.and_then(|text| Label::new(text).ok()).ok_or_else(|| damaged(name))
        };
        (0..list.len()).map(label).collect()
    }

    fn optional_variant<T: Deserialize<'a>>(&self, name: &'static str) -> Result<Option<T>, SinkError> {
        let variant = |text: &'a str| -> Result<T, ValueError> { T::deserialize(text.into_deserializer()) };
        self.text(name)?.map(variant).transpose().map_err(|_| damaged(name))
    }

    fn variant<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, SinkError> {
        self.optional_variant(name)?.ok_or_else(|| damaged(name))
    }

    fn share(&self, name: &'static str) -> Result<Option<Share>, SinkError> {
        let share = |millionths: i128| i32::try_from(millionths).ok().and_then(|m| Share::new(m).ok());
        let value = Decimals::of(self.batch, name)?.value(self.row)?;
        value.map(|millionths| share(millionths).ok_or_else(|| damaged(name))).transpose()
    }

    fn required_share(&self, name: &'static str) -> Result<Share, SinkError> {
        self.share(name)?.ok_or_else(|| damaged(name))
    }

    fn amount(&self, name: &'static str) -> Result<Option<Amount>, SinkError> {
        let value = Decimals::of(self.batch, name)?.value(self.row)?;
        value.map(|billionths| Amount::from_billionths(billionths).map_err(|_| damaged(name))).transpose()
    }

    fn currency(&self, name: &'static str) -> Result<Option<Currency>, SinkError> {
        self.text(name)?.map(|code| Currency::new(code).map_err(|_| damaged(name))).transpose()
    }

    fn id(&self, name: &'static str) -> Result<Option<[u8; 16]>, SinkError> {
        Ids::of(self.batch, name)?.value(self.row)
    }
}

#[cfg(test)]
mod tests;
