use super::*;
use modellane_event::{Amount, LakeKey, PersonId};
use modellane_judge::{
    Bundle, ContextError, PersonIds, PolicyObject, parse_directory, parse_finance, parse_prices,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn totals(organisation: &SampleOrg, feed: &str) -> Value {
    serde_json::from_str::<Value>(&organisation.totals).unwrap()["sources"][feed].clone()
}

/// Contents of the exports of a source, in the order of their names.
fn exports<'a>(organisation: &'a SampleOrg, source: &str) -> Vec<&'a [u8]> {
    let folder = format!("exports/{source}/");
    organisation.files.iter().filter(|(path, _)| path.starts_with(&folder)).map(|(_, bytes)| bytes).collect()
}

#[test]
fn the_folder_is_what_the_generator_writes() {
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let found = Files::read_from(&repository("deploy/demo")).unwrap();
    let differing: Vec<_> = organisation
        .files
        .iter()
        .filter(|(path, bytes)| !found.iter().any(|file| file == (*path, *bytes)))
        .map(|(path, _)| path)
        .collect();
    assert!(differing.is_empty(), "run generate_sample_org; these differ: {differing:?}");
    assert!(found == organisation.files, "run generate_sample_org; the folder holds other files too");
    let totals = std::fs::read_to_string(repository("tests/expected/demo_totals.json")).unwrap();
    // As values: the order of keys depends on which features other crates ask of serde_json.
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(read(&totals) == read(&organisation.totals), "run generate_sample_org; the totals differ");
}

#[test]
fn another_seed_is_another_organisation() {
    assert_ne!(SampleOrg::generate(1).totals, SampleOrg::generate(2).totals);
}

#[test]
fn a_folder_of_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("README.md"), "mine").unwrap();
    assert!(SampleOrg::generate(1).files.write_to(folder.path()).is_err());
    assert_eq!(std::fs::read_to_string(folder.path().join("README.md")).unwrap(), "mine");
}

/// Reads the written spends back as the gateway's reader must: digit by digit, rounded to nine places.
#[test]
fn the_written_spends_add_up_to_the_totals() {
    #[derive(Deserialize)]
    struct Page {
        data: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        request_id: String,
        spend: Box<RawValue>,
    }
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let mut last: BTreeMap<String, Amount> = BTreeMap::new();
    let mut unreadable = 0;
    for page in exports(&organisation, "litellm.spend_logs") {
        for row in serde_json::from_slice::<Page>(page).unwrap().data {
            match Amount::parse(row.spend.get()) {
                Ok(spend) => drop(last.insert(row.request_id, spend)),
                Err(_) => unreadable += 1,
            }
        }
    }
    let sum = last.values().fold(Amount::ZERO, |sum, spend| sum.checked_add(*spend).unwrap());
    let expected = totals(&organisation, "litellm.spend_logs");
    assert_eq!(expected["vendor_estimate_usd"], sum.to_string());
    assert_eq!((&expected["events"], &expected["rejected"]), (&last.len().into(), &unreadable.into()));
}

/// Each feature that the README promises is there, so that a change of the seed cannot lose one.
#[test]
fn the_exports_hold_what_the_readme_promises() {
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let holds = |source: &str, text: &str| {
        let found = exports(&organisation, source)
            .iter()
            .any(|bytes| std::str::from_utf8(bytes).unwrap().contains(text));
        assert!(found, "{source} lacks {text}");
    };
    for text in [
        "\"day_totals\":[",
        "\"ai_credits_used\":null",
        "\"ai_credits_used\":0.0",
        "totals_by_cli",
        "totals_by_copilot_app",
    ] {
        holds("github_copilot.user_day", text);
    }
    for text in
        ["\u{feff}\"date\"", "\"Platform, \"\"shared\"\"\"", "\"Auto: ", "contractor-xz9", "hack-week"]
    {
        holds("github_copilot.billing_csv", text);
    }
    for text in [
        "\"model\":\"default\"",
        "\"kindLabel\"",
        "\"tokenUsage\":null",
        "\"userEmail\":null",
        "\"discountPercentOff\":10",
        "\"hasNextPage\":true",
        "\"serviceAccountId\"",
    ] {
        holds("cursor.usage_events", text);
    }
    for text in [
        "us.anthropic.claude-opus-5-5-v1:0",
        "claude_code.api_error",
        "<REDACTED>",
        "gen_ai.usage.prompt_tokens",
        "\"error.type\"",
        "invoke_agent",
    ] {
        holds("otlp", text);
    }
    for text in [
        "\"status\":\"failure\"",
        "\"cache_hit\":\"True\"",
        "\"cost_finalized\":true",
        "deepseek/deepseek-v4",
        "gpt-7-preview",
        "default_user_id",
        "\"metadata\":\"{",
    ] {
        holds("litellm.spend_logs", text);
    }
    for feed in
        ["github_copilot.user_day", "github_copilot.billing_csv", "cursor.usage_events", "litellm.spend_logs"]
    {
        assert!(totals(&organisation, feed)["restatements"].as_u64() > Some(0), "{feed} is never restated");
    }
}

/// Numbers people in order of appearance.
struct Numbered(BTreeMap<String, u8>);

impl PersonIds for Numbered {
    fn surrogate(&mut self, clear_id: &str) -> PersonId {
        let next = self.0.len() as u8 + 1;
        PersonId([*self.0.entry(clear_id.to_owned()).or_insert(next); 16])
    }
}

fn listed(error: ContextError) -> String {
    format!("{:#?}", error.problems())
}

#[test]
fn directory_prices_and_finance_are_sound() {
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let file = |name: &str| organisation.files.iter().find(|(path, _)| *path == name).unwrap().1;
    let mut ids = Numbered(BTreeMap::new());
    let directory =
        parse_directory(file("directory.yaml"), &LakeKey::new([1; 32]), &mut ids).map_err(listed).unwrap();
    assert_eq!(directory.object.people.len(), 25);
    assert_eq!(directory.object.service_accounts.len(), 2);
    assert_eq!(directory.object.teams.len(), 5);
    let prices = parse_prices(file("prices.yaml")).map_err(listed).unwrap();
    assert!(prices.prices.len() > 30);
    let finance = parse_finance(file("finance.yaml"), &mut ids).map_err(listed).unwrap();
    assert_eq!(finance.budgets.len(), 8);
    assert_eq!(ids.0.len(), 25, "a seat names a person whom the directory lacks");
}

/// Compiling runs the bundle's own tests and refuses it if one fails.
#[test]
fn both_guidance_bundles_compile_and_meet_without_a_hole() {
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let compile = |version: &str| {
        let folder = format!("policy/{version}/");
        let files: BTreeMap<String, Vec<u8>> = organisation
            .files
            .iter()
            .filter_map(|(path, bytes)| Some((path.strip_prefix(&folder)?.to_owned(), bytes.to_vec())))
            .collect();
        Bundle::compile(&PolicyObject::from_files(&files).map_err(listed).unwrap()).map_err(listed).unwrap()
    };
    let (october, november) = (compile("2026.10.1"), compile("2026.11.1"));
    assert_eq!(october.effective().to, november.effective().from);
    assert_eq!(november.effective().to, None);
}
