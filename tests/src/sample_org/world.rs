//! Thirty days of work: stints of one person on one task, and the requests made in them. The vendor files
//! are only views of this.

use super::behaviour::{Task, choose_model, draw_tokens, failures_permille, requests};
use super::calendar::{DAY_MS, HOUR_MS, MINUTE_MS, day_of, days, is_weekend, midnight_ms};
use super::dice::Dice;
use super::models::{Model, Tokens, model};
use super::people::{PEOPLE, Person, SHARED_KEY_OWNERS, Tool, WORKSPACES, Workspace, workspaces_of};
use modellane_event::Date;
use std::collections::HashSet;

/// Whose account a request runs under.
#[derive(Clone, Copy)]
pub(crate) enum Actor {
    Person(&'static Person),
    /// The gateway key of three owners.
    SharedKey,
    /// Continuous integration.
    Ci,
    /// The nightly evaluation.
    Nightly,
    /// An account that the directory does not list.
    Unknown,
    /// A record that names no account.
    Nobody,
}

impl Actor {
    /// Team at a moment, as the totals name it.
    pub(crate) fn team(self, at_ms: i64) -> String {
        match self {
            Self::Person(person) => person.team_on(day_of(at_ms)),
            Self::SharedKey => "(shared key)",
            Self::Ci => "fleet",
            Self::Nightly => "perception",
            Self::Unknown => "(unknown)",
            Self::Nobody => "(nobody)",
        }
        .to_owned()
    }
}

/// One person on one task in one repository for an hour or two.
pub(crate) struct Stint {
    pub(crate) person: &'static Person,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) workspace: &'static Workspace,
    pub(crate) task: Task,
    pub(crate) ticket: String,
    pub(crate) tool: Tool,
    /// Session id of the tool.
    pub(crate) session: String,
}

/// One request to a model.
pub(crate) struct Call {
    pub(crate) at_ms: i64,
    pub(crate) actor: Actor,
    pub(crate) tool: Tool,
    /// Index of the stint; none for machines and outsiders.
    pub(crate) stint: Option<usize>,
    pub(crate) workspace: &'static Workspace,
    pub(crate) session: String,
    pub(crate) model: &'static Model,
    pub(crate) tokens: Tokens,
    pub(crate) failed: bool,
}

/// Everything that happened.
pub(crate) struct World {
    pub(crate) stints: Vec<Stint>,
    /// In order of time.
    pub(crate) calls: Vec<Call>,
}

impl World {
    /// Lets the organisation work for thirty days.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self { stints: Vec::new(), calls: Vec::new() };
        for person in PEOPLE {
            let mut dice = Dice::new(seed, &format!("work {}", person.id));
            for day in days().filter(|day| person.is_here(*day)) {
                world.work_day(&mut dice, person, day);
            }
        }
        let mut dice = Dice::new(seed, "machines");
        for day in days() {
            world.machines(&mut dice, day);
            world.contractor(&mut dice, day);
        }
        world.calls.sort_by_key(|call| (call.at_ms, call.session.clone()));
        world.separate();
        world
    }

    /// Requests of one tool in order of time.
    pub(crate) fn calls_of(&self, tool: Tool) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.tool == tool)
    }

    fn work_day(&mut self, dice: &mut Dice, person: &'static Person, day: Date) {
        if is_weekend(day) {
            if dice.percent(7) {
                self.stint(dice, person, midnight_ms(day) + 10 * HOUR_MS);
            }
            return;
        }
        if dice.percent(8) {
            return;
        }
        let mut at = midnight_ms(day) + 7 * HOUR_MS + dice.between(0, 150) * MINUTE_MS;
        for _ in 0..dice.weighted(&[(1, 3), (2, 5), (3, 2)]) {
            let end = self.stint(dice, person, at);
            if dice.percent(7) {
                self.stint(dice, person, at + (end - at) / 2);
            }
            at = end + dice.between(5, 70) * MINUTE_MS;
        }
    }

    /// Adds a stint with its requests; returns its end.
    fn stint(&mut self, dice: &mut Dice, person: &'static Person, start_ms: i64) -> i64 {
        let team = person.team_on(day_of(start_ms));
        let own: Vec<_> = workspaces_of(team).collect();
        let workspace = if dice.percent(88) { *dice.pick(&own) } else { dice.pick(WORKSPACES) };
        let stint = Stint {
            person,
            start_ms,
            end_ms: start_ms + dice.between(45, 150) * MINUTE_MS,
            workspace,
            task: Task::draw(dice),
            ticket: format!("{}-{}", workspace.ticket, dice.between(100, 999)),
            tool: dice.weighted(person.tools),
            session: dice.uuid(),
        };
        let end_ms = stint.end_ms;
        let index = self.stints.len();
        self.work(dice, &stint, index, stint.tool);
        if person.has(Tool::Copilot) && stint.tool != Tool::Copilot && dice.percent(25) {
            self.work(dice, &stint, index, Tool::Copilot);
        }
        self.stints.push(stint);
        end_ms
    }

    fn work(&mut self, dice: &mut Dice, stint: &Stint, index: usize, tool: Tool) {
        let day = day_of(stint.start_ms);
        let shared =
            tool == Tool::Gateway && SHARED_KEY_OWNERS.contains(&stint.person.id) && dice.percent(30);
        let actor = if shared { Actor::SharedKey } else { Actor::Person(stint.person) };
        let count = requests(dice, tool);
        for _ in 0..count {
            let team = stint.person.team_on(day);
            let chosen = choose_model(dice, tool, team, stint.task, stint.workspace, day);
            self.calls.push(Call {
                at_ms: dice.between(stint.start_ms, stint.end_ms - 1),
                actor,
                tool,
                stint: Some(index),
                workspace: stint.workspace,
                session: stint.session.clone(),
                model: chosen,
                tokens: draw_tokens(dice, tool, chosen),
                failed: dice.permille(failures_permille(tool)),
            });
        }
    }

    /// Continuous integration by day, an evaluation by night, both through the gateway; a few headless runs
    /// of Cursor.
    fn machines(&mut self, dice: &mut Dice, day: Date) {
        let busy = if is_weekend(day) { 2 } else { 6 };
        for _ in 0..busy {
            let chosen =
                model(dice.weighted(&[("claude-haiku-5-5", 80), ("gpt-6.1-sol", 15), ("gpt-6-astra", 5)]));
            self.machine(dice, Actor::Ci, Tool::Gateway, chosen, hours(day, 6, 20));
        }
        if !is_weekend(day) && dice.percent(60) {
            let chosen = model("composer-2.5");
            self.machine(dice, Actor::Ci, Tool::Cursor, chosen, hours(day, 9, 17));
        }
        for _ in 0..3 {
            let chosen = model(dice.weighted(&[("gemini-3.8-flash", 70), ("claude-sonnet-5-5", 30)]));
            self.machine(dice, Actor::Nightly, Tool::Gateway, chosen, hours(day, 1, 3));
        }
    }

    fn machine(
        &mut self,
        dice: &mut Dice,
        actor: Actor,
        tool: Tool,
        chosen: &'static Model,
        window: (i64, i64),
    ) {
        let at_ms = dice.between(window.0, window.1);
        self.calls.push(Call {
            at_ms,
            actor,
            tool,
            stint: None,
            workspace: &WORKSPACES[4],
            session: dice.uuid(),
            model: chosen,
            tokens: draw_tokens(dice, tool, chosen),
            failed: dice.permille(failures_permille(tool)),
        });
    }

    /// Somebody from outside, whom the directory does not list.
    fn contractor(&mut self, dice: &mut Dice, day: Date) {
        if is_weekend(day) || dice.percent(30) {
            return;
        }
        for tool in [Tool::Copilot, Tool::Cursor] {
            for _ in 0..dice.between(1, 4) {
                let chosen = model(dice.weighted(&[("gpt-6.1-sol", 2), ("claude-opus-5-5", 1)]));
                self.machine(dice, Actor::Unknown, tool, chosen, hours(day, 8, 18));
            }
        }
    }

    /// No two requests share a millisecond, so that a vendor without ids still has distinct keys.
    fn separate(&mut self) {
        let mut taken = HashSet::new();
        for call in &mut self.calls {
            while !taken.insert(call.at_ms) {
                call.at_ms += 1;
            }
        }
        self.calls.sort_by_key(|call| call.at_ms);
        debug_assert!(self.calls.iter().all(|call| call.at_ms % DAY_MS < DAY_MS - HOUR_MS));
    }
}

fn hours(day: Date, from: i64, to: i64) -> (i64, i64) {
    (midnight_ms(day) + from * HOUR_MS, midnight_ms(day) + to * HOUR_MS)
}
