//! Sends what the oracle drew, again and again until it is acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use super::oracle::{Delivery, Lane};

/// How long a client waits for a reply before it sends again.
const PATIENCE: Duration = Duration::from_secs(35);
const PAUSE: Duration = Duration::from_millis(50);

/// All of a lane, in the steps by which the feed is let on.
pub const WHOLE: usize = 10_000;

#[derive(Default)]
struct Shared {
    collectors: Mutex<Vec<String>>,
    /// How much of every lane may go, of [`WHOLE`].
    allowed: AtomicUsize,
    /// The first of the lanes that may not go at all.
    closed_from: AtomicUsize,
    stopped: AtomicBool,
    acknowledged: AtomicUsize,
    attempts: AtomicUsize,
    put_off: AtomicUsize,
    problems: Mutex<Vec<String>>,
}

/// How many requests of a lane have gone when this part of [`WHOLE`] has.
pub(super) fn sent(part: usize, length: usize) -> usize {
    (part * length).div_ceil(WHOLE).min(length)
}

/// Senders, one a lane.
pub struct Feed {
    shared: Arc<Shared>,
    lanes: Vec<JoinHandle<()>>,
    /// Requests of each lane.
    lengths: Vec<usize>,
}

impl Feed {
    /// Starts senders that may send nothing yet.
    pub fn start(lanes: Vec<Lane>, collectors: Vec<String>) -> Self {
        let closed_from = AtomicUsize::new(lanes.len());
        let shared =
            Arc::new(Shared { collectors: Mutex::new(collectors), closed_from, ..Shared::default() });
        let lengths = lanes.iter().map(Vec::len).collect();
        let lanes = lanes
            .into_iter()
            .enumerate()
            .map(|(number, lane)| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.send(number, &lane))
            })
            .collect();
        Self { shared, lanes, lengths }
    }

    /// Lets every lane go on up to this part of [`WHOLE`].
    pub fn allow(&self, part: usize) {
        self.shared.allowed.fetch_max(part, Ordering::SeqCst);
    }

    /// Lets the first so many lanes go on and no others.
    pub fn open_lanes(&self, lanes: usize) {
        self.shared.closed_from.store(lanes, Ordering::SeqCst);
    }

    /// Sends to other collectors from now on.
    pub fn send_to(&self, collectors: Vec<String>) {
        *self.shared.collectors.lock().unwrap_or_else(PoisonError::into_inner) = collectors;
    }

    /// Whether everything was acknowledged.
    pub fn is_done(&self) -> bool {
        self.lanes.iter().all(JoinHandle::is_finished)
    }

    /// Whether everything that may go was acknowledged.
    pub fn is_idle(&self) -> bool {
        let open = self.shared.closed_from.load(Ordering::SeqCst);
        let allowed = self.shared.allowed.load(Ordering::SeqCst);
        let may_go = self.lengths.iter().take(open).map(|length| sent(allowed, *length)).sum();
        self.shared.acknowledged.load(Ordering::SeqCst) >= may_go
    }

    /// Requests that were acknowledged, and all that there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.shared.acknowledged.load(Ordering::SeqCst), self.lengths.iter().sum())
    }

    /// Requests that were sent, repeats included.
    pub fn attempts(&self) -> usize {
        self.shared.attempts.load(Ordering::SeqCst)
    }

    /// Requests that were answered with 429.
    pub fn put_off(&self) -> usize {
        self.shared.put_off.load(Ordering::SeqCst)
    }

    /// Replies that were not what they should be.
    pub fn problems(&self) -> Vec<String> {
        self.shared.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn send(&self, number: usize, lane: &Lane) {
        for (place, delivery) in lane.iter().enumerate() {
            if !self.is_let_on(number, place, lane.len()) {
                return;
            }
            while !self.attempt(number + place, delivery) {
                if self.stopped.load(Ordering::SeqCst) {
                    return;
                }
            }
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits until a lane may go on; `false` if it never will.
    fn is_let_on(&self, number: usize, place: usize, length: usize) -> bool {
        let may_go = || {
            number < self.closed_from.load(Ordering::SeqCst)
                && place < sent(self.allowed.load(Ordering::SeqCst), length)
        };
        if may_go() {
            return true;
        }
        while !may_go() && !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        may_go()
    }

    /// Sends a request once and says whether it was acknowledged.
    fn attempt(&self, turn: usize, delivery: &Delivery) -> bool {
        let collector = {
            let collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
            collectors[(turn + self.attempts.fetch_add(1, Ordering::SeqCst)) % collectors.len()].clone()
        };
        let Ok(mut answer) = post(&collector, delivery) else {
            std::thread::sleep(PAUSE);
            return false;
        };
        match answer.status().as_u16() {
            200 => {
                // The reply may be cut off; then it was none.
                let Ok(said) = answer.body_mut().read_to_string() else { return false };
                if let Some(problem) = unexpected(delivery, &said) {
                    self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                }
                true
            }
            429 => {
                self.put_off.fetch_add(1, Ordering::SeqCst);
                let after =
                    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                if after.is_none() {
                    let problem = "I1: a 429 came without Retry-After".to_owned();
                    self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                }
                std::thread::sleep(Duration::from_secs(after.unwrap_or(1).min(5)));
                false
            }
            _ => {
                std::thread::sleep(PAUSE);
                false
            }
        }
    }
}

/// Sends a request once: status and body of the answer.
pub(super) fn deliver(collector: &str, delivery: &Delivery) -> Result<(u16, String), ureq::Error> {
    let mut answer = post(collector, delivery)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

fn post(collector: &str, delivery: &Delivery) -> Result<Response<Body>, ureq::Error> {
    ureq::post(format!("http://{collector}{}", delivery.path))
        .config()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .header("content-type", if delivery.path.contains("csv") { "text/csv" } else { "application/json" })
        .send(delivery.body.as_str())
}

/// Every record that is sent is sound, so every one has to be accepted.
fn unexpected(delivery: &Delivery, said: &str) -> Option<String> {
    if delivery.path == "/v1/traces" {
        return said.contains("rejectedSpans").then(|| format!("I7: sound spans were rejected: {said}"));
    }
    let accepted = serde_json::from_str::<serde_json::Value>(said).ok()?["accepted"].as_u64();
    (accepted != Some(delivery.records as u64))
        .then(|| format!("I7: {} records were sent to {}: {said}", delivery.records, delivery.path))
}
