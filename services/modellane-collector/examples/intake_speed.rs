//! Measures how many LiteLLM rows a CPU-second of intake takes: framing, survey, parsing, sealing, encoding.
//!
//! `cargo run --release -p modellane-collector --example intake_speed -- 200000`

use modellane_collector::connectors::connector;
use modellane_collector::{IndexedRejection, Intake, Outlet, Payload};
use modellane_event::{LakeKey, UsageEvent, UtcTime};
use modellane_schema::usage_codec;
use std::fmt::Write;

fn main() -> anyhow::Result<()> {
    let rows: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let payload = payload(rows);
    let key = LakeKey::new([1; 32]);
    let Some(connector) = connector("litellm.spend_logs") else { anyhow::bail!("no such source") };
    let observed_at = UtcTime::parse("2026-11-22T00:00:00Z")?;
    let payload = Payload { bytes: payload.as_bytes(), observed_at, key: &key };
    println!("{rows} rows of {} bytes", payload.bytes.len() / rows.max(1));

    let mut intake = Intake::new(&key, connector.spec().name);
    let start = cpu_seconds()?;
    intake.survey(connector, &payload);
    let surveyed = cpu_seconds()?;
    let mut counted = Counted::default();
    intake.read(connector, &payload, &mut counted);
    let read = cpu_seconds()?;
    for event in &counted.events {
        counted.bytes.clear();
        usage_codec().encode(event, &mut counted.bytes)?;
    }
    let encoded = cpu_seconds()?;
    for (step, seconds) in [
        ("survey", surveyed - start),
        ("parse and seal", read - surveyed),
        ("encode", encoded - read),
        ("all", encoded - start),
    ] {
        println!("{step:>15}: {:>9.0} rows per CPU-second", rows as f64 / seconds.max(0.01));
    }
    Ok(())
}

#[derive(Default)]
struct Counted {
    events: Vec<UsageEvent>,
    bytes: Vec<u8>,
}

impl Outlet for Counted {
    fn event(&mut self, event: UsageEvent) {
        self.events.push(event);
    }
    fn reject(&mut self, rejection: IndexedRejection) {
        println!("record {} (from 0) rejected: {}", rejection.index, rejection.rejection.reason.as_str());
    }
}

/// User and system time of this thread.
fn cpu_seconds() -> anyhow::Result<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/thread-self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS)
}

fn payload(rows: usize) -> String {
    let mut text = String::from("{\"data\": [");
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        let (second, person) = (row % 60, row % 500);
        let _ = write!(
            text,
            r#"{comma}{{"request_id":"chatcmpl-{row:012}","call_type":"acompletion","api_key":"88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b","spend":0.0123{row:06},"total_tokens":1500,"prompt_tokens":1400,"completion_tokens":100,"startTime":"2026-11-09T13:00:{second:02}.120000+00:00","endTime":"2026-11-09T13:01:{second:02}.500000+00:00","completionStartTime":null,"request_duration_ms":2380,"model":"anthropic/claude-sonnet-5-5","model_id":"d1","model_group":"sonnet","custom_llm_provider":"anthropic","api_base":"https://api.anthropic.com/v1/messages","user":"u-{person}","metadata":{{"user_api_key_alias":"laptop-{person}","user_api_key_user_email":"person.{person}@acme.example","user_api_key_team_alias":"platform","usage_object":{{"prompt_tokens":1400,"cache_read_input_tokens":1200}},"spend_logs_metadata":{{"ticket":"PAY-{person}"}}}},"cache_hit":"False","cache_key":"Cache OFF","request_tags":["User-Agent: claude-cli/2.2.40","workflow:review"],"team_id":"t1","organization_id":null,"end_user":"","requester_ip_address":"10.0.0.9","messages":{{}},"response":{{}},"proxy_server_request":{{}},"session_id":"sess-{person}","status":"success","mcp_namespaced_tool_name":null,"litellm_call_id":"lc-{row}"}}"#
        );
    }
    text.push_str("]}");
    text
}
