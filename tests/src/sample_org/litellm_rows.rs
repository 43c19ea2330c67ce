//! Any number of LiteLLM spend-log rows, for benchmarks and for tests that kill processes.

use super::calendar::{DAY_MS, midnight_ms};
use super::dice::Dice;
use super::litellm::{Key, Passage, Request};
use super::models::{Model, model};
use super::number::Nano;
use super::people::{PEOPLE, Tool};
use super::world::Actor;
use modellane_event::Date;
use serde::Serialize;
use std::io::{self, Write};

/// 2026-11-02, from which the rows are spread.
const FROM: Date = Date(20_759);

/// What the rows add up to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowTotals {
    /// Rows, each with a request id of its own.
    pub rows: u64,
    /// Rows whose request failed, with neither tokens nor spend.
    pub failed: u64,
    /// Sum of `spend` in dollars, an exact decimal.
    pub spend_usd: String,
    /// Sum of `prompt_tokens`, cached ones included.
    pub prompt_tokens: i64,
    /// Sum of `metadata.usage_object.cache_read_input_tokens`.
    pub cache_read_tokens: i64,
    /// Sum of `completion_tokens`.
    pub completion_tokens: i64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes `{"data":[…]}` with `rows` rows over `days` days, row by row, so that memory does not grow.
///
/// Rows name people of the sample organisation, so that a directory made for it resolves them.
pub fn litellm_rows(out: &mut impl Write, rows: u64, seed: u64, days: u32) -> io::Result<RowTotals> {
    let mut out = Counted { inner: out, bytes: 0 };
    let mut dice = Dice::new(seed, "litellm rows");
    let mut totals = RowTotals { rows, ..RowTotals::default() };
    let mut spend = Nano(0);
    out.write_all(b"{\"data\":[")?;
    for number in 0..rows {
        if number > 0 {
            out.write_all(b",\n")?;
        }
        let request = draw(&mut dice, number, rows, seed, days);
        let tokens = request.counted();
        spend = spend + request.spend();
        totals.failed += u64::from(request.passage == Passage::Failed);
        totals.prompt_tokens += tokens.input();
        totals.cache_read_tokens += tokens.cache_read;
        totals.completion_tokens += tokens.output;
        serde_json::to_writer(&mut out, &request.row())?;
    }
    out.write_all(b"]}\n")?;
    out.flush()?;
    totals.spend_usd = spend.to_string();
    totals.bytes = out.bytes;
    Ok(totals)
}

fn draw(dice: &mut Dice, number: u64, rows: u64, seed: u64, days: u32) -> Request {
    let span = u128::from(days.max(1)) * DAY_MS as u128;
    let offset = (u128::from(number) * span / u128::from(rows.max(1))) as i64;
    let person = dice.pick(PEOPLE);
    let chosen = choose(dice);
    Request {
        id: format!("row-{seed:x}-{number:09}"),
        at_ms: midnight_ms(FROM) + offset,
        duration_ms: dice.between(300, 19_000),
        key: Key::of(Actor::Person(person)),
        model: chosen,
        tokens: super::behaviour::draw_tokens(dice, Tool::Gateway, chosen),
        session: format!("sess-{seed:x}-{:07}", number / 12),
        passage: dice.weighted(&[(Passage::Answered, 94), (Passage::FromCache, 4), (Passage::Failed, 2)]),
        columns_as_text: false,
    }
}

fn choose(dice: &mut Dice) -> &'static Model {
    model(dice.weighted(&[
        ("claude-sonnet-5-5", 40),
        ("gpt-6.1-sol", 25),
        ("claude-haiku-5-5", 20),
        ("gemini-3.8-flash", 8),
        ("claude-opus-5-5", 5),
        ("deepseek-v4", 2),
    ]))
}

struct Counted<'a, W> {
    inner: &'a mut W,
    bytes: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::HashSet;

    #[test]
    fn totals_are_those_of_the_file() {
        let mut file = Vec::new();
        let totals = litellm_rows(&mut file, 500, 7, 5).unwrap();
        assert_eq!(totals.bytes, file.len() as u64);
        let document: Value = serde_json::from_slice(&file).unwrap();
        let rows = document["data"].as_array().unwrap();
        let sum = |field: &str| rows.iter().map(|row| row[field].as_i64().unwrap()).sum::<i64>();
        assert_eq!(rows.len(), 500);
        assert_eq!(sum("prompt_tokens"), totals.prompt_tokens);
        assert_eq!(sum("completion_tokens"), totals.completion_tokens);
        let ids: HashSet<_> = rows.iter().map(|row| row["request_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 500);
        let spend: f64 = rows.iter().map(|row| row["spend"].as_f64().unwrap()).sum();
        assert!((spend - totals.spend_usd.parse::<f64>().unwrap()).abs() < 1e-9);
        let days: HashSet<_> =
            rows.iter().map(|row| row["startTime"].as_str().unwrap()[..10].to_owned()).collect();
        assert_eq!(days.len(), 5);
    }

    #[test]
    fn the_same_seed_gives_the_same_rows() {
        let rows = |seed| {
            let mut file = Vec::new();
            litellm_rows(&mut file, 20, seed, 5).unwrap();
            file
        };
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
    }

    #[test]
    fn no_rows_are_still_a_document() {
        let mut file = Vec::new();
        let totals = litellm_rows(&mut file, 0, 1, 5).unwrap();
        assert_eq!((file.as_slice(), totals.spend_usd.as_str()), (&b"{\"data\":[]}\n"[..], "0"));
    }
}
