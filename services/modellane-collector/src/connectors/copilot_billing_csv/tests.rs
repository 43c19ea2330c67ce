use super::*;
use crate::connectors::collected::{Collected, key};

const REPORT: &str = include_str!("../../../fixtures/github_billing_ai_credit_report.csv");
const REEXPORT: &str =
    include_str!("../../../fixtures/github_billing_ai_credit_report.reexported_one_row_gone.csv");
const SHORT: &str =
    "date,username,product,sku,model,quantity,unit_type,gross_amount,net_amount,organization\n";

fn read(text: &str) -> Collected {
    Collected::read(&CopilotBillingCsv, text.as_bytes())
}

fn amount(text: &str) -> Option<Amount> {
    Some(Amount::parse(text).unwrap())
}

/// One row of a report with the required columns only.
fn row(cells: &str) -> Collected {
    read(&format!("{SHORT}{cells}\n"))
}

#[test]
fn every_row_says_what_was_charged_and_what_it_was_worth() {
    let report = read(REPORT);
    assert_eq!(report.rejected, []);
    let money: Vec<_> =
        report.drafts().iter().map(|d| (d.facts.cost.amount, d.facts.cost.list_amount)).collect();
    assert_eq!(
        money,
        [
            (amount("0"), amount("3.105")),
            (amount("0.8025"), amount("1.2025")),
            // 0.09999999999999998 as written, rounded half to even at nine places.
            (amount("0.1"), amount("0.1")),
            // Gross 0 because the seat's quota included the use: its worth is the credits'.
            (amount("0"), amount("0.0421")),
            (amount("0.44"), amount("0.44")),
            (amount("0.108"), amount("0.108")),
        ]
    );
    for draft in report.drafts() {
        assert_eq!(draft.facts.cost.basis, CostBasis::VendorReported);
        assert_eq!(draft.facts.cost.currency, Some(Currency::usd()));
    }
}

#[test]
fn credits_and_requests_are_units_of_their_own() {
    let report = read(REPORT);
    let units: Vec<_> =
        report.drafts().iter().map(|d| (d.facts.tokens.credits, d.facts.tokens.requests)).collect();
    assert_eq!(
        units,
        [
            (amount("310.5"), None),
            (amount("120.25"), None),
            (amount("10"), None),
            (amount("4.21"), Some(0)),
            (amount("44"), None),
            // 2.7 requests are a charge with a multiplier, and an empty cell is not zero.
            (None, None),
        ]
    );
    assert_eq!(report.drafts()[5].facts.tokens.credit_unit, None);
    assert_eq!(report.drafts()[0].facts.tokens.credit_unit, Some(Label::literal("github_ai_credit")));
}

#[test]
fn a_row_names_person_place_and_surface() {
    let report = read(REPORT);
    let drafts = report.drafts();
    let github = |login| AccountRef::new(&key(), AccountKind::Github, login).unwrap();
    assert_eq!(drafts[0].facts.who.accounts, [github("mreyes-corp")]);
    assert_eq!(drafts[3].facts.who.accounts, [github("zoë-lindqvist")]);
    assert_eq!(drafts[0].facts.grain, Grain::UserDay);
    assert_eq!(drafts[4].facts.who.accounts, []);
    assert_eq!(drafts[4].facts.grain, Grain::OrgDay);
    assert_eq!(drafts[4].facts.surface, Some(Surface::Agent));
    assert_eq!(drafts[0].facts.surface, None);
    assert_eq!(drafts[0].facts.work.workspace_key, None);
    assert_eq!(drafts[1].facts.work.workspace_key, Some(key().workspace("github.com/acme-eng/payments-api")));
    assert_eq!(drafts[0].facts.model, Some(Label::literal("claude-sonnet-5-5")));
    assert_eq!(drafts[1].facts.model, Some(Label::literal("gpt-6.1-sol")));
    assert_eq!(drafts[4].facts.model, None);
    assert_eq!(drafts[0].facts.billing_account_id, Some(Label::literal("acme-eng")));
    assert_eq!(drafts[0].facts.period_end.to_string(), "2026-11-10T00:00:00Z");
    assert_eq!(drafts[5].event_date, Date::parse("2026-11-10").unwrap());
    assert_eq!(drafts[0].scope, drafts[5].scope);
}

#[test]
fn rows_of_two_cost_centres_are_two_events() {
    let keys = read(REPORT).keys();
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 6);
}

#[test]
fn a_re_export_restates_rows_and_leaves_others_out() {
    let (report, again) = (read(REPORT), read(REEXPORT));
    assert_eq!(again.keys(), report.keys()[..4]);
    assert_eq!(again.drafts()[0].facts.tokens.credits, amount("333"));
    assert_eq!(again.drafts()[0].facts.cost.list_amount, amount("3.33"));
    let changed: Vec<_> = again
        .drafts()
        .iter()
        .zip(report.drafts())
        .map(|(a, b)| a.facts.content_hash() != b.facts.content_hash())
        .collect();
    assert_eq!(changed, [true, false, false, false]);
}

#[test]
fn columns_are_found_by_name_and_unknown_ones_skipped() {
    let text = "\u{feff}\"Organization\",\"net_amount\",\"new_column\",\"gross_amount\",\"unit_type\",\"quantity\",\
                \"model\",\"sku\",\"product\",\"username\",\"date\"\n\
                \"acme\",\"1.5\",\"CANARY-PROMPT-x\",\"2\",\"requests\",\"3\",\"GPT-5 mini\",\
                \"copilot_premium_request\",\"copilot\",\"ana\",\"2026-11-09\"";
    let report = read(text);
    assert_eq!(report.rejected, []);
    let facts = &report.drafts()[0].facts;
    assert_eq!((facts.cost.amount, facts.cost.list_amount), (amount("1.5"), amount("2")));
    assert_eq!(facts.tokens.requests, Some(3));
    report.assert_no_canary();
}

#[test]
fn a_report_without_a_needed_column_names_it() {
    let report = read("date,username,product,sku,model,quantity,unit_type,gross_amount,organization\n");
    assert_eq!(report.reasons(), [(RejectReason::Malformed, Some("net_amount"))]);
    assert_eq!(read("").reasons(), [(RejectReason::Malformed, None)]);
    assert_eq!(read("{\"usageItems\": []}").reasons(), [(RejectReason::WrongSource, None)]);
}

#[test]
fn what_a_spreadsheet_saved_is_rejected_for_what_is_wrong_with_it() {
    for separator in [";", "\t"] {
        let saved = read(&SHORT.replace(',', separator));
        assert_eq!(saved.rejected, [(0, Rejection::at(RejectReason::Malformed, "separator"))]);
    }
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(SHORT.bytes().flat_map(|byte| [byte, 0])).collect();
    let saved = Collected::read(&CopilotBillingCsv, &utf16);
    assert_eq!(saved.rejected, [(0, Rejection::new(RejectReason::InvalidUtf8))]);
}

#[test]
fn refunds_are_amounts_below_zero_and_quantities_are_not() {
    let refund = row("2026-11-09,ana,copilot,copilot_ai_credit,GPT-5 mini,0,ai-credits,-0.5,-0.25,acme");
    let cost = &refund.drafts()[0].facts.cost;
    assert_eq!((cost.amount, cost.list_amount), (amount("-0.25"), amount("-0.5")));
    let bad = row("2026-11-09,ana,copilot,copilot_ai_credit,GPT-5 mini,-1,ai-credits,0,0,acme");
    assert_eq!(bad.reasons(), [(RejectReason::NegativeNumber, Some("quantity"))]);
}

#[test]
fn a_bad_row_costs_itself_and_says_why() {
    let good = "2026-11-09,ana,copilot,copilot_ai_credit,GPT-5 mini,1,ai-credits,0.01,0.01,acme";
    let bad = |cells: &str| {
        let read = read(&format!("{SHORT}{good}\n{cells}\n{good}\n"));
        assert_eq!(read.accepted.len(), 2, "{} bytes", cells.len());
        assert_eq!(read.rejected[0].0, 1);
        read.reasons()[0]
    };
    assert_eq!(bad(&good.replace("2026-11-09", "09.11.2026")), (RejectReason::BadTime, Some("date")));
    assert_eq!(bad(&good.replace("0.01,acme", "$1,acme")), (RejectReason::BadNumber, Some("net_amount")));
    assert_eq!(bad(&good.replace("copilot_ai_credit", "")), (RejectReason::MissingField, Some("sku")));
    assert_eq!(bad(&good.replace("copilot_ai_credit", "two words")), (RejectReason::BadLabel, Some("sku")));
    assert_eq!(bad(&good.replace(",acme", "")), (RejectReason::Malformed, None));
    assert_eq!(bad(&format!("{good},x")), (RejectReason::Malformed, None));
    let long = good.replace("acme", &"x".repeat(5 << 20));
    assert_eq!(bad(&long), (RejectReason::TooLarge, None));
}

#[test]
fn a_row_has_the_line_on_which_it_starts() {
    let good = "2026-11-09,ana,copilot,copilot_ai_credit,GPT-5 mini,1,ai-credits,0.01,0.01,acme";
    for newline in ["\n", "\r\n"] {
        let report = [SHORT.trim_end(), good, "", &good.replace("ana", "\"a\nb\""), good, good].join(newline);
        assert_eq!(read(&report).lines, [2, 4, 6, 7], "{newline:?}");
    }
}

#[test]
fn invalid_utf8_costs_its_row() {
    let mut bytes = REPORT.as_bytes().to_vec();
    let at = REPORT.find("zoë").unwrap() + 2;
    bytes[at] = 0xff;
    let report = Collected::read(&CopilotBillingCsv, &bytes);
    assert_eq!((report.accepted.len(), report.reasons()), (5, vec![(RejectReason::InvalidUtf8, None)]));
}

#[test]
fn a_file_cut_anywhere_never_yields_a_shortened_number() {
    let whole: Vec<_> = read(REPORT).accepted.iter().map(|row| format!("{row:?}")).collect();
    let header = REPORT.find('\n').unwrap();
    for end in (header..REPORT.len()).filter(|end| REPORT.is_char_boundary(*end)) {
        let cut = read(&REPORT[..end]);
        for (row, expected) in cut.accepted.iter().zip(&whole) {
            assert_eq!(format!("{row:?}"), *expected, "cut at {end}");
        }
    }
}

#[test]
fn planted_text_stays_out_of_every_field() {
    let planted = row("2026-11-09,CANARY-a,CANARY-b,CANARY-c,CANARY-d,1,CANARY-e,1,1,CANARY f");
    assert_eq!(planted.null_labels, ["model", "organization"]);
    planted.assert_no_canary();
}
