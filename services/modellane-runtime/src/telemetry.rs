//! Logs.

use std::ffi::OsStr;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends logs to standard error; `RUST_LOG` chooses what, with `default_filter` if it is not set. Colours are
/// for terminals, and for nobody who sets `NO_COLOR`. A second call changes nothing.
pub fn init_logging(format: LogFormat, default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let no_color = std::env::var_os("NO_COLOR");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours(std::io::stderr().is_terminal(), no_color.as_deref()))
        // A reader of standard error that leaves must not end the process.
        .log_internal_errors(false);
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Whether to colour, as <https://no-color.org> has it: a variable that is set and not empty says no.
fn colours(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_wants_them_gets_colours() {
        assert!(colours(true, None) && colours(true, Some(OsStr::new(""))));
        assert!(!colours(false, None) && !colours(true, Some(OsStr::new("1"))));
    }
}
