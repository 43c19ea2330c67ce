//! `SET` and `SHOW`: a short list of variables, none of which reaches the query engine.

use crate::QueryError;
use crate::session::SERVER_VERSION;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Set, Statement, Value};
use datafusion_postgres::hooks::HookClient;
use pgwire::error::PgWireResult;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::ParameterStatus;
use std::collections::HashMap;
use std::time::Duration;

/// Key of the connection's own statement timeout, in milliseconds.
const TIMEOUT: &str = "statement_timeout";

/// What a client may set a variable to.
enum Accepts {
    /// Anything; the value is kept and shown.
    Any,
    /// These values, which are those in force anyway.
    Only(&'static [&'static str]),
    /// A duration.
    Duration,
}

/// Variables that clients set when they connect. Everything else is refused.
const VARIABLES: [(&str, &str, Accepts); 21] = [
    ("application_name", "application_name", Accepts::Any),
    ("client_min_messages", "client_min_messages", Accepts::Any),
    ("extra_float_digits", "extra_float_digits", Accepts::Any),
    ("search_path", "search_path", Accepts::Any),
    ("lock_timeout", "lock_timeout", Accepts::Any),
    ("idle_in_transaction_session_timeout", "idle_in_transaction_session_timeout", Accepts::Any),
    ("synchronous_commit", "synchronous_commit", Accepts::Any),
    ("row_security", "row_security", Accepts::Any),
    ("jit", "jit", Accepts::Any),
    ("geqo", "geqo", Accepts::Any),
    ("ssl_renegotiation_limit", "ssl_renegotiation_limit", Accepts::Any),
    ("transaction_isolation", "transaction_isolation", Accepts::Any),
    ("default_transaction_isolation", "default_transaction_isolation", Accepts::Any),
    ("statement_timeout", "statement_timeout", Accepts::Duration),
    ("client_encoding", "client_encoding", Accepts::Only(&["utf8", "utf-8", "unicode"])),
    ("datestyle", "DateStyle", Accepts::Only(&["iso", "iso, mdy", "iso, dmy", "iso, ymd"])),
    ("intervalstyle", "IntervalStyle", Accepts::Only(&["postgres"])),
    ("bytea_output", "bytea_output", Accepts::Only(&["hex"])),
    ("standard_conforming_strings", "standard_conforming_strings", Accepts::Only(&["on", "true", "1"])),
    ("default_transaction_read_only", "default_transaction_read_only", Accepts::Only(&["on", "true", "1"])),
    (
        "timezone",
        "TimeZone",
        Accepts::Only(&["utc", "etc/utc", "gmt", "z", "zulu", "0", "+00", "+00:00", "00:00"]),
    ),
];

/// Applies a `SET`.
pub(super) async fn set(statement: &Set, client: &mut dyn HookClient) -> PgWireResult<()> {
    let (name, value) = assignment(statement)?;
    let Some((key, shown, accepts)) = VARIABLES.iter().find(|(key, ..)| *key == name) else {
        return Err(unknown(&name).into());
    };
    let Some(value) = value else {
        client.metadata_mut().remove(*key);
        return Ok(());
    };
    match accepts {
        Accepts::Any => {}
        Accepts::Duration => {
            if milliseconds(&value).is_none() {
                return Err(invalid(key, "a duration, such as 30s").into());
            }
        }
        Accepts::Only(values) => {
            if !values.contains(&value.to_lowercase().as_str()) {
                return Err(invalid(key, values[0]).into());
            }
            return Ok(());
        }
    }
    client.metadata_mut().insert((*key).to_owned(), value.clone());
    if *key == "application_name" {
        let status = ParameterStatus::new((*shown).to_owned(), value);
        client.send_message(PgWireBackendMessage::ParameterStatus(status)).await?;
    }
    Ok(())
}

/// Name and value of an assignment; no value means the default.
fn assignment(statement: &Set) -> Result<(String, Option<String>), QueryError> {
    match statement {
        Set::SingleAssignment { hivevar: false, variable, values, .. } => {
            let texts: Vec<String> = values.iter().map(text).collect();
            let value = texts.join(", ");
            let default = value.eq_ignore_ascii_case("default");
            Ok((variable.to_string().to_lowercase(), (!default).then_some(value)))
        }
        Set::SetTimeZone { value, .. } => {
            let value = text(value);
            let default = ["default", "local"].contains(&value.to_lowercase().as_str());
            Ok(("timezone".to_owned(), (!default).then_some(value)))
        }
        Set::SetNames { charset_name, .. } => {
            Ok(("client_encoding".to_owned(), Some(charset_name.value.clone())))
        }
        Set::SetTransaction { .. } => Ok(("transaction_isolation".to_owned(), None)),
        Set::SetSessionAuthorization(_) | Set::SetRole { .. } => {
            Err(QueryError::denied("roles cannot be changed"))
        }
        _ => Err(QueryError::unsupported("this form of SET is not supported")),
    }
}

fn text(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(Ident { value, .. }) => value.clone(),
        other => other.to_string(),
    }
}

fn unknown(name: &str) -> QueryError {
    if name.starts_with("datafusion.") {
        QueryError::denied("settings of the query engine cannot be changed from a connection")
    } else {
        QueryError::Refused { code: "42704", message: "unrecognized configuration parameter".to_owned() }
    }
}

fn invalid(name: &str, expected: &str) -> QueryError {
    QueryError::Refused { code: "22023", message: format!("{name} must be {expected} here") }
}

/// Reads `5000`, `5000ms`, `30s`, `2min`.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = [("ms", 1), ("min", 60_000), ("s", 1_000)]
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
        .unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// Time for one statement: what the client asked for, at most what the service allows.
pub(super) fn timeout(metadata: &HashMap<String, String>, most: Duration) -> Duration {
    match metadata.get(TIMEOUT).and_then(|text| milliseconds(text)) {
        Some(asked) if asked > 0 => most.min(Duration::from_millis(asked)),
        _ => most,
    }
}

/// Name and value of a `SHOW`.
pub(super) fn show(
    variable: &[Ident],
    metadata: &HashMap<String, String>,
) -> Result<(String, String), QueryError> {
    let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = match words.as_slice() {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        words => words.join("."),
    };
    let fixed = match name.as_str() {
        "server_version" => Some(SERVER_VERSION),
        "server_version_num" => Some("160006"),
        "server_encoding" | "client_encoding" => Some("UTF8"),
        "timezone" => Some("UTC"),
        "datestyle" => Some("ISO, MDY"),
        "intervalstyle" => Some("postgres"),
        "bytea_output" => Some("hex"),
        "integer_datetimes"
        | "standard_conforming_strings"
        | "default_transaction_read_only"
        | "transaction_read_only" => Some("on"),
        "is_superuser" | "in_hot_standby" | "ssl" => Some("off"),
        "transaction_isolation" | "default_transaction_isolation" => Some("repeatable read"),
        "max_identifier_length" => Some("63"),
        "lc_collate" | "lc_ctype" => Some("C"),
        _ => None,
    };
    if let Some(value) = fixed {
        return Ok((name, value.to_owned()));
    }
    let default = match name.as_str() {
        "search_path" => "public",
        "extra_float_digits" => "1",
        "client_min_messages" => "notice",
        _ => "0",
    };
    match VARIABLES.iter().find(|(key, ..)| *key == name) {
        Some((key, ..)) => {
            let value = metadata.get(*key).cloned().unwrap_or_else(|| default.to_owned());
            Ok((name, value))
        }
        None => Err(unknown(&name)),
    }
}

/// Forgets what the client set.
pub(super) fn forget(statement: &Statement, client: &mut dyn HookClient) {
    if matches!(statement, Statement::Discard { .. } | Statement::Reset(_)) {
        for (key, ..) in VARIABLES {
            client.metadata_mut().remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_ceiling() {
        assert_eq!(milliseconds("5000"), Some(5_000));
        assert_eq!(milliseconds("30s"), Some(30_000));
        assert_eq!(milliseconds("2min"), Some(120_000));
        assert_eq!(milliseconds("soon"), None);
        let most = Duration::from_secs(60);
        let asked = |text: &str| timeout(&HashMap::from([(TIMEOUT.to_owned(), text.to_owned())]), most);
        assert_eq!(asked("1s"), Duration::from_secs(1));
        assert_eq!(asked("2h"), most);
        assert_eq!(asked("10min"), most);
        assert_eq!(asked("0"), most);
    }
}
