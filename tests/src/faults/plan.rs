//! Plans by name, and running one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::arena::{Arena, Setup};
use super::plans;
use super::servers::Servers;

/// One kind of harm.
pub struct Plan {
    /// Its number in the list of faults.
    pub number: u8,
    /// Its name on the command line.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// Brokers of its cluster.
    pub brokers: usize,
    /// What it is done to.
    pub setup: fn(Setup) -> Setup,
    /// Does it.
    pub run: fn(&mut Arena<'_>) -> Result<()>,
}

/// How large a run is, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The same seed draws the same records and the same moments.
    pub seed: u64,
    /// Events that are sent; the number of faults grows with them.
    pub events: usize,
}

/// What came of a run.
#[derive(Debug)]
pub struct Survived {
    /// The judge's counts.
    pub counts: Value,
    /// What the plan has to say about what it did.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// All plans, by number.
pub const PLANS: &[Plan] = plans::ALL;

/// The plan of a name or number.
pub fn find(name: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.name == name || plan.number.to_string() == name)
}

impl Plan {
    /// Runs the plan, waits until everything has come through, and judges. An error names plan, seed and the
    /// invariant that does not hold, and where the logs are.
    pub fn survive(&self, servers: &mut Servers, size: Size) -> Result<Survived> {
        let begun = Instant::now();
        let label = format!("plan {} {}, seed {}, {} events", self.number, self.name, size.seed, size.events);
        let mut arena =
            Arena::open(servers, (self.setup)(Setup::of(self.name, size))).with_context(|| label.clone())?;
        let outcome = (self.run)(&mut arena).and_then(|()| arena.settle());
        let notes = arena.take_notes();
        let dir = arena.dir().to_owned();
        outcome
            .map(|counts| Survived { counts, notes, took: begun.elapsed() })
            .map_err(|error| anyhow!("{label}: {error:#}\n{}", last_lines(&dir)))
    }
}

/// The last lines of every log in a folder.
fn last_lines(dir: &Path) -> String {
    let mut text = format!("logs are in {}\n", dir.display());
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(8)..].join("\n");
            text.push_str(&format!(
                "--- {}\n{tail}\n",
                path.file_name().unwrap_or_default().to_string_lossy()
            ));
        }
    }
    text
}
