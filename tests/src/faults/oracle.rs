//! The oracle: draws records of several sources from a seed, and keeps what must stand in the end.
//!
//! - `litellm.spend_logs`: requests with money; some are restated, under a later `updated_at`. Every version
//!   may come at any time, in any order and more than once: the latest `updated_at` must stand.
//! - `github_copilot.user_day`: days with credits; some are restated. The feed states no time, so versions
//!   of a day come one after another, and the last one must stand.
//! - `otel.gen_ai`: spans, never restated, some sent again.
//! - `github_copilot.billing_csv`, where a plan asks for it: see `reports.rs`.
//! - intents, after the usage that they are about.
//!
//! Texts that must be nowhere afterwards are planted in fields that the product may not read, and in those
//! that it has to hash.

use std::collections::HashSet;
use std::fmt::Write;

use rand::RngExt;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use super::organisation::account;

/// The first of the days on which events happen, in November 2026.
pub(super) const FIRST_DAY: usize = 2;
const DAYS: usize = 7;
/// The day of probes, which nothing else happens on.
pub const PROBES: &str = "2026-11-20";
/// Beyond the numbers of drawn requests.
const FIRST_PROBE: usize = 9_000_000;
const GATEWAY: &str = "/v1/sources/litellm.spend_logs/records";
/// Records of one request: few, so that a small run has requests for every round of faults.
const BATCH: usize = 20;
/// Intents, of a hundred events.
const INTENTS: usize = 5;
/// How many of a hundred records come a second time, and how many are restated once or twice.
const REPEATED: u32 = 10;
const RESTATED: [u32; 2] = [15, 5];
/// Of a hundred events, how many are of each source; the rest are user-days.
const REQUESTS: usize = 70;
const SPANS: usize = 15;

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Source {
    /// Requests through a gateway.
    #[serde(rename = "litellm.spend_logs")]
    Gateway,
    /// A person's day.
    #[serde(rename = "github_copilot.user_day")]
    UserDay,
    /// A person's day on a bill.
    #[serde(rename = "github_copilot.billing_csv")]
    Billing,
    /// Spans.
    #[serde(rename = "otel.gen_ai")]
    Span,
    /// Intents, which are no usage.
    #[serde(rename = "intents")]
    Intent,
}

/// What one version of an event says. The version with the greatest number must stand.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// Its source.
    pub source: Source,
    /// What the ledger finds the event by: its `source_key`, or its `billing_account_id` for a user-day,
    /// whose key is hashed; both that and the day, with a colon between, for a row of a bill.
    pub key: String,
    /// Counts restatements from 0.
    pub version: usize,
    /// Its day, `2026-11-02`.
    pub event_date: String,
    /// Requests, if the source says.
    pub requests: Option<u64>,
    /// Tokens read, if the source says.
    pub input_tokens: Option<u64>,
    /// Tokens written, if the source says.
    pub output_tokens: Option<u64>,
    /// Credits, exact.
    pub credits: Option<String>,
    /// Dollars, exact.
    pub cost: Option<String>,
    /// How the gateway calls the person; null for the other sources.
    pub account: Option<String>,
    /// False if this is the vendor's word that there is no such event any more.
    pub stands: bool,
    /// Seconds into its day.
    #[serde(skip)]
    pub(super) second: usize,
    #[serde(skip)]
    pub(super) person: usize,
}

/// One request to a collector.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it goes.
    pub path: &'static str,
    /// JSON.
    pub body: String,
    /// Records in it.
    pub records: usize,
}

/// Requests that go one after another, each once the one before it is acknowledged.
pub type Lane = Vec<Delivery>;

/// What is drawn, apart from its seed.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Events of all sources.
    pub events: usize,
    /// In how many lanes gateway requests go; the rest goes in one more.
    pub gateway_lanes: usize,
    /// Most records of a request.
    pub batch: usize,
    /// Over how many days the events are.
    pub days: usize,
    /// Whether user-days are restated, which they can be only where clocks go forward: their feed states no
    /// time, so that what was fetched last is what stands.
    pub restates_days: bool,
    /// Whether there are billing reports beside, some of which lack rows.
    pub has_reports: bool,
}

impl Draw {
    /// What most plans send.
    pub fn of(events: usize, gateway_lanes: usize) -> Self {
        Self { events, gateway_lanes, batch: BATCH, days: DAYS, restates_days: true, has_reports: false }
    }
}

/// Everything that was drawn.
#[derive(Debug)]
pub struct Oracle {
    /// What is sent.
    pub lanes: Vec<Lane>,
    /// Every version of every event that is sent.
    pub versions: Vec<Version>,
    /// Ids of the intents.
    pub intents: Vec<String>,
    /// Texts that must be nowhere.
    pub canaries: Vec<String>,
    /// One that unreadable messages hold: it may be where those are, and nowhere else.
    pub poison: String,
}

impl Oracle {
    /// Draws records.
    pub fn draw(seed: u64, draw: Draw) -> Self {
        let Draw { events, gateway_lanes, .. } = draw;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let canaries = vec![format!("kingfisher{seed:x}nest"), format!("heron{seed:x}@pond.example")];
        let mut oracle = Self {
            lanes: vec![Vec::new(); gateway_lanes + 1],
            versions: Vec::new(),
            intents: Vec::new(),
            canaries,
            poison: format!("wren{seed:x}thorn"),
        };
        let (requests, spans) = (events * REQUESTS / 100, events * SPANS / 100);
        oracle.gateway(&mut random, requests, draw);
        oracle.spans(&mut random, spans, draw);
        oracle.user_days(&mut random, events - requests - spans, draw);
        oracle.declare(events * INTENTS / 100, draw);
        if draw.has_reports {
            oracle.reports(&mut random);
        }
        oracle
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.versions.iter().filter(|version| version.version == 0).count()
    }

    /// All versions, many twice, in any order over all lanes.
    fn gateway(&mut self, random: &mut ChaCha8Rng, count: usize, draw: Draw) {
        let mut sent = Vec::new();
        for number in 0..count {
            let base = first_version(random, Source::Gateway, format!("row-{number:06}"), draw.days);
            for version in 0..=restatements(random) {
                let version = Version {
                    version,
                    input_tokens: Some(random.random_range(1..100_000)),
                    output_tokens: Some(random.random_range(0..5_000)),
                    cost: Some(decimal(random.random_range(1..5_000_000_000))),
                    account: Some(account(base.person)),
                    ..base.clone()
                };
                sent.extend(std::iter::repeat_n(version.clone(), copies(random)));
                self.versions.push(version);
            }
        }
        sent.shuffle(random);
        for (place, batch) in batches(sent, draw.batch).into_iter().enumerate() {
            let rows: Vec<_> = batch.iter().map(|version| self.row(version)).collect();
            let body = format!("{{\"data\":[{}]}}", rows.join(","));
            let lane = &mut self.lanes[1 + place % draw.gateway_lanes];
            lane.push(Delivery { path: GATEWAY, body, records: rows.len() });
        }
    }

    /// So many events of a day of their own, each in a request of its own that is in no lane, with their keys.
    pub fn probes(&mut self, count: usize) -> Vec<(String, Delivery)> {
        let mut probes = Vec::with_capacity(count);
        for number in 0..count {
            let version = Version {
                source: Source::Gateway,
                key: format!("row-{}", FIRST_PROBE + number),
                version: 0,
                event_date: PROBES.to_owned(),
                requests: Some(1),
                input_tokens: Some(1),
                output_tokens: Some(1),
                credits: None,
                cost: Some(decimal(1)),
                account: Some(account(0)),
                stands: true,
                second: number % 86_000,
                person: 0,
            };
            let body = format!("{{\"data\":[{}]}}", self.row(&version));
            probes.push((version.key.clone(), Delivery { path: GATEWAY, body, records: 1 }));
            self.versions.push(version);
        }
        probes
    }

    /// A row as LiteLLM writes it, money as a JSON number with all its digits.
    fn row(&self, version: &Version) -> String {
        let time = instant(version);
        let [text, address] = [&self.canaries[0], &self.canaries[1]];
        format!(
            "{{\"request_id\":\"{}\",\"call_type\":\"acompletion\",\"spend\":{},\"prompt_tokens\":{},\
             \"completion_tokens\":{},\"startTime\":\"{time}\",\"endTime\":\"{time}\",\
             \"updated_at\":\"2026-11-10T00:00:{:02}Z\",\"model\":\"openai/gpt-6.1-sol\",\
             \"custom_llm_provider\":\"openai\",\"user\":\"{}\",\"end_user\":\"{text}\",\
             \"status\":\"success\",\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\
             \"response\":\"{text}\",\"metadata\":{{\"user_api_key_user_email\":\"{address}\"}}}}",
            version.key,
            version.cost.as_deref().unwrap_or("0"),
            version.input_tokens.unwrap_or(0),
            version.output_tokens.unwrap_or(0),
            version.version,
            account(version.person),
        )
    }

    fn spans(&mut self, random: &mut ChaCha8Rng, count: usize, draw: Draw) {
        let mut sent = Vec::new();
        for number in 0..count {
            let version = Version {
                input_tokens: Some(random.random_range(1..100_000)),
                output_tokens: Some(random.random_range(0..5_000)),
                ..first_version(random, Source::Span, format!("resp_{number:06}"), draw.days)
            };
            sent.extend(std::iter::repeat_n(version.clone(), copies(random)));
            self.versions.push(version);
        }
        sent.shuffle(random);
        for batch in batches(sent, draw.batch) {
            let spans: Vec<_> = batch.iter().map(|version| self.span(version)).collect();
            let records = spans.len();
            let body = json!({"resourceSpans": [{
                "resource": {"attributes": [text("service.name", "helpdesk-assistant")]},
                "scopeSpans": [{"scope": {"name": "opentelemetry.instrumentation.openai"}, "spans": spans}],
            }]});
            self.lanes[0].push(Delivery { path: "/v1/traces", body: body.to_string(), records });
        }
    }

    fn span(&self, version: &Version) -> serde_json::Value {
        let day = FIRST_DAY + version.event_date[8..].parse::<usize>().unwrap_or(FIRST_DAY) - FIRST_DAY;
        // 2026-11-01 began this many seconds after 1970-01-01.
        let seconds = 1_793_491_200 + (day - 1) * 86_400 + version.second;
        let number = |name: &str, value: Option<u64>| json!({"key": name, "value": {"intValue": value.unwrap_or(0).to_string()}});
        json!({
            "traceId": format!("{:032x}", 1 + version.second),
            "spanId": format!("{:016x}", 1 + version.person),
            "name": "chat",
            "kind": 3,
            "startTimeUnixNano": format!("{seconds}000000000"),
            "endTimeUnixNano": format!("{seconds}500000000"),
            "attributes": [
                text("gen_ai.operation.name", "chat"),
                text("gen_ai.provider.name", "openai"),
                text("gen_ai.request.model", "gpt-6.1-sol"),
                text("gen_ai.response.id", &version.key),
                text("enduser.id", &self.canaries[1]),
                text("gen_ai.input.messages", &self.canaries[0]),
                text("gen_ai.prompt", &self.canaries[0]),
                number("gen_ai.usage.input_tokens", version.input_tokens),
                number("gen_ai.usage.output_tokens", version.output_tokens),
            ],
            "status": {},
        })
    }

    /// First the first versions of all days, then the second ones, and so on.
    fn user_days(&mut self, random: &mut ChaCha8Rng, count: usize, draw: Draw) {
        let mut rounds: [Vec<Version>; 3] = Default::default();
        for number in 0..count {
            let base = first_version(random, Source::UserDay, (1_000_000 + number).to_string(), draw.days);
            let restatements = if draw.restates_days { restatements(random) } else { 0 };
            for version in 0..=restatements {
                let credits = Some(decimal(random.random_range(0..9_000_000_000_000)));
                let requests = Some(random.random_range(0..400));
                let version = Version { version, requests, credits, ..base.clone() };
                rounds[version.version].extend(std::iter::repeat_n(version.clone(), copies(random)));
                self.versions.push(version);
            }
        }
        for mut round in rounds {
            round.shuffle(random);
            for batch in batches(round, draw.batch) {
                let mut body = String::new();
                for version in &batch {
                    let row = json!({
                        "day": version.event_date, "enterprise_id": "7", "organization_id": version.key,
                        "user_id": 1 + version.person, "user_login": self.canaries[1],
                        "user_initiated_interaction_count": version.requests, "notes": self.canaries[0],
                    });
                    // Credits are written as text, so that no digit passes through a float.
                    let row = row.to_string();
                    let credits = version.credits.as_deref().unwrap_or("0");
                    let _ = writeln!(body, "{},\"ai_credits_used\":{credits}}}", row.trim_end_matches('}'));
                }
                let path = "/v1/sources/github_copilot.user_day/records";
                self.lanes[0].push(Delivery { path, body, records: batch.len() });
            }
        }
    }

    /// Intents come after the usage that they are about.
    fn declare(&mut self, count: usize, draw: Draw) {
        self.intents = (0..count).map(|number| format!("i-{number:06}")).collect();
        for batch in self.intents.chunks(draw.batch) {
            let intents: Vec<_> = batch
                .iter()
                .map(|id| json!({"intent_id": id, "person": self.canaries[1], "started_at": "2026-11-03T09:00:00Z"}))
                .collect();
            let body = json!({"intents": intents}).to_string();
            self.lanes[0].push(Delivery { path: "/v1/intents", body, records: batch.len() });
        }
    }
}

pub(super) fn first_version(random: &mut ChaCha8Rng, source: Source, key: String, days: usize) -> Version {
    let day = FIRST_DAY + random.random_range(0..days);
    Version {
        source,
        key,
        version: 0,
        event_date: format!("2026-11-{day:02}"),
        requests: Some(1),
        input_tokens: None,
        output_tokens: None,
        credits: None,
        cost: None,
        account: None,
        stands: true,
        second: random.random_range(0..86_000),
        person: random.random_range(0..40),
    }
}

fn restatements(random: &mut ChaCha8Rng) -> usize {
    let [once, twice] = RESTATED;
    match random.random_range(0..100) {
        dice if dice < twice => 2,
        dice if dice < once + twice => 1,
        _ => 0,
    }
}

fn copies(random: &mut ChaCha8Rng) -> usize {
    1 + usize::from(random.random_range(0..100) < REPEATED)
}

/// Full batches in the given order, except that a record that is in a batch already goes into the next one:
/// of equal keys in one request, the last one counts.
fn batches(sent: Vec<Version>, size: usize) -> Vec<Vec<Version>> {
    let mut batches: Vec<(HashSet<String>, Vec<Version>)> = Vec::new();
    let mut first = 0;
    for version in sent {
        while batches.get(first).is_some_and(|(_, batch)| batch.len() >= size) {
            first += 1;
        }
        let fits = |(keys, batch): &(HashSet<String>, Vec<Version>)| {
            batch.len() < size && !keys.contains(&version.key)
        };
        let place = (first..batches.len()).find(|place| fits(&batches[*place])).unwrap_or(batches.len());
        if place == batches.len() {
            batches.push(Default::default());
        }
        let (keys, batch) = &mut batches[place];
        keys.insert(version.key.clone());
        batch.push(version);
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// Billionths as a decimal number.
pub(super) fn decimal(billionths: u64) -> String {
    format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000)
}

fn instant(version: &Version) -> String {
    let (second, day) = (version.second, &version.event_date);
    format!("{day}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn text(key: &str, value: &str) -> serde_json::Value {
    json!({"key": key, "value": {"stringValue": value}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_sends_the_same_bytes() {
        let bodies = |seed| -> Vec<String> {
            Oracle::draw(seed, Draw::of(300, 2))
                .lanes
                .into_iter()
                .flatten()
                .map(|delivery| delivery.body)
                .collect()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
    }

    #[test]
    fn everything_that_must_stand_is_sent() {
        let oracle = Oracle::draw(3, Draw::of(400, 2));
        let bodies: String = oracle.lanes.iter().flatten().map(|delivery| delivery.body.as_str()).collect();
        assert_eq!(oracle.events(), 400);
        for version in &oracle.versions {
            assert!(bodies.contains(&version.key), "{}", version.key);
            let said = version.cost.iter().chain(&version.credits);
            assert!(said.clone().all(|amount| bodies.contains(amount.as_str())), "{}", version.key);
        }
        assert!(oracle.versions.iter().any(|version| version.version == 2));
        assert!(oracle.lanes.iter().flatten().map(|delivery| delivery.records).sum::<usize>() > 440);
    }

    #[test]
    fn no_request_has_a_key_twice() {
        for lane in Oracle::draw(5, Draw::of(400, 1)).lanes {
            for delivery in lane.iter().filter(|delivery| delivery.path.contains("litellm")) {
                let body: serde_json::Value = serde_json::from_str(&delivery.body).unwrap();
                let rows = body["data"].as_array().unwrap();
                let keys: HashSet<_> = rows.iter().map(|row| row["request_id"].as_str().unwrap()).collect();
                assert_eq!((keys.len(), rows.len()), (delivery.records, delivery.records));
            }
        }
    }

    #[test]
    fn versions_of_a_user_day_come_in_order() {
        let oracle = Oracle::draw(9, Draw::of(600, 1));
        let places = |version: &Version| -> Vec<usize> {
            let credits = version.credits.clone().unwrap_or_default();
            let said = |delivery: &Delivery| {
                delivery.body.lines().any(|line| line.contains(&version.key) && line.contains(&credits))
            };
            oracle.lanes[0].iter().enumerate().filter(|(_, d)| said(d)).map(|(place, _)| place).collect()
        };
        let days = oracle.versions.iter().filter(|version| version.source == Source::UserDay);
        for pair in days.collect::<Vec<_>>().windows(2).filter(|pair| pair[0].key == pair[1].key) {
            assert!(places(pair[0]).iter().max() < places(pair[1]).iter().min(), "{}", pair[0].key);
        }
    }
}
