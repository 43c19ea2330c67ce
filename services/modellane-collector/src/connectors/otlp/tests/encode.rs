//! Writes the telemetry of a JSON fixture in the binary encoding, whole: with bodies, span events, lists and
//! maps, so that reading it shows what the decoder leaves out. Tags are those of the OpenTelemetry protocol.

use serde_json::Value;

/// An export request; the tags of the three signals agree down to the records.
pub(super) fn request(json: &str) -> Vec<u8> {
    let json: Value = serde_json::from_str(json).unwrap();
    let (resources, scopes, records, record): (_, _, _, fn(&Value) -> Vec<u8>) =
        if json.get("resourceLogs").is_some() {
            ("resourceLogs", "scopeLogs", "logRecords", log)
        } else if json.get("resourceSpans").is_some() {
            ("resourceSpans", "scopeSpans", "spans", span)
        } else {
            ("resourceMetrics", "scopeMetrics", "metrics", metric)
        };
    let mut out = Vec::new();
    for resource in list(&json[resources]) {
        let mut entry = Vec::new();
        message(&mut entry, 1, &attributes(1, &resource["resource"]["attributes"]));
        for scope in list(&resource[scopes]) {
            let mut body = Vec::new();
            let mut name = Vec::new();
            text(&mut name, 1, &scope["scope"]["name"]);
            message(&mut body, 1, &name);
            for item in list(&scope[records]) {
                message(&mut body, 2, &record(item));
            }
            message(&mut entry, 2, &body);
        }
        message(&mut out, 1, &entry);
    }
    out
}

fn log(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    fixed(&mut out, 1, &json["timeUnixNano"]);
    varint_field(&mut out, 2, json["severityNumber"].as_u64().unwrap_or(0));
    message(&mut out, 5, &any(&json["body"]));
    out.extend(attributes(6, &json["attributes"]));
    fixed(&mut out, 11, &json["observedTimeUnixNano"]);
    text(&mut out, 12, &json["eventName"]);
    out
}

fn span(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, &hex(&json["traceId"]));
    message(&mut out, 2, &hex(&json["spanId"]));
    text(&mut out, 5, &json["name"]);
    fixed(&mut out, 7, &json["startTimeUnixNano"]);
    fixed(&mut out, 8, &json["endTimeUnixNano"]);
    out.extend(attributes(9, &json["attributes"]));
    for event in list(&json["events"]) {
        let mut body = Vec::new();
        text(&mut body, 2, &event["name"]);
        body.extend(attributes(3, &event["attributes"]));
        message(&mut out, 11, &body);
    }
    let mut status = Vec::new();
    text(&mut status, 2, &json["status"]["message"]);
    varint_field(&mut status, 3, json["status"]["code"].as_u64().unwrap_or(0));
    message(&mut out, 15, &status);
    out
}

fn metric(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, 1, &json["name"]);
    out
}

fn attributes(tag: u32, json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for pair in list(json) {
        let mut body = Vec::new();
        text(&mut body, 1, &pair["key"]);
        message(&mut body, 2, &any(&pair["value"]));
        message(&mut out, tag, &body);
    }
    out
}

fn any(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if json["stringValue"].is_string() {
        text(&mut out, 1, &json["stringValue"]);
    } else if let Some(value) = json["boolValue"].as_bool() {
        varint_field(&mut out, 2, value.into());
    } else if !json["intValue"].is_null() {
        let value = json["intValue"].as_i64().or_else(|| json["intValue"].as_str()?.parse().ok()).unwrap();
        varint_field(&mut out, 3, value as u64);
    } else if let Some(value) = json["doubleValue"].as_f64() {
        key(&mut out, 4, 1);
        out.extend(value.to_le_bytes());
    } else if json["arrayValue"].is_object() {
        let mut body = Vec::new();
        for value in list(&json["arrayValue"]["values"]) {
            message(&mut body, 1, &any(value));
        }
        message(&mut out, 5, &body);
    } else if json["kvlistValue"].is_object() {
        message(&mut out, 6, &attributes(1, &json["kvlistValue"]["values"]));
    }
    out
}

fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

fn hex(json: &Value) -> Vec<u8> {
    let text = json.as_str().unwrap();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn text(out: &mut Vec<u8>, tag: u32, json: &Value) {
    if let Some(text) = json.as_str() {
        message(out, tag, text.as_bytes());
    }
}

fn fixed(out: &mut Vec<u8>, tag: u32, json: &Value) {
    key(out, tag, 1);
    out.extend(json.as_str().unwrap_or("0").parse::<u64>().unwrap().to_le_bytes());
}

pub(super) fn message(out: &mut Vec<u8>, tag: u32, body: &[u8]) {
    key(out, tag, 2);
    varint(out, body.len() as u64);
    out.extend(body);
}

fn varint_field(out: &mut Vec<u8>, tag: u32, value: u64) {
    key(out, tag, 0);
    varint(out, value);
}

fn key(out: &mut Vec<u8>, tag: u32, wire_type: u32) {
    varint(out, u64::from(tag << 3 | wire_type));
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
