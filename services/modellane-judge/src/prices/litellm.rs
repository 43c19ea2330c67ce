//! Imports the price file that LiteLLM publishes.

use super::{PriceEntry, PriceKind, PriceObject};
use crate::problem::{ContextError, Problems};
use crate::{Period, reader};
use modellane_event::{Currency, Label, UtcTime};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, btree_map};

const FILE: &str = "model_prices_and_context_window.json";
/// The file prices single tokens; a list price is easier to read by the million.
const PER: u64 = 1_000_000;

/// What was read from a LiteLLM price file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LitellmImport {
    /// The prices, all from one moment on.
    pub object: PriceObject,
    /// Models that gave at least one price.
    pub models: usize,
    /// Models without a usable price: not priced by tokens, zero (which that file also uses for
    /// unknown), a name or number that cannot be read, or a second spelling of the same model.
    pub skipped: usize,
}

#[derive(Deserialize)]
struct Model<'a> {
    litellm_provider: Option<&'a str>,
    #[serde(borrow)]
    input_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow)]
    output_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_read_input_token_cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_creation_input_token_cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_creation_input_token_cost_above_1hr: Option<&'a RawValue>,
}

/// Reads the file (JSON, US dollars per token) as a price list in force from `from` on. Its first entry,
/// `sample_spec`, is documentation. Tiers by context length, batch and priority prices are left out:
/// a usage record does not say which of them applied.
pub fn import_litellm(bytes: &[u8], from: UtcTime) -> Result<LitellmImport, ContextError> {
    let mut problems = Problems::new(FILE);
    let text = reader::text_of(bytes, &mut problems).unwrap_or_default();
    let models: BTreeMap<String, &RawValue> = match serde_json::from_str(&text) {
        Ok(models) => models,
        Err(error) => {
            if problems.is_empty() {
                problems.add(format!("line {}", error.line()), "not a JSON object of models");
            }
            return Err(ContextError::Invalid(problems.into_found()));
        }
    };
    let period = Period { from: Some(from), to: None };
    let mut found: BTreeMap<(Label, Label), Vec<PriceEntry>> = BTreeMap::new();
    let mut skipped = 0;
    for (name, model) in models.iter().filter(|(name, _)| name.as_str() != "sample_spec") {
        let entries = read_model(name, model, period);
        let first = entries.first().and_then(|e| e.model.clone().map(|model| (e.provider.clone(), model)));
        match first.map(|key| found.entry(key)) {
            Some(btree_map::Entry::Vacant(slot)) => {
                slot.insert(entries);
            }
            Some(btree_map::Entry::Occupied(_)) | None => skipped += 1,
        }
    }
    let models = found.len();
    let object = PriceObject::new(found.into_values().flatten().collect());
    Ok(LitellmImport { object, models, skipped })
}

fn read_model(name: &str, model: &RawValue, period: Period) -> Vec<PriceEntry> {
    let Ok(model) = serde_json::from_str::<Model<'_>>(model.get()) else { return Vec::new() };
    let Some(given) = model.litellm_provider else { return Vec::new() };
    let bare = name.strip_prefix(given).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let (Ok(provider), Ok(bare)) = (Label::new(provider_name(given)), Label::new(bare)) else {
        return Vec::new();
    };
    let prices = [
        (PriceKind::Input, model.input_cost_per_token),
        (PriceKind::Output, model.output_cost_per_token),
        (PriceKind::CacheRead, model.cache_read_input_token_cost),
        (PriceKind::CacheWrite, model.cache_creation_input_token_cost),
        (PriceKind::CacheWrite1h, model.cache_creation_input_token_cost_above_1hr),
    ];
    let entry = |(kind, price): (PriceKind, Option<&RawValue>)| {
        Some(PriceEntry {
            provider: provider.clone(),
            model: Some(bare.clone()),
            kind,
            period,
            per: PER,
            amount: per_million(price?.get())?,
            currency: Currency::usd(),
        })
    };
    prices.into_iter().filter_map(entry).collect()
}

/// Reads a number as written, never through a float. Zero can mean unknown, so it is no price.
fn per_million(text: &str) -> Option<Decimal> {
    let price =
        if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok()? } else { text.parse().ok()? };
    let amount = price.checked_mul(Decimal::from(PER))?.normalize();
    (amount > Decimal::ZERO).then_some(amount)
}

/// LiteLLM's provider names in the spelling of the OpenTelemetry attribute `gen_ai.provider.name`.
fn provider_name(litellm: &str) -> &str {
    match litellm {
        "azure" => "azure.ai.openai",
        "azure_ai" => "azure.ai.inference",
        "bedrock" | "bedrock_converse" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "watsonx" => "ibm.watsonx.ai",
        "xai" => "x_ai",
        other if other.starts_with("vertex_ai") => "gcp.vertex_ai",
        other => other,
    }
}
