//! What every connector must hold to, checked over the sample payloads of each: the same bytes give the same
//! events, no record is lost, nothing of a payload survives but what is hashed, and damage stays local.

use modellane_collector::connectors;
use modellane_collector::{Connector, Draft, Intake, Payload, Records, Rejection, Sealed};
use modellane_event::{ContentHash, LakeKey, UtcTime};
use modellane_schema::usage_codec;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CANARY: &str = "CANARY-PLANT-xyz-0001";

/// Columns that name the vendor's billing account, which finance has to read: no user writes them.
const BILLING_ACCOUNTS: &[&str] = &["organization"];

/// A payload and the number of records that its content shows.
struct Fixture {
    file: &'static str,
    records: u64,
}

const fn fixture(file: &'static str, records: u64) -> Fixture {
    Fixture { file, records }
}

/// The payloads of each source; a connector without one fails the suite.
const FIXTURES: &[(&str, &[Fixture])] = &[
    (
        "github_copilot.user_day",
        &[
            fixture("github_copilot_users-1-day_2026-11-09.first_fetch.ndjson", 4),
            fixture("github_copilot_users-1-day_2026-11-09.refetch_after_3_days.ndjson", 5),
            fixture("github_copilot_users-1-day.wrapper_form.json", 2),
        ],
    ),
    (
        "github_copilot.billing_csv",
        &[
            fixture("github_billing_ai_credit_report.csv", 6),
            fixture("github_billing_ai_credit_report.reexported_one_row_gone.csv", 4),
        ],
    ),
    (
        "cursor.usage_events",
        &[
            fixture("cursor_usage_events.page1.json", 5),
            fixture("cursor_usage_events.page2.json", 2),
            fixture("cursor_usage_events.resync.json", 7),
        ],
    ),
    ("litellm.spend_logs", &[fixture("litellm_spend_logs.json", 5)]),
    (
        "otlp",
        &[
            fixture("anthropic_claude_code_otel_logs.json", 9),
            fixture("anthropic_claude_code_otel_traces.json", 3),
            fixture("openai_codex_otel_logs.json", 5),
            fixture("gemini_cli_otel_logs.json", 6),
            fixture("github_copilot_chat_otel_traces.json", 4),
            fixture("otel_genai_internal_assistant_traces.json", 3),
        ],
    ),
];

fn key() -> LakeKey {
    LakeKey::new([8; 32])
}

fn observed_at() -> UtcTime {
    UtcTime::parse("2026-11-21T00:00:00Z").unwrap()
}

fn take(connector: &dyn Connector, bytes: &[u8]) -> Sealed {
    Intake::take(connector, &Payload { bytes, observed_at: observed_at(), key: &key() })
}

/// Runs a check over every connector and each of its payloads.
fn for_each_fixture(mut check: impl FnMut(&dyn Connector, &Fixture, &[u8])) {
    for connector in connectors::all() {
        let source = connector.spec().name;
        let fixtures = FIXTURES.iter().find(|(name, _)| *name == source).map(|(_, fixtures)| *fixtures);
        let fixtures = fixtures.unwrap_or_else(|| panic!("{source} has no payload in the suite"));
        for fixture in fixtures {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture.file);
            check(connector, fixture, &std::fs::read(path).unwrap());
        }
    }
}

/// What a connector hands out, before intake joins repeated rows.
#[derive(Default)]
struct Handed {
    drafts: BTreeSet<(u64, String, ContentHash)>,
    rejected: BTreeSet<u64>,
    records: u64,
}

impl Records for Handed {
    fn accept(&mut self, index: u64, draft: Draft) {
        self.records += 1;
        self.drafts.insert((index, format!("{:?}", draft.natural_key), draft.facts.content_hash()));
    }
    fn reject(&mut self, index: u64, _rejection: Rejection) {
        self.records += 1;
        self.rejected.insert(index);
    }
    fn skip(&mut self, _what: &'static str) {
        self.records += 1;
    }
    fn null_label(&mut self, _field: &'static str) {}
}

fn hand_out(connector: &dyn Connector, bytes: &[u8]) -> Handed {
    let mut handed = Handed::default();
    connector.read(&Payload { bytes, observed_at: observed_at(), key: &key() }, &mut handed);
    handed
}

/// Everything that leaves intake, in every form in which it leaves.
fn outputs(sealed: &Sealed) -> String {
    let mut text = format!("{sealed:?}");
    for event in &sealed.events {
        let mut message = Vec::new();
        usage_codec().encode(event, &mut message).unwrap();
        text.push_str(&String::from_utf8_lossy(&message));
    }
    text
}

#[test]
fn the_same_bytes_give_the_same_events() {
    for_each_fixture(|connector, fixture, bytes| {
        assert_eq!(take(connector, bytes), take(connector, bytes), "{}", fixture.file);
        let ids: BTreeSet<_> = take(connector, bytes).events.iter().map(|event| event.event_id).collect();
        assert_eq!(ids.len(), take(connector, bytes).events.len(), "{}: an id is there once", fixture.file);
    });
}

#[test]
fn no_record_is_lost() {
    let mut accepted = BTreeMap::new();
    for_each_fixture(|connector, fixture, bytes| {
        let sealed = take(connector, bytes);
        *accepted.entry(connector.spec().name).or_insert(0) += sealed.counts.accepted;
        assert_eq!(sealed.counts.records(), fixture.records, "{}", fixture.file);
        let published = sealed.events.len() as u64;
        assert_eq!(published, sealed.counts.accepted - sealed.counts.repeated, "{}", fixture.file);
        assert_eq!(sealed.rejected.len() as u64, sealed.counts.rejected, "{}", fixture.file);
    });
    assert!(accepted.values().all(|records| *records > 0), "{accepted:?}");
}

#[test]
fn no_canary_of_a_payload_leaves() {
    let mut canaries = 0;
    for_each_fixture(|connector, fixture, bytes| {
        canaries += String::from_utf8_lossy(bytes).matches("CANARY-").count();
        assert!(!outputs(&take(connector, bytes)).contains("CANARY"), "{}", fixture.file);
    });
    assert!(canaries > 10, "the payloads carry canaries");
}

#[test]
fn a_canary_in_the_place_of_any_text_is_hashed_or_dropped() {
    for_each_fixture(|connector, fixture, bytes| {
        for planted in
            variants(fixture.file, bytes, |text| text.then(|| Value::from(CANARY)), Cell::Text(CANARY))
        {
            let leaked = outputs(&take(connector, planted.as_bytes()));
            assert!(!leaked.contains("CANARY"), "{}: {leaked}", fixture.file);
        }
    });
}

#[test]
fn a_cut_at_any_byte_changes_nothing_before_it() {
    for_each_fixture(|connector, fixture, bytes| {
        let whole = hand_out(connector, bytes);
        // Every byte of a small payload; of a large one steps that meet every phase of its records.
        let step = if bytes.len() < 9_000 { 1 } else { 7 };
        for cut in (0..bytes.len()).step_by(step) {
            let part = hand_out(connector, &bytes[..cut]);
            let changed: Vec<_> = part.drafts.difference(&whole.drafts).collect();
            assert!(changed.is_empty(), "{} cut at {cut}: {changed:?}", fixture.file);
        }
    });
}

#[test]
fn a_wrong_value_costs_its_own_record_at_most() {
    let wrong = [
        Value::from(-1),
        Value::from(u64::MAX),
        Value::from(1e300),
        Value::from(true),
        Value::Null,
        Value::from(""),
        Value::from("\u{0}\u{7f}\u{202e}"),
        serde_json::json!({"a": [1]}),
        serde_json::json!([{}]),
    ];
    for_each_fixture(|connector, fixture, bytes| {
        let whole = hand_out(connector, bytes);
        for value in &wrong {
            let cell = value.to_string();
            for text in variants(fixture.file, bytes, |_| Some(value.clone()), Cell::Any(&cell)) {
                let damaged = hand_out(connector, text.as_bytes());
                if connector.spec().name == "otlp" {
                    // A resource's attribute belongs to many records, an unreadable request to all.
                    assert!(damaged.records > 0, "{}", fixture.file);
                    continue;
                }
                assert_eq!(damaged.records, whole.records, "{} with {value}", fixture.file);
                let index = |draft: &(u64, String, ContentHash)| draft.0;
                let touched: BTreeSet<u64> = whole.drafts.difference(&damaged.drafts).map(index).collect();
                assert!(touched.len() <= 1, "{} with {value}: {touched:?}", fixture.file);
                assert!(damaged.rejected.is_subset(&touched.union(&whole.rejected).copied().collect()));
            }
        }
    });
}

/// What a CSV cell is replaced with.
#[derive(Clone, Copy)]
enum Cell<'a> {
    /// In every column but those of [`BILLING_ACCOUNTS`].
    Text(&'a str),
    /// In every column.
    Any(&'a str),
}

/// The payload once for each of its values, with that value replaced. `replace` is told whether the value is
/// a text and may leave it alone.
fn variants(
    file: &str,
    bytes: &[u8],
    replace: impl Fn(bool) -> Option<Value>,
    cell: Cell<'_>,
) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    if file.ends_with(".csv") {
        return csv_variants(text, cell);
    }
    if file.ends_with(".ndjson") {
        let lines: Vec<&str> = text.lines().collect();
        let variant = |index: usize, line: String| {
            let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            lines[index] = line;
            lines.join("\n") + "\n"
        };
        let parsed = lines.iter().map(|line| serde_json::from_str(line).unwrap()).enumerate();
        return parsed
            .flat_map(|(index, value)| {
                let changed = json_variants(&value, &replace);
                changed.into_iter().map(move |line| (index, line))
            })
            .map(|(index, line)| variant(index, line))
            .collect();
    }
    json_variants(&serde_json::from_str(text).unwrap(), &replace)
}

fn json_variants(value: &Value, replace: &impl Fn(bool) -> Option<Value>) -> Vec<String> {
    let mut leaves = Vec::new();
    collect_leaves(value, &mut String::new(), &mut leaves);
    let changed = leaves.into_iter().filter_map(|pointer| {
        let mut copy = value.clone();
        let leaf = copy.pointer_mut(&pointer)?;
        *leaf = replace(leaf.is_string())?;
        Some(copy.to_string())
    });
    changed.collect()
}

fn collect_leaves(value: &Value, pointer: &mut String, leaves: &mut Vec<String>) {
    let length = pointer.len();
    let mut descend = |name: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        collect_leaves(value, pointer, leaves);
        pointer.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| descend(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| descend(&index.to_string(), value));
        }
        _ => leaves.push(pointer.clone()),
    }
}

/// Every cell below the header, replaced.
fn csv_variants(text: &str, cell: Cell<'_>) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let (replacement, spared) = match cell {
        Cell::Text(text) => (text, BILLING_ACCOUNTS),
        Cell::Any(text) => (text, &[][..]),
    };
    let columns: Vec<usize> =
        (0..rows[0].len()).filter(|column| !spared.contains(&&rows[0][*column])).collect();
    let places = (1..rows.len()).flat_map(|row| columns.iter().map(move |column| (row, *column)));
    places
        .map(|(row, column)| {
            let mut writer =
                csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            for (number, record) in rows.iter().enumerate() {
                let replaced = (number == row).then_some(column);
                let cells = record.iter().enumerate();
                let cells = cells.map(|(at, text)| if replaced == Some(at) { replacement } else { text });
                writer.write_record(cells).unwrap();
            }
            String::from_utf8(writer.into_inner().unwrap()).unwrap()
        })
        .collect()
}
