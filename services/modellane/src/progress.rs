//! Progress bars, on terminals only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar over bytes. Silent where standard error is no terminal.
pub(crate) fn bytes(total: u64) -> ProgressBar {
    bar(total, "{bar:32} {bytes:>10} of {total_bytes}  {msg}")
}

/// A bar over steps that are counted. Silent where standard error is no terminal.
pub(crate) fn steps(total: u64) -> ProgressBar {
    bar(total, "{bar:32} {pos:>10} of {len}")
}

fn bar(total: u64, style: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
