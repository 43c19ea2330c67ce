//! One run: processes, trouble, calm, and the judgement of what is left.

use super::check;
use super::dice::Dice;
use super::plan::{FETCHES, INTENTS, JUDGED, Plan, REJECTS, TOPICS};
use super::process::{Process, Topics};
use super::store::Plant;
use super::world::World;
use modellane_lake::LakeError;
use modellane_sink::{FETCHES_TABLE, INTENTS_TABLE, LEDGER_TABLE, REJECTS_TABLE, SinkError};

/// Steps within which everything must be in the tables once nothing fails any more.
const PATIENCE: usize = 20_000;

const FIRST: Topics = Topics { judged: JUDGED[0], fetches: FETCHES };

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The same for two runs exactly if the same happened in them.
    pub(crate) fingerprint: u64,
    pub(crate) commits: usize,
}

/// Runs a seed; the violations are of named invariants.
pub(crate) fn run(seed: u64, plant: Plant, verbose: bool) -> Result<Outcome, Vec<String>> {
    let mut dice = Dice::new(seed);
    let plan = Plan::throw(&mut dice);
    let world = World::new(dice, verbose);
    plan.prepare(&world);
    world.state().weather = plan.weather;
    let mut run =
        Run { world, plan, plant, processes: Vec::new(), started: 0, topics: FIRST, harm: Harm::default() };
    run.trouble();
    run.calm()?;
    run.read_again()?;
    let commits = run.world.state().tables[LEDGER_TABLE].len() - 1;
    Ok(Outcome { fingerprint: run.world.fingerprint(), commits })
}

/// What excuses a sink that ends by itself.
#[derive(Default)]
struct Harm {
    out_of_range: bool,
    clock: bool,
}

struct Run {
    world: World,
    plan: Plan,
    plant: Plant,
    processes: Vec<Process>,
    started: u32,
    /// The topics that new processes read.
    topics: Topics,
    harm: Harm,
}

impl Run {
    /// Everything that goes wrong.
    fn trouble(&mut self) {
        for _ in 0..self.plan.steps {
            if self.happens(250) {
                self.plan.feed(&self.world);
            }
            if self.processes.is_empty() && self.happens(300) {
                self.start(self.topics);
            }
            self.settle_late_writes(80);
            for _ in 0..self.plan.trouble {
                self.misfortune();
            }
            self.step();
        }
        while !self.plan.deliveries.is_empty() {
            self.plan.feed(&self.world);
        }
    }

    fn happens(&self, permille: u32) -> bool {
        self.world.state().dice.permille(permille)
    }

    fn below(&self, n: usize) -> usize {
        self.world.state().dice.below(n)
    }

    fn start(&mut self, topics: Topics) {
        self.started += 1;
        let process = Process::start(&self.world, self.started, topics, &self.plan.config, self.plant);
        self.processes.push(process);
    }

    fn misfortune(&mut self) {
        let live = self.processes.len();
        match self.below(1_000) {
            0..12 if live > 0 => {
                let dead = self.processes.swap_remove(self.below(live));
                self.world.state().note("a sink is killed", dead.number, 0);
            }
            12..22 if live < 3 => self.start(self.topics),
            22..32 if live > 0 => {
                let chosen = self.below(live);
                self.processes[chosen].frozen = 5 + self.below(80);
                self.world.state().note("a sink is frozen", self.processes[chosen].number, 0);
            }
            32..38 if live > 0 => {
                let chosen = self.below(live);
                self.processes[chosen].stop();
            }
            38..43 => self.jump(),
            43..46 => self.topics.judged = JUDGED[self.below(2)],
            46..50 => self.grow(),
            50..54 => self.displace(),
            54..70 => self.restore(),
            _ => {}
        }
    }

    /// The machine's clock is set, by up to two hours.
    fn jump(&mut self) {
        let mut state = self.world.state();
        let by = state.dice.between(-7_200_000_000, 7_200_000_000);
        state.clock_error += by;
        state.note("the clock jumps", 0, by);
        self.harm.clock = true;
    }

    /// A topic gets one more partition.
    fn grow(&self) {
        let mut state = self.world.state();
        let topic = state.dice.pick(&TOPICS);
        let partitions = state.topics.entry(topic.to_owned()).or_default();
        if partitions.len() < 5 {
            partitions.push(Default::default());
            state.note("a topic grows", 0, 0);
        }
    }

    /// A partition loses what the table has not read yet, or is restored to a point before what it has.
    fn displace(&mut self) {
        let mut state = self.world.state();
        let (topic, table) = state.dice.pick(&[
            (JUDGED[0], LEDGER_TABLE),
            (JUDGED[1], LEDGER_TABLE),
            (FETCHES, FETCHES_TABLE),
        ]);
        let partitions = state.topics[topic].len();
        let number = state.dice.below(partitions);
        let newest = state.newest(table);
        let Some(stands) = state.position(table, newest, &format!("{topic}/{number}")) else { return };
        let early = state.dice.permille(500);
        let Some(partition) = state.topics.get_mut(topic).and_then(|found| found.get_mut(number)) else {
            return;
        };
        match early {
            true if stands > 0 => partition.cut_at = Some(stands - 1),
            false if stands < partition.end() => partition.low = partition.end(),
            _ => return,
        }
        state.note("a partition is displaced", number as u32, stands);
        self.harm.out_of_range = true;
    }

    /// An operator has brought back what partitions lost, and the version that can read all of it.
    fn restore(&self) {
        for partition in self.world.state().topics.values_mut().flatten() {
            (partition.low, partition.cut_at) = (0, None);
            partition.upgrade();
        }
    }

    /// Writes that the store has held back arrive, or never do.
    fn settle_late_writes(&self, permille: u32) {
        let mut state = self.world.state();
        if state.late.is_empty() || !state.dice.permille(permille) {
            return;
        }
        let waiting = state.late.len();
        let chosen = state.dice.below(waiting);
        let late = state.late.swap_remove(chosen);
        if state.dice.permille(700) {
            let landed = state.land(late.table, late.version, late.entry);
            state.note("a late write arrives", 0, i64::from(landed));
        }
    }

    /// Each process may act; where none can, time passes.
    fn step(&mut self) {
        let before = self.world.state().progress;
        self.world.forget_sleepers();
        let mut ended = Vec::new();
        for (index, process) in self.processes.iter_mut().enumerate() {
            // Whoever is left out this time holds what it has read a while longer.
            let acts = self.world.state().dice.permille(850);
            if acts && let Some(outcome) = process.step() {
                ended.push((index, outcome));
            }
        }
        for (index, outcome) in ended.into_iter().rev() {
            let process = self.processes.remove(index);
            self.note_end(&process, outcome);
        }
        let everybody_waits = self.world.state().progress == before;
        if everybody_waits && self.processes.iter().all(|process| process.frozen == 0) {
            self.world.pass_time();
        }
    }

    /// A sink may end where it was stopped, lost its table, or met what only a person can mend.
    fn note_end(&self, process: &Process, outcome: Result<(), SinkError>) {
        let mut state = self.world.state();
        let excused = match &outcome {
            Ok(()) => process.stopping,
            Err(SinkError::NotOwner { theirs, ours, .. }) => theirs >= ours,
            Err(SinkError::OutOfRange { .. }) => self.harm.out_of_range,
            // Files are staged for an hour at most, by the machine's clock.
            Err(SinkError::Lake(LakeError::Damaged { action: "commit to a table", .. })) => self.harm.clock,
            Err(error) => error.is_retryable(),
        };
        let text = outcome.as_ref().err().map_or_else(|| "in order".to_owned(), ToString::to_string);
        state.note(&format!("a sink ends: {text}"), process.number, 0);
        if !excused {
            state.violations.push(format!("liveness: sink {} ended: {text}", process.number));
        }
    }

    /// Nothing fails any more; everything must come into the tables, and be right.
    fn calm(&mut self) -> Result<(), Vec<String>> {
        self.restore();
        if self.harm.out_of_range {
            // A sink that began where the log began then would wait for what comes after its end.
            self.processes.clear();
        }
        self.world.state().weather = Default::default();
        while !self.world.state().late.is_empty() {
            self.settle_late_writes(1_000);
        }
        self.processes.iter_mut().for_each(|process| process.frozen = 0);
        for judged in JUDGED {
            self.drain(Topics { judged, ..FIRST })?;
        }
        self.verdict(check::run(&self.world, &self.plan))
    }

    /// Runs a sink on topics until all of it is committed, beside those that are left over.
    fn drain(&mut self, topics: Topics) -> Result<(), Vec<String>> {
        for _ in 0..PATIENCE {
            if !self.processes.iter().any(|process| process.topics == topics && !process.stopping) {
                self.start(topics);
            }
            self.step();
            if self.is_drained(topics) {
                self.processes.clear();
                return Ok(());
            }
        }
        self.verdict(vec![format!("liveness: {} is not in the tables after {PATIENCE} steps", topics.judged)])
    }

    fn is_drained(&self, topics: Topics) -> bool {
        let state = self.world.state();
        let kept = state.tables[FETCHES_TABLE].iter().rfind(|version| !version.files.is_empty());
        let kept = kept.and_then(|version| version.position("recorded_at"));
        let applied = state.position(LEDGER_TABLE, state.newest(LEDGER_TABLE), "fetches");
        let pairs = [
            (topics.judged, LEDGER_TABLE),
            (topics.fetches, FETCHES_TABLE),
            (INTENTS, INTENTS_TABLE),
            (REJECTS, REJECTS_TABLE),
        ];
        applied >= kept
            && pairs.iter().all(|(topic, table)| {
                let newest = state.newest(table);
                state.topics[*topic].iter().enumerate().all(|(number, partition)| {
                    let stands = state.position(table, newest, &format!("{topic}/{number}"));
                    partition.messages.is_empty() || stands >= Some(partition.end())
                })
            })
    }

    /// I10: the first topics under the names of another cluster, from their beginning, add no entry.
    fn read_again(&mut self) -> Result<(), Vec<String>> {
        const AGAIN: Topics = Topics { judged: "again/judged", fetches: "again/fetches" };
        let before = check::entries(&self.world).len();
        {
            let mut state = self.world.state();
            let copy = |partition: &super::world::Partition| super::world::Partition {
                messages: partition.messages.clone(),
                ..Default::default()
            };
            for (from, to) in [(FIRST.judged, AGAIN.judged), (FIRST.fetches, AGAIN.fetches)] {
                let copied = state.topics[from].iter().map(copy).collect();
                state.topics.insert(to.to_owned(), copied);
            }
        }
        self.drain(AGAIN)?;
        let added = check::entries(&self.world).len() - before;
        let problems = (added > 0).then(|| format!("I10: reading again added {added} entries"));
        self.verdict(problems.into_iter().collect())
    }

    fn verdict(&self, mut problems: Vec<String>) -> Result<(), Vec<String>> {
        problems.extend(std::mem::take(&mut self.world.state().violations));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
