//! Configuration from a file and the environment.

use crate::RuntimeError;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads TOML, then lets `MODELLANE__SECTION__KEY` override it. The target type refuses unknown keys and
/// holds the defaults. No file means defaults and environment alone.
pub fn load_config<T: DeserializeOwned>(file: Option<&Path>) -> Result<T, RuntimeError> {
    let mut figment = Figment::new();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| RuntimeError::file("read the configuration", path, error))?;
        figment = figment.merge(Toml::string(&text));
    }
    let environment = Env::prefixed("MODELLANE__").split("__");
    let settings = environment.iter().map(|(key, value)| (key.into_string(), value));
    extract(figment, settings).map_err(|error| RuntimeError::Config(describe(*error, file)))
}

/// Settings of the environment are text: the type that takes one says whether it is a number, so that a
/// password of digits stays a password.
fn extract<T: DeserializeOwned>(
    file: Figment,
    settings: impl Iterator<Item = (String, String)>,
) -> Result<T, Box<figment::Error>> {
    settings.fold(file, |figment, setting| figment.merge(setting)).extract_lossy().map_err(Box::new)
}

/// Names key and reason. The value itself is left out: it may be a password.
fn describe(error: figment::Error, file: Option<&Path>) -> String {
    let place = file.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    let problems: Vec<String> = error
        .into_iter()
        .map(|problem| {
            let key = problem.path.join(".");
            let reason = match problem.kind {
                figment::error::Kind::UnknownField(field, known) => {
                    format!("unknown key `{field}`; known here: {}", known.join(", "))
                }
                figment::error::Kind::MissingField(field) => format!("missing key `{field}`"),
                figment::error::Kind::InvalidType(_, expected) => format!("expected {expected}"),
                figment::error::Kind::InvalidValue(_, expected) => format!("expected {expected}"),
                figment::error::Kind::UnknownVariant(_, known) => {
                    format!("expected one of {}", known.join(", "))
                }
                other => other.to_string(),
            };
            if key.is_empty() { reason } else { format!("{key}: {reason}") }
        })
        .collect();
    format!("{} (from {place})", problems.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        sink: Sink,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sink {
        interval_s: u64,
        sync: Option<bool>,
        options: BTreeMap<String, String>,
    }

    impl Default for Sink {
        fn default() -> Self {
            Self { interval_s: 15, sync: None, options: BTreeMap::new() }
        }
    }

    fn load(text: &str) -> Result<Config, RuntimeError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load_config(Some(file.path()))
    }

    #[test]
    fn a_file_overrides_the_defaults() {
        assert_eq!(load("").unwrap().sink.interval_s, 15);
        assert_eq!(load("[sink]\ninterval_s = 2\n").unwrap().sink.interval_s, 2);
    }

    #[test]
    fn the_environment_gives_each_key_what_it_takes() {
        let settings = [("sink.interval_s", "2"), ("sink.sync", "true"), ("sink.options.allow_http", "true")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let file =
            Figment::new().merge(Toml::string("[sink]\ninterval_s = 9\noptions = { digits = \"0042\" }"));
        let Config { sink } = extract(file, settings.into_iter()).unwrap();
        let options = [("allow_http", "true"), ("digits", "0042")];
        let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(sink, Sink { interval_s: 2, sync: Some(true), options: options.into() });
    }

    #[test]
    fn an_error_names_the_key_and_not_the_value() {
        let unknown = load("[sink]\nintervall = 2\n").unwrap_err().to_string();
        assert!(unknown.contains("intervall") && unknown.contains("interval_s"), "{unknown}");
        let wrong = load("[sink]\ninterval_s = \"hunter2\"\n").unwrap_err().to_string();
        assert!(wrong.contains("sink.interval_s") && !wrong.contains("hunter2"), "{wrong}");
    }
}
