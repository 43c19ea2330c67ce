//! The ledger's columns and rows.

use crate::cells::cell;
use crate::{sample, values};
use arrow::array::RecordBatch;
use modellane_event::*;
use modellane_schema::*;
use proptest::prelude::*;

/// The ledger's columns as published, with their types; `?` marks those that may be null.
const PUBLISHED: &str = "
    event_id:id revision:int32 entry_kind:text cause:text entry_sign:int8 usage_sign:int8 cost_sign:int8
    recorded_at:time observed_at:time content_hash:id context_version:int64 settle_run:int32
    source:text source_key:text scope_key:text? billing_account_id:text? grain:text
    period_start:time period_end:time event_date:date accounting_period:text
    person_id:id? account_id:id? session_key:id? actor_kind:text identity_confidence:part?
    team:text? cost_center:text? request_key:id? branch_key:id? ticket_key:id?
    vendor:text tool:text? surface:text? provider:text? model:text? model_raw:text? model_class:text?
    outcome:text
    workspace:text? sensitivity:text? language:text? file_type:text? work_class:text?
    requests:int64? input_tokens:int64? cache_read_tokens:int64? cache_write_tokens:int64?
    output_tokens:int64? reasoning_tokens:int64? lines_accepted:int64? credits:money? credit_unit:text?
    billed_cost:money? effective_cost:money? contracted_cost:money? list_cost:money? currency:text?
    cost_basis:text price_version:text? fx_version:text?
    derived_from:id? duplicate_of:id? overlap_rule:text?
    intent_id:text? match_confidence:part? confidence_label:text match_reasons:texts candidates:texts
    model_id:text?
    verdict:text matched_by:text? p_followed:part? p_drifted:part? p_undecided:part?
    verdict_confidence:part? verdict_label:text rule_ids:texts reason_code:text? facts:texts
    missing_facts:texts recommended_class:text? policy_version:text?
    explained_share:part partial_share:part unexplained_share:part
    account_kinds:texts? account_hashes:bytes? workspace_key:id? cache_write_1h_tokens:int64?
    stated_basis:text? stated_amount:money? stated_list_amount:money? stated_currency:text?";

fn type_name(word: &str) -> &'static str {
    match word {
        "id" | "bytes" => "Binary",
        "int8" => "Int8",
        "int32" => "Int32",
        "int64" => "Int64",
        "text" => "Utf8",
        "time" => "Timestamp(µs, \"UTC\")",
        "date" => "Date32",
        "money" => "Decimal128(20, 9)",
        "part" => "Decimal128(7, 6)",
        "texts" => "List(Utf8, field: 'element')",
        other => panic!("no type is called {other}"),
    }
}

#[test]
fn the_columns_are_the_published_ones() {
    let schema = ledger_schema();
    let found: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().to_string(), field.is_nullable()))
        .collect();
    let expected: Vec<_> = PUBLISHED
        .split_whitespace()
        .map(|column| {
            let (name, kind) = column.split_once(':').expect("name:type");
            (name.to_owned(), type_name(kind.trim_end_matches('?')).to_owned(), kind.ends_with('?'))
        })
        .collect();
    assert_eq!(found, expected);
    let last: Vec<_> = found.iter().rev().take(EVIDENCE_COLUMNS.len()).rev().map(|(name, ..)| name).collect();
    assert_eq!(last, EVIDENCE_COLUMNS);
}

fn batch(rows: &[(JudgedEvent, EntryStamp)]) -> RecordBatch {
    let mut builder = LedgerBatchBuilder::with_capacity(rows.len());
    for (event, stamp) in rows {
        builder.append(event, stamp);
    }
    assert_eq!(builder.len(), rows.len());
    let batch = builder.finish().expect("a batch");
    assert!(builder.is_empty());
    batch
}

/// Every column of the sample event, written down from its fields.
const SAMPLE_ROW: &[(&str, &str)] = &[
    ("event_id", "01010101010101010101010101010101"),
    ("revision", "3"),
    ("entry_kind", "restatement"),
    ("cause", "restated"),
    ("entry_sign", "1"),
    ("usage_sign", "1"),
    ("cost_sign", "0"),
    ("recorded_at", "2026-11-04T00:00:01.000002Z"),
    ("observed_at", "2026-11-03T09:05:00Z"),
    ("content_hash", "02020202020202020202020202020202"),
    ("context_version", "1234"),
    ("settle_run", "7"),
    ("source", "litellm.spend_logs"),
    ("source_key", "chatcmpl-9f8e7d6c"),
    ("scope_key", "litellm|acme|2026-11"),
    ("billing_account_id", "acct-77"),
    ("grain", "request"),
    ("period_start", "2026-10-31T23:59:59.500Z"),
    ("period_end", "2026-11-01T00:00:02Z"),
    ("event_date", "2026-11-03"),
    ("accounting_period", "2026-10"),
    ("person_id", "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"),
    ("account_id", "03030303030303030303030303030303"),
    ("session_key", "05050505050505050505050505050505"),
    ("actor_kind", "person"),
    ("identity_confidence", "0.990000"),
    ("team", "payments"),
    ("cost_center", "CC-100"),
    ("request_key", "06060606060606060606060606060606"),
    ("branch_key", "08080808080808080808080808080808"),
    ("ticket_key", "09090909090909090909090909090909"),
    ("vendor", "anthropic"),
    ("tool", "claude_code"),
    ("surface", "cli"),
    ("provider", "aws.bedrock"),
    ("model", "claude-sonnet-5-5"),
    ("model_raw", "eu.anthropic.claude-sonnet-5-5-v1:0"),
    ("model_class", "standard"),
    ("outcome", "cancelled"),
    ("workspace", "github.com/acme/payments-core"),
    ("sensitivity", "restricted"),
    ("language", "rust"),
    ("file_type", "rs"),
    ("work_class", "routine"),
    ("requests", "1"),
    ("input_tokens", "12000"),
    ("cache_read_tokens", "9000"),
    ("cache_write_tokens", "1500"),
    ("output_tokens", "800"),
    ("reasoning_tokens", "300"),
    ("lines_accepted", "42"),
    ("credits", "1.750000000"),
    ("credit_unit", "github_ai_credit"),
    ("billed_cost", "0.010000000"),
    ("effective_cost", "0.020000000"),
    ("contracted_cost", "-0.030000000"),
    ("list_cost", "12345678901.123456789"),
    ("currency", "EUR"),
    ("cost_basis", "computed"),
    ("price_version", "prices-1"),
    ("fx_version", "fx-2"),
    ("derived_from", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
    ("duplicate_of", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"),
    ("overlap_rule", "finer-wins"),
    ("intent_id", "i-1"),
    ("match_confidence", "0.970001"),
    ("confidence_label", "high"),
    ("match_reasons", "[SAME_SESSION, SAME_BRANCH]"),
    ("candidates", "[i-2=0.020000]"),
    ("model_id", "weights-3"),
    ("verdict", "followed"),
    ("matched_by", "intent"),
    ("p_followed", "0.850000"),
    ("p_drifted", "0.100000"),
    ("p_undecided", "0.050000"),
    ("verdict_confidence", "0.850002"),
    ("verdict_label", "medium"),
    ("rule_ids", "[R-1, R-2]"),
    ("reason_code", "RULE_PERMITS"),
    ("facts", "[work_class=routine, model_class=standard]"),
    ("missing_facts", "[budget_state]"),
    ("recommended_class", "economy"),
    ("policy_version", "bundle-4"),
    ("explained_share", "0.000000"),
    ("partial_share", "0.950000"),
    ("unexplained_share", "0.050000"),
    ("account_kinds", "[email, api_key]"),
    ("account_hashes", "0303030303030303030303030303030304040404040404040404040404040404"),
    ("workspace_key", "07070707070707070707070707070707"),
    ("cache_write_1h_tokens", "500"),
    ("stated_basis", "vendor_estimate"),
    ("stated_amount", "0.036000000"),
    ("stated_list_amount", "0.040000000"),
    ("stated_currency", "USD"),
];

#[test]
fn each_field_reaches_its_column() {
    let batch = batch(&[(sample::judged(), sample::stamp())]);
    assert_eq!(SAMPLE_ROW.len(), batch.num_columns());
    for (column, expected) in SAMPLE_ROW {
        assert_eq!(cell(&batch, column, 0).as_deref(), Some(*expected), "{column}");
    }
}

#[test]
fn what_is_unknown_is_null() {
    let mut event = sample::judged();
    event.usage.scope_key = None;
    event.usage.facts.who = Who::default();
    event.usage.facts.tokens = Tokens { input_tokens: Some(0), ..Tokens::default() };
    event.judgement.billed_cost = None;
    event.judgement.effective_cost = Some(Amount::ZERO);
    event.judgement.p_followed = None;
    event.judgement.rule_ids = vec![];
    let batch = batch(&[(event, sample::stamp())]);
    for column in
        ["scope_key", "account_id", "account_kinds", "session_key", "requests", "billed_cost", "p_followed"]
    {
        assert_eq!(cell(&batch, column, 0), None, "{column}");
    }
    assert_eq!(cell(&batch, "input_tokens", 0).as_deref(), Some("0"));
    assert_eq!(cell(&batch, "effective_cost", 0).as_deref(), Some("0.000000000"));
    assert_eq!(cell(&batch, "rule_ids", 0).as_deref(), Some("[]"));
}

fn sign() -> impl Strategy<Value = Sign> {
    prop::sample::select(vec![Sign::Minus, Sign::Zero, Sign::Plus])
}

fn entry() -> impl Strategy<Value = (JudgedEvent, EntryStamp)> {
    let stamp =
        (any::<i32>(), sign(), sign(), sign()).prop_map(|(revision, entry_sign, usage_sign, cost_sign)| {
            EntryStamp { revision, entry_sign, usage_sign, cost_sign, ..sample::stamp() }
        });
    (values::judged_event(), stamp)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reversal_turns_the_signs_and_nothing_else(entries in proptest::collection::vec(entry(), 1..5)) {
        let rows = batch(&entries);
        let causes: Vec<_> =
            [Cause::Price, Cause::Identity].into_iter().cycle().take(entries.len()).collect();
        let recorded_at = UtcTime::parse("2026-12-01T00:00:00Z").unwrap();
        let reversed = reversal_rows(&rows, EntryKind::Reversal, &causes, recorded_at).unwrap();

        prop_assert_eq!(reversed.schema(), ledger_schema());
        for (index, field) in ledger_schema().fields().iter().enumerate() {
            let name = field.name().as_str();
            for (row, cause) in causes.iter().enumerate() {
                let found = cell(&reversed, name, row);
                let expected = match name {
                    "entry_kind" => Some("reversal".to_owned()),
                    "cause" => Some(cause.as_str().to_owned()),
                    "recorded_at" => Some("2026-12-01T00:00:00Z".to_owned()),
                    "entry_sign" | "usage_sign" | "cost_sign" => {
                        let sign: i8 = cell(&rows, name, row).unwrap().parse().unwrap();
                        Some((-sign).to_string())
                    }
                    _ => {
                        prop_assert_eq!(rows.column(index), reversed.column(index), "{}", name);
                        continue;
                    }
                };
                prop_assert_eq!(found, expected, "{}", name);
            }
        }
    }
}

#[test]
fn a_reversal_takes_rows_of_the_ledger_and_a_cause_for_each() {
    let rows = batch(&[(sample::judged(), sample::stamp())]);
    let recorded_at = UtcTime(0);
    let narrower = rows.project(&[0, 1, 2]).unwrap();
    let refused = reversal_rows(&narrower, EntryKind::Reversal, &[Cause::Price], recorded_at);
    assert!(matches!(refused, Err(BatchError::NotLedgerRows)));
    let refused = reversal_rows(&rows, EntryKind::Reversal, &[], recorded_at);
    assert!(matches!(refused, Err(BatchError::CauseCount { rows: 1, causes: 0 })));
    let withdrawn = reversal_rows(&rows, EntryKind::Withdrawal, &[Cause::Withdrawn], recorded_at).unwrap();
    assert_eq!(cell(&withdrawn, "entry_kind", 0).as_deref(), Some("withdrawal"));
}

#[test]
fn what_is_put_back_counts_as_before_with_the_next_revision() {
    let entry = batch(&[(sample::judged(), sample::stamp())]);
    let withdrawn = reversal_rows(&entry, EntryKind::Withdrawal, &[Cause::Withdrawn], UtcTime(0)).unwrap();
    let changed = [
        ("revision", "4"),
        ("entry_kind", "restatement"),
        ("cause", "restated"),
        ("entry_sign", "1"),
        ("usage_sign", "1"),
        // Another feed counts for money, as before.
        ("cost_sign", "0"),
    ];
    for rows in [&entry, &withdrawn] {
        let again = reinstated_rows(rows).unwrap();
        for (index, field) in ledger_schema().fields().iter().enumerate() {
            match changed.iter().find(|(name, _)| name == field.name()) {
                Some((name, value)) => assert_eq!(cell(&again, name, 0).as_deref(), Some(*value), "{name}"),
                None => assert_eq!(again.column(index), rows.column(index), "{}", field.name()),
            }
        }
    }
    let narrower = entry.project(&[0, 1, 2]).unwrap();
    assert!(matches!(reinstated_rows(&narrower), Err(BatchError::NotLedgerRows)));
}
