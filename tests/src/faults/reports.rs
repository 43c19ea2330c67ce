//! Billing reports of many organisations, some of which lack rows that earlier ones had.
//!
//! A report is complete for the organisation's month. A row that two reports in a row lack is taken back, one that
//! comes again counts again, and one report that lacks it proves nothing. A report that is sent a second time because
//! its acknowledgement was lost counts as one more, which must not change what stands in the end: so no organisation
//! ends with a single report that lacks rows.

use std::fmt::Write;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::oracle::{Delivery, FIRST_DAY, Lane, Oracle, Source, Version, decimal, first_version};

/// Organisations, and the days of each.
const ORGANISATIONS: usize = 18;
const DAYS: usize = 6;
const PATH: &str = "/v1/sources/github_copilot.billing_csv/records";
const HEADER: &str = "date,username,product,sku,model,quantity,unit_type,applied_cost_per_quantity,gross_amount,\
                      discount_amount,net_amount,total_monthly_quota,organization,repository,cost_center_name,\
                      aic_quantity,aic_gross_amount";
/// Whether each report of an organisation has all of its rows; one kind of organisation after another.
const KINDS: [&[bool]; 3] = [&[true, false, false], &[true, false, false, true], &[true, false, true]];

impl Oracle {
    /// Draws reports, which go in a lane of their own, one organisation's after the other's.
    pub(super) fn reports(&mut self, random: &mut ChaCha8Rng) {
        let rows: Vec<Vec<Version>> = (0..ORGANISATIONS).map(|number| month(random, number)).collect();
        let longest = KINDS.iter().map(|reports| reports.len()).max().unwrap_or(0);
        let mut lane = Lane::new();
        for report in 0..longest {
            for (number, rows) in rows.iter().enumerate() {
                let Some(is_whole) = KINDS[number % KINDS.len()].get(report) else { continue };
                lane.push(self.report(rows, report, *is_whole));
            }
        }
        self.lanes.push(lane);
    }

    /// One report, without the rows of even days unless it is whole.
    fn report(&mut self, rows: &[Version], report: usize, is_whole: bool) -> Delivery {
        let (mut body, mut records) = (format!("{HEADER}\n"), 0);
        for (place, row) in rows.iter().enumerate() {
            let is_there = is_whole || place % 2 == 1;
            self.versions.push(Version { version: report, stands: is_there, ..row.clone() });
            if is_there {
                let _ = writeln!(body, "{}", self.billed(row));
                records += 1;
            }
        }
        Delivery { path: PATH, body, records }
    }

    fn billed(&self, row: &Version) -> String {
        let (organisation, day) = row.key.split_once(':').unwrap_or_default();
        let (credits, cost) = (row.credits.as_deref().unwrap_or(""), row.cost.as_deref().unwrap_or(""));
        format!(
            "{day},{login},copilot,copilot_ai_credit,Claude Sonnet 5.5,{credits},ai-credits,0.01,{cost},0,{cost},300,\
             {organisation},,{text},{credits},{cost}",
            login = self.canaries[1].replace(['@', '.'], "-"),
            text = self.canaries[0],
        )
    }
}

/// A row a day.
fn month(random: &mut ChaCha8Rng, number: usize) -> Vec<Version> {
    let row = |place| {
        let day = format!("2026-11-{:02}", FIRST_DAY + place);
        let key = format!("acme-{number}:{day}");
        Version {
            event_date: day,
            requests: None,
            credits: Some(decimal(random.random_range(0..9_000_000_000_000))),
            cost: Some(decimal(random.random_range(0..90_000_000_000))),
            ..first_version(random, Source::Billing, key, 1)
        }
    };
    (0..DAYS).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::oracle::Draw;
    use super::*;

    #[test]
    fn rows_stand_whose_organisation_ends_with_a_whole_report() {
        let oracle = Oracle::draw(4, Draw { has_reports: true, ..Draw::of(100, 2) });
        let last = |key: &str| {
            let of_row = oracle.versions.iter().filter(|version| version.key == key);
            of_row.max_by_key(|version| version.version).map(|version| version.stands)
        };
        assert_eq!(last("acme-0:2026-11-02"), Some(false));
        assert_eq!(last("acme-0:2026-11-03"), Some(true));
        assert_eq!(last("acme-1:2026-11-02"), Some(true));
        assert_eq!(last("acme-2:2026-11-02"), Some(true));
        let lane = oracle.lanes.last().unwrap();
        assert_eq!(lane.len(), 60);
        assert_eq!(lane[0].records, DAYS);
        assert!(lane[0].body.lines().nth(1).unwrap().starts_with("2026-11-02,"));
    }
}
