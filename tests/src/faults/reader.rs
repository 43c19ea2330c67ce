//! A reader that asks all the time while harm is done, and writes down what it saw.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

/// Two sums that every row changes.
const QUESTION: &str =
    "SELECT SUM(entry_sign) AS events, SUM(usage_sign * input_tokens) AS tokens FROM usage_ledger";
const PAUSE: Duration = Duration::from_millis(200);
/// A busy machine is slow to answer, which is no harm.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running reader.
pub struct Reader {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    thread: JoinHandle<(Vec<Value>, Vec<String>)>,
}

/// What came of the questions.
#[derive(Debug, Default)]
pub struct Heard {
    /// Answers.
    pub answers: usize,
    /// Why questions had no answer, once there had been one.
    pub unanswered: Vec<String>,
}

impl Reader {
    /// Begins to ask a query service.
    pub fn start(http: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicUsize::new(0));
        let (stopped, heard, url) =
            (Arc::clone(&stop), Arc::clone(&answers), format!("http://{http}/v1/sql"));
        let thread = std::thread::spawn(move || {
            let (mut seen, mut unanswered) = (Vec::new(), Vec::new());
            while !stopped.load(Ordering::SeqCst) {
                match sums(&url) {
                    Ok(sums) => {
                        seen.push(sums);
                        heard.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) if !seen.is_empty() => unanswered.push(format!("{error:#}")),
                    // A service that starts does not answer.
                    Err(_) => {}
                }
                std::thread::sleep(PAUSE);
            }
            (seen, unanswered)
        });
        Self { stop, answers, thread }
    }

    /// How many answers there were so far.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::SeqCst)
    }

    /// Stops asking, writes what was seen as lines of JSON, and says how many answers there were.
    pub fn finish(self, number: usize, file: &Path) -> Result<Heard> {
        self.stop.store(true, Ordering::SeqCst);
        let (seen, unanswered) = self.thread.join().map_err(|_| anyhow!("the reader broke off"))?;
        let mut lines = std::fs::read_to_string(file).unwrap_or_default();
        for poll in &seen {
            let (version, seen) = (&poll["version"], &poll["seen"]);
            writeln!(lines, "{}", json!({"reader": number, "version": version, "seen": seen}))?;
        }
        std::fs::write(file, lines)?;
        Ok(Heard { answers: seen.len(), unanswered })
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
        .timeout_global(Some(PATIENCE))
        .build()
        .header("content-type", "text/plain")
        .send(question)?;
    let version = answer.headers().get("x-table-version").context("no version")?.to_str()?.to_owned();
    Ok((version.parse()?, serde_json::from_str(&answer.body_mut().read_to_string()?)?))
}
