//! An organisation whose truth is known: who worked on what, what they declared of it and what the vendors'
//! records show of it, each blurred by its own noise.

use crate::dice::Dice;
use modellane_event::{
    AccountHash, AccountKind, AccountRef, Amount, CostBasis, CostEvidence, Currency, EventId, IntentEvent,
    IntentOrigin, Label, PersonId, Sensitivity, SessionKey, TicketKey, UsageEvent, UsageFacts, UtcTime, Who,
    Work, WorkspaceKey,
};
use modellane_judge::{
    AccountEntry, DirectoryObject, MembershipEntry, Period, PersonEntry, TeamEntry, WorkspaceEntry,
};

pub(crate) const PEOPLE: usize = 1_500;
pub(crate) const TEAMS: usize = 50;
pub(crate) const WORKDAYS: usize = 25;
/// Weights and calibration come from the days before, all measurements from this one on.
pub(crate) const FIRST_HELD_OUT: usize = 15;
const MINUTE: f64 = 60e6;

/// How much is hidden or wrong. Each number is a probability unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Work that nobody declared.
    pub(crate) undeclared: f64,
    /// A declared intent names the session of its tool.
    pub(crate) keyed: f64,
    /// Of a session's later uses: a new session id all the same.
    pub(crate) new_session: f64,
    /// A key points at the work before.
    pub(crate) wrong_key: f64,
    /// A record names its repository, by source.
    pub(crate) repo_seen: [f64; 3],
    /// What it names is another one.
    pub(crate) repo_wrong: f64,
    /// A record names its ticket, by source.
    pub(crate) ticket_seen: [f64; 3],
    /// What it names is another one.
    pub(crate) ticket_wrong: f64,
    /// An intent names its repository, and its ticket.
    pub(crate) declared_repo: f64,
    pub(crate) declared_ticket: f64,
    /// An intent is declared late, and by so many minutes on average.
    pub(crate) late: f64,
    pub(crate) late_minutes: f64,
    /// Nobody ends an intent.
    pub(crate) unended: f64,
    /// The next work begins before the last one ends.
    pub(crate) overlap: f64,
    /// Teams whose work is all in one repository.
    pub(crate) monorepo: f64,
    /// People who share a gateway key with somebody.
    pub(crate) shared_key: f64,
    /// Records that name nobody.
    pub(crate) nobody: f64,
    /// Spread of vendors' clocks, in minutes.
    pub(crate) skew_minutes: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            undeclared: 0.40,
            keyed: 0.28,
            new_session: 0.05,
            wrong_key: 0.003,
            repo_seen: [0.60, 0.30, 0.20],
            repo_wrong: 0.02,
            ticket_seen: [0.15, 0.08, 0.05],
            ticket_wrong: 0.01,
            declared_repo: 0.80,
            declared_ticket: 0.40,
            late: 0.25,
            late_minutes: 30.0,
            unended: 0.20,
            overlap: 0.45,
            monorepo: 0.30,
            shared_key: 0.06,
            nobody: 0.01,
            skew_minutes: 1.5,
        }
    }
}

impl Noise {
    /// All noise times a factor, for grades of it.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let worse = |p: f64| (p * factor).min(0.95);
        let rarer = |p: f64| 1.0 - ((1.0 - p) * factor).min(0.98);
        Self {
            undeclared: worse(self.undeclared),
            keyed: self.keyed,
            new_session: worse(self.new_session),
            wrong_key: worse(self.wrong_key),
            repo_seen: self.repo_seen.map(rarer),
            repo_wrong: worse(self.repo_wrong),
            ticket_seen: self.ticket_seen.map(rarer),
            ticket_wrong: worse(self.ticket_wrong),
            declared_repo: rarer(self.declared_repo),
            declared_ticket: rarer(self.declared_ticket),
            late: worse(self.late),
            late_minutes: self.late_minutes * factor,
            unended: worse(self.unended),
            overlap: worse(self.overlap),
            monorepo: worse(self.monorepo),
            shared_key: worse(self.shared_key),
            nobody: worse(self.nobody),
            skew_minutes: self.skew_minutes * factor,
        }
    }
}

pub(crate) const SOURCES: [&str; 3] = ["claude_code.otel", "cursor.usage_events", "litellm.spend_logs"];
const TOOLS: [&str; 3] = ["claude_code", "cursor", "litellm"];
const VENDORS: [&str; 3] = ["anthropic", "cursor", "internal"];
const TASKS: [&str; 5] = ["routine", "review", "architecture", "incident", "research"];
const TASK_MIX: [f64; 5] = [0.50, 0.20, 0.12, 0.08, 0.10];
const MODELS: [&str; 3] = ["claude-sonnet-5-5", "claude-opus-5-5", "deepseek-v4"];

/// What guidance would say if everything were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Followed,
    Drifted,
    Undecided,
}

/// One use with its truth.
pub(crate) struct Use {
    pub(crate) event: UsageEvent,
    /// Intent that it belongs to, by its place in [`World::intents`]; null if its work was not declared.
    pub(crate) intent: Option<usize>,
    pub(crate) verdict: Truth,
    pub(crate) day: usize,
    pub(crate) team: usize,
    pub(crate) source: usize,
    pub(crate) keyed: bool,
}

pub(crate) struct World {
    pub(crate) directory: DirectoryObject,
    pub(crate) intents: Vec<IntentEvent>,
    pub(crate) uses: Vec<Use>,
}

fn id(kind: u8, number: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn account(kind: AccountKind, number: usize) -> AccountRef {
    AccountRef { kind, hash: AccountHash(id(1 + u8::from(kind == AccountKind::ApiKey), number as u64)) }
}

/// First workday: Monday, 5 January 2026.
fn midnight(day: usize) -> f64 {
    let date = UtcTime::parse("2026-01-05T00:00:00Z").map_or(0, |time| time.0);
    date as f64 + (day / 5 * 7 + day % 5) as f64 * 24.0 * 60.0 * MINUTE
}

/// A stretch of work on one thing.
struct Episode {
    person: usize,
    day: usize,
    from: f64,
    to: f64,
    repo: usize,
    ticket: u64,
    task: usize,
    intent: Option<usize>,
    session: u64,
}

struct Person {
    team: usize,
    repos: Vec<usize>,
    sources: [f64; 3],
    /// Number of the key that their gateway use goes by.
    gateway_key: usize,
}

/// Repositories of a team follow those of the teams before it.
const REPOS_OF_TEAM: usize = 8;

pub(crate) struct Simulation {
    dice: Dice,
    noise: Noise,
    people: Vec<Person>,
    world: World,
    tickets: u64,
    sessions: u64,
}

impl Simulation {
    pub(crate) fn run(seed: u64, noise: Noise) -> World {
        let mut dice = Dice::new(seed);
        let people = people(&mut dice, &noise);
        let directory = directory(&people);
        let world = World { directory, intents: Vec::new(), uses: Vec::new() };
        let mut simulation = Self { dice, noise, people, world, tickets: 0, sessions: 0 };
        for day in 0..WORKDAYS {
            for person in 0..PEOPLE {
                simulation.day_of(person, day);
            }
        }
        simulation.world
    }

    fn day_of(&mut self, person: usize, day: usize) {
        let mut at = midnight(day) + (9.0 * 60.0 + 30.0 * self.dice.normal()) * MINUTE;
        let end = midnight(day) + (17.5 * 60.0 + 30.0 * self.dice.normal()) * MINUTE;
        let mut before: Option<Episode> = None;
        while at < end {
            let minutes = (90.0 * (0.7 * self.dice.normal()).exp()).clamp(15.0, 300.0);
            let episode = self.episode(person, day, (at, at + minutes * MINUTE), before.as_ref());
            at = if self.dice.chance(self.noise.overlap) {
                at + minutes * MINUTE * (0.3 + 0.6 * self.dice.unit())
            } else {
                episode.to + self.dice.exponential(10.0) * MINUTE
            };
            self.uses_of(&episode, before.as_ref());
            before = Some(episode);
        }
    }

    fn episode(
        &mut self,
        person: usize,
        day: usize,
        (from, to): (f64, f64),
        before: Option<&Episode>,
    ) -> Episode {
        // Work often goes on where it was left.
        let (repo, ticket) = match before {
            Some(before) if self.dice.chance(0.25) => (before.repo, before.ticket),
            _ => {
                let repos = &self.people[person].repos;
                let popularity: Vec<f64> = (1..=repos.len()).map(|rank| 1.0 / rank as f64).collect();
                self.tickets += 1;
                (repos[self.dice.weighted(&popularity)], self.tickets)
            }
        };
        self.sessions += 1;
        let task = self.dice.weighted(&TASK_MIX);
        let mut episode =
            Episode { person, day, from, to, repo, ticket, task, intent: None, session: self.sessions };
        if !self.dice.chance(self.noise.undeclared) {
            self.declare(&mut episode);
        }
        episode
    }

    fn declare(&mut self, episode: &mut Episode) {
        let Noise { late, late_minutes, unended, keyed, declared_repo, declared_ticket, .. } = self.noise;
        let mut start = episode.from + 3.0 * self.dice.normal() * MINUTE;
        if self.dice.chance(late) {
            start += self.dice.exponential(late_minutes) * MINUTE;
        }
        let end = (episode.to + 6.0 * self.dice.normal() * MINUTE).max(start + MINUTE);
        let ended_at = (!self.dice.chance(unended)).then_some(UtcTime(end as i64));
        let number = self.world.intents.len();
        let tool = self.dice.weighted(&self.people[episode.person].sources);
        episode.intent = Some(number);
        self.world.intents.push(IntentEvent {
            intent_id: label(&format!("i-{number}")),
            account: account(AccountKind::Email, episode.person),
            workspace_key: self.dice.chance(declared_repo).then(|| repo_key(episode.repo)),
            branch_key: None,
            ticket_key: self.dice.chance(declared_ticket).then(|| TicketKey(id(4, episode.ticket))),
            session_key: self.dice.chance(keyed).then(|| session_key(tool, episode.session)),
            task: Some(label(TASKS[episode.task])),
            tool: Some(label(TOOLS[tool])),
            started_at: UtcTime(start as i64),
            ended_at,
            recorded_at: UtcTime(start as i64),
            origin: IntentOrigin::Cli,
        });
    }

    fn uses_of(&mut self, episode: &Episode, before: Option<&Episode>) {
        let minutes = (episode.to - episode.from) / MINUTE;
        let mut at = episode.from + self.dice.exponential(25.0) * MINUTE;
        let most = 1 + (minutes / 20.0) as usize;
        for _ in 0..most {
            if at >= episode.to {
                break;
            }
            self.use_at(at, episode, before);
            at += (15.0 + self.dice.exponential(45.0)) * MINUTE;
        }
    }

    fn use_at(&mut self, at: f64, episode: &Episode, before: Option<&Episode>) {
        let noise = self.noise;
        let person = &self.people[episode.person];
        let source = self.dice.weighted(&person.sources);
        let (team, gateway_key) = (person.team, person.gateway_key);
        let who_else = self.dice.below(person.repos.len());
        let other_repo = person.repos[who_else];
        let seen_at = UtcTime((at + noise.skew_minutes * self.dice.normal() * MINUTE) as i64);
        let repo = match () {
            () if !self.dice.chance(noise.repo_seen[source]) => None,
            () if self.dice.chance(noise.repo_wrong) => Some(other_repo),
            () => Some(episode.repo),
        };
        let ticket = match before {
            _ if !self.dice.chance(noise.ticket_seen[source]) => None,
            Some(before) if self.dice.chance(noise.ticket_wrong) => Some(before.ticket),
            _ => Some(episode.ticket),
        };
        let session = match before {
            Some(before) if self.dice.chance(noise.wrong_key) => before.session,
            _ if self.dice.chance(noise.new_session) => {
                self.sessions += 1;
                self.sessions
            }
            _ => episode.session,
        };
        let session = session_key(source, session);
        let hard = episode.task >= 2;
        let frontier = if hard { 0.55 } else { 0.10 };
        let model = self.dice.weighted(&[0.96 - frontier, frontier, 0.04]);
        let mut facts = UsageFacts::request(label(VENDORS[source]), seen_at, seen_at);
        facts.tool = Some(label(TOOLS[source]));
        facts.model = Some(label(MODELS[model]));
        let accounts = match source {
            _ if self.dice.chance(noise.nobody) => Vec::new(),
            2 => vec![account(AccountKind::ApiKey, gateway_key)],
            _ => vec![account(AccountKind::Email, episode.person)],
        };
        facts.who = Who { accounts, session_key: Some(session), request_key: None };
        facts.work = Work {
            workspace_key: repo.map(repo_key),
            ticket_key: ticket.map(|ticket| TicketKey(id(4, ticket))),
            ..Work::default()
        };
        let cents = (self.dice.normal() + 2.0).exp();
        facts.cost = CostEvidence {
            basis: CostBasis::VendorReported,
            amount: Amount::from_billionths((cents * 1e7) as i128).ok(),
            list_amount: None,
            currency: Some(Currency::usd()),
        };
        let declared = episode.intent.map(|number| &self.world.intents[number]);
        let keyed = declared.is_some_and(|intent| intent.session_key == Some(session));
        // What the record says of the repository is a fact; else the declaration's is.
        let sensitive = repo.is_some() || declared.is_some_and(|intent| intent.workspace_key.is_some());
        let verdict = truth(model, declared.map(|_| hard), sensitive.then(|| is_public(episode.repo)));
        let number = self.world.uses.len() as u64;
        let event = UsageEvent {
            event_id: EventId(id(7, number)),
            source: label(SOURCES[source]),
            source_key: label("simulated"),
            scope_key: None,
            observed_at: seen_at,
            event_date: seen_at.date(),
            content_hash: facts.content_hash(),
            facts,
        };
        let Episode { day, intent, .. } = *episode;
        self.world.uses.push(Use { event, intent, verdict, day, team, source, keyed });
    }
}

/// The guidance of [`crate::GUIDANCE`] in words: standard models always; frontier models for hard work and not
/// for easy work; models without approval in public repositories and in no others.
fn truth(model: usize, hard: Option<bool>, public: Option<bool>) -> Truth {
    let decided = match model {
        0 => Some(true),
        1 => hard,
        _ => public,
    };
    match decided {
        Some(true) => Truth::Followed,
        Some(false) => Truth::Drifted,
        None => Truth::Undecided,
    }
}

fn people(dice: &mut Dice, noise: &Noise) -> Vec<Person> {
    let monorepos: Vec<bool> = (0..TEAMS).map(|_| dice.chance(noise.monorepo)).collect();
    let mut people: Vec<Person> = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        let team = number % TEAMS;
        let own = |place: usize| team * REPOS_OF_TEAM + place;
        let repos = if monorepos[team] {
            vec![own(0)]
        } else {
            let first = dice.below(REPOS_OF_TEAM);
            (0..4).map(|step| own((first + step) % REPOS_OF_TEAM)).collect()
        };
        let favourite = dice.below(3);
        let mut sources = [0.15; 3];
        sources[favourite] = 0.70;
        let shares = number >= TEAMS && dice.chance(noise.shared_key);
        let gateway_key = if shares { people[number - TEAMS].gateway_key } else { number };
        people.push(Person { team, repos, sources, gateway_key });
    }
    people
}

fn directory(people: &[Person]) -> DirectoryObject {
    let entry = |account| AccountEntry { account, period: Period::default() };
    let person = |(number, person): (usize, &Person)| PersonEntry {
        person_id: PersonId(id(3, number as u64)),
        accounts: vec![
            entry(account(AccountKind::Email, number)),
            entry(account(AccountKind::ApiKey, person.gateway_key)),
        ],
        memberships: vec![MembershipEntry {
            team: label(&format!("team-{}", person.team)),
            cost_center: None,
            period: Period::default(),
        }],
    };
    let team =
        |number| TeamEntry { id: label(&format!("team-{number}")), name: None, owner: None, parent: None };
    let workspace = |number: usize| WorkspaceEntry {
        id: label(&format!("github.com/acme/repo-{number}")),
        key: repo_key(number),
        team: None,
        sensitivity: Some(if is_public(number) { Sensitivity::Public } else { Sensitivity::Internal }),
    };
    DirectoryObject {
        format: DirectoryObject::FORMAT,
        people: people.iter().enumerate().map(person).collect(),
        service_accounts: Vec::new(),
        teams: (0..TEAMS).map(team).collect(),
        cost_centers: Vec::new(),
        workspaces: (0..TEAMS * REPOS_OF_TEAM).map(workspace).collect(),
    }
}

/// Sessions of different tools have different ids.
fn session_key(source: usize, number: u64) -> SessionKey {
    SessionKey(id(50 + source as u8, number))
}

fn is_public(repo: usize) -> bool {
    repo.is_multiple_of(5)
}

fn repo_key(repo: usize) -> WorkspaceKey {
    WorkspaceKey(id(6, repo as u64))
}

fn label(text: &str) -> Label {
    Label::new(text).expect("the simulator's own texts are labels")
}
