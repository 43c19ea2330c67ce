//! Rows that vanish from a vendor's exports, from files to what other engines sum: two complete exports in a
//! row take a row away, the past stays as it was known, a partial export takes nothing away, and a row that
//! is there again counts again.

use anyhow::{Context, Result, ensure};
use modellane_event::{Amount, UtcTime};
use modellane_tests::clients::{ledger_checks, ledger_totals};
use modellane_tests::instance::{binary, command_on_free_ports, skip};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;

const HEADER: &str = "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,\
                      gross_amount,discount_amount,net_amount,total_monthly_quota,organization,repository,\
                      cost_center_name,aic_quantity,aic_gross_amount";

/// A row of a billing report: a person's day of so many cents.
fn row(day: &str, person: &str, cents: u32) -> String {
    let amount = f64::from(cents) / 100.0;
    format!(
        "{day},{person},copilot,copilot_ai_credit,Claude Sonnet 5.5,{cents},ai-credits,0.01,{amount},0,\
         {amount},300,acme,,,{cents},{amount}"
    )
}

/// An instance that runs as long as a command does.
struct Lake {
    binary: PathBuf,
    dir: tempfile::TempDir,
}

impl Lake {
    fn new() -> Result<Option<Self>> {
        match binary() {
            Some(binary) => Ok(Some(Self { binary, dir: tempfile::tempdir()? })),
            None => {
                skip("vanished rows", "build the binary with `cargo build -p modellane`");
                Ok(None)
            }
        }
    }

    /// Imports a file with these rows and waits until everything is in the lake.
    fn import(&self, source: &str, content: &str, more: &[&str]) -> Result<String> {
        std::fs::write(self.dir.path().join("export"), content)?;
        let mut command = command_on_free_ports(&self.binary);
        command.args(["import", source, "export", "--data-dir", "data"]).args(more);
        let output = command.current_dir(self.dir.path()).stdin(Stdio::null()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        Ok(printed)
    }

    fn billing(&self, rows: &[String]) -> Result<String> {
        self.import("github_copilot.billing_csv", &format!("{HEADER}\n{}\n", rows.join("\n")), &[])
    }

    /// Current events of a source, and their cost in billionths.
    fn sums(&self, source: &str, as_of: Option<&str>) -> Result<(i64, i128)> {
        let totals = ledger_totals("duckdb", &self.dir.path().join("data/lake"), as_of)?;
        let totals = &totals[source];
        let number = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let cost = Amount::parse(&number(&totals["effective_cost"]))?;
        Ok((number(&totals["events"]).parse()?, cost.billionths()))
    }

    fn check(&self) -> Result<()> {
        let checked = ledger_checks(&self.dir.path().join("data/lake"))?;
        ensure!(checked["problems"].as_array().is_some_and(Vec::is_empty), "{checked}");
        Ok(())
    }
}

/// Now, to the microsecond: after the last commit and before the next.
#[expect(clippy::disallowed_methods, reason = "a test asks the machine as a user would")]
fn now() -> Result<String> {
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    Ok(UtcTime(i64::try_from(micros)?).to_string())
}

const CENT: i128 = 10_000_000;

#[test]
fn a_row_that_two_reports_lack_leaves_the_totals_and_comes_back() -> Result<()> {
    const SOURCE: &str = "github_copilot.billing_csv";
    let Some(lake) = Lake::new()? else { return Ok(()) };
    let rows =
        [row("2026-10-05", "ana-dev", 125), row("2026-10-06", "ben-dev", 250), row("2026-10-07", "eve", 70)];
    let short = [rows[0].clone(), rows[2].clone()];
    let sums = || lake.sums(SOURCE, None);

    let printed = lake.billing(&rows)?;
    ensure!(printed.contains("complete for 1"), "{printed}");
    ensure!(sums()? == (3, 445 * CENT), "{:?}", sums()?);
    let known_first = now()?;
    lake.billing(&short)?;
    ensure!(sums()? == (3, 445 * CENT), "one report that lacks a row is no proof: {:?}", sums()?);
    lake.billing(&short)?;
    ensure!(sums()? == (2, 195 * CENT), "two reports in a row lack the row: {:?}", sums()?);
    let then = lake.sums(SOURCE, Some(&known_first))?;
    ensure!(then == (3, 445 * CENT), "as it was known at first: {then:?}");

    // A report with a row that cannot be read is partial, however often it is imported.
    let broken = row("2026-10-08", "ana-dev", 5).replace(",5,ai-credits", ",five,ai-credits");
    for _ in 0..3 {
        let printed = lake.billing(&[rows[0].clone(), broken.clone()])?;
        ensure!(!printed.contains("complete for"), "{printed}");
    }
    ensure!(sums()? == (2, 195 * CENT), "a partial report took something away: {:?}", sums()?);

    let known_without = now()?;
    lake.billing(&rows)?;
    ensure!(sums()? == (3, 445 * CENT), "the vendor has the row again: {:?}", sums()?);
    ensure!(lake.sums(SOURCE, Some(&known_without))? == (2, 195 * CENT));
    lake.check()
}

#[test]
fn files_that_say_nothing_withdraw_only_what_somebody_vouches_for() -> Result<()> {
    const SOURCE: &str = "litellm.spend_logs";
    let Some(lake) = Lake::new()? else { return Ok(()) };
    let request = |id: &str, day: &str, spend: &str| {
        format!(
            "{{\"request_id\":\"{id}\",\"spend\":{spend},\"prompt_tokens\":10,\"completion_tokens\":5,\
             \"startTime\":\"{day}T10:00:00Z\",\"endTime\":\"{day}T10:00:01Z\",\
             \"updated_at\":\"{day}T10:00:02Z\",\"model\":\"openai/gpt-6.1-sol\",\"status\":\"success\"}}\n"
        )
    };
    let first = request("r1", "2026-11-03", "0.5");
    let all = [&first[..], &request("r2", "2026-11-04", "0.25"), &request("r3", "2026-11-05", "0.125")];
    let short = [all[0], all[2]].concat();
    lake.import(SOURCE, &all.concat(), &[])?;
    for _ in 0..2 {
        lake.import(SOURCE, &short, &[])?;
    }
    ensure!(lake.sums(SOURCE, None)? == (3, 875_000_000), "{:?}", lake.sums(SOURCE, None)?);
    lake.import(SOURCE, &short, &["--complete"])?;
    ensure!(lake.sums(SOURCE, None)? == (3, 875_000_000), "{:?}", lake.sums(SOURCE, None)?);
    let printed = lake.import(SOURCE, &short, &["--complete"])?;
    ensure!(printed.contains("complete for 3"), "{printed}");
    ensure!(lake.sums(SOURCE, None)? == (2, 625_000_000), "{:?}", lake.sums(SOURCE, None)?);
    // The rows state a time of their own, so nothing but the fetch says that the request is there again.
    lake.import(SOURCE, &all.concat(), &["--complete"]).context("the whole export again")?;
    ensure!(lake.sums(SOURCE, None)? == (3, 875_000_000), "{:?}", lake.sums(SOURCE, None)?);
    lake.check()
}
