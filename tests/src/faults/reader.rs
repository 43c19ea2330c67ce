//! A reader that asks all the time while harm is done, and writes down what it saw.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

/// Two sums that every row changes.
const QUESTION: &str =
    "SELECT SUM(entry_sign) AS events, SUM(usage_sign * input_tokens) AS tokens FROM usage_ledger";
const PAUSE: Duration = Duration::from_millis(60);

/// A running reader.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Value>>,
}

impl Reader {
    /// Begins to ask a query service.
    pub fn start(http: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, url) = (Arc::clone(&stop), format!("http://{http}/v1/sql"));
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                // A service that was just killed does not answer.
                seen.extend(sums(&url).ok());
                std::thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, thread }
    }

    /// Stops asking, writes what was seen as lines of JSON, and says how many answers there were.
    pub fn finish(self, number: usize, file: &Path) -> Result<usize> {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.join().map_err(|_| anyhow!("the reader broke off"))?;
        let mut lines = std::fs::read_to_string(file).unwrap_or_default();
        for poll in &seen {
            let (version, seen) = (&poll["version"], &poll["seen"]);
            writeln!(lines, "{}", json!({"reader": number, "version": version, "seen": seen}))?;
        }
        std::fs::write(file, lines)?;
        Ok(seen.len())
    }
}

/// The sums, and the version of the table that they are of.
fn sums(url: &str) -> Result<Value> {
    let (version, rows) = ask(url, QUESTION)?;
    let row = rows.first().context("no row")?;
    // Sums over no row are null; whole numbers of many digits come as text.
    let number = |name: &str| row[name].as_i64().or_else(|| row[name].as_str()?.parse().ok()).unwrap_or(0);
    Ok(json!({"version": version, "seen": [number("events"), number("tokens")]}))
}

/// A version of the ledger, and what it answers.
fn ask(url: &str, question: &str) -> Result<(u64, Vec<Value>)> {
    let mut answer = ureq::post(url)
        .config()
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .header("content-type", "text/plain")
        .send(question)?;
    let version = answer.headers().get("x-table-version").context("no version")?.to_str()?.to_owned();
    Ok((version.parse()?, serde_json::from_str(&answer.body_mut().read_to_string()?)?))
}
