//! The oracle: what the tables hold against what the messages say.

use super::message::{Standing, truth};
use super::plan::{FETCHES, INTENTS, JUDGED, Plan, REJECTS};
use super::world::{State, World};
use crate::support::{Entry, commit_record, counters_of, entries_of, presence_of};
use arrow::array::AsArray;
use modellane_event::EventId;
use modellane_ledger::{
    CommitRecord, Counters, PresenceCounters, StreamRange, check_commits, check_counters, check_entries,
    check_presence, check_verdicts,
};
use modellane_sink::{FETCHES_TABLE, INTENTS_TABLE, LEDGER_TABLE, REJECTS_TABLE};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that is wrong, by invariant.
pub(crate) fn run(world: &World, plan: &Plan) -> Vec<String> {
    let entries = entries(world);
    let state = world.state();
    let mut problems = Vec::new();
    problems.extend(owners(&state));
    problems.extend(positions(&state));
    problems.extend(times(&state));
    problems.extend(structure(&state, &entries));
    problems.extend(rejects(&state, plan));
    problems.extend(fetches(&state, plan));
    problems.extend(contents(&entries, plan));
    problems
}

/// Entries of the ledger in order of commit.
pub(crate) fn entries(world: &World) -> Vec<Entry> {
    let state = world.state();
    let files = state.tables[LEDGER_TABLE].iter().flat_map(|version| &version.files);
    files.flat_map(|file| entries_of(&state.files[&file.path])).collect()
}

/// An epoch belongs to one process, and no process commits after one with a greater epoch did.
fn owners(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    for table in [LEDGER_TABLE, INTENTS_TABLE, REJECTS_TABLE, FETCHES_TABLE] {
        let mut newest = 0;
        let mut writers: HashMap<i64, u32> = HashMap::new();
        for (version, entry) in state.tables[table].iter().enumerate().skip(1) {
            let epoch = entry.position("owner").unwrap_or(0);
            if epoch < newest {
                problems.push(format!("owner: {table} version {version} has epoch {epoch} after {newest}"));
            }
            newest = newest.max(epoch);
            if *writers.entry(epoch).or_insert(entry.writer) != entry.writer {
                problems.push(format!("owner: {table} version {version}: two sinks have epoch {epoch}"));
            }
        }
    }
    problems
}

fn records(state: &State, table: &str) -> Vec<CommitRecord> {
    state.tables[table].iter().skip(1).map(|entry| commit_record(&entry.info)).collect()
}

/// I1 and I6: ranges tile each stream from its first offset to its last, and the stored positions say so.
fn positions(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    for (table, topics) in [
        (LEDGER_TABLE, &JUDGED[..]),
        (INTENTS_TABLE, &[INTENTS][..]),
        (REJECTS_TABLE, &[REJECTS][..]),
        (FETCHES_TABLE, &[FETCHES][..]),
    ] {
        let records = records(state, table);
        problems
            .extend(check_commits(&records).into_iter().map(|violation| format!("{violation} of {table}")));
        for topic in topics {
            for (number, partition) in state.topics[*topic].iter().enumerate() {
                if partition.messages.is_empty() {
                    continue;
                }
                let of_it = |range: &&StreamRange| range.stream == *topic && range.partition == number as i32;
                let ranges: Vec<_> = records.iter().flat_map(|record| &record.ranges).filter(of_it).collect();
                let covered = ranges.first().map(|first| first.from).zip(ranges.last().map(|last| last.to));
                let stored = state.position(table, state.newest(table), &format!("{topic}/{number}"));
                if covered != Some((0, partition.end())) || stored != Some(partition.end()) {
                    let end = partition.end();
                    problems.push(format!(
                        "I6: {topic}/{number} ends at {end}, {table} covers {covered:?} and stands at {stored:?}"
                    ));
                }
            }
        }
    }
    problems
}

/// I9: every entry carries the time of its commit, so a snapshot as of a time is a prefix of the history.
fn times(state: &State) -> Vec<String> {
    let mut problems = Vec::new();
    for (version, entry) in state.tables[LEDGER_TABLE].iter().enumerate().skip(1) {
        let stated = commit_record(&entry.info).recorded_at;
        let rows = entry.files.iter().flat_map(|file| entries_of(&state.files[&file.path]));
        if rows.into_iter().any(|row| row.view.recorded_at != stated) {
            problems.push(format!("I9: version {version} holds entries of another time than its own"));
        }
    }
    problems
}

/// I2, I4, I7 and I8.
fn structure(state: &State, entries: &[Entry]) -> Vec<String> {
    let views: Vec<_> = entries.iter().map(|entry| entry.view).collect();
    let (mut counters, mut presence) = (Counters::default(), PresenceCounters::default());
    let mut produced = 0;
    for version in state.tables[LEDGER_TABLE].iter().skip(1) {
        counters.add(&counters_of(&version.info));
        presence.add(&presence_of(&version.info));
        for range in &commit_record(&version.info).ranges {
            let messages = &state.topics[&range.stream][range.partition as usize].messages;
            let within = |(offset, _): &&(i64, _)| (range.from..range.to).contains(offset);
            produced += messages.iter().filter(within).count() as u64;
        }
    }
    let mut violations = check_entries(&views);
    violations.extend(check_verdicts(&views));
    violations.extend(check_counters(produced, &counters, &views));
    violations.extend(check_presence(&counters, &presence, &views));
    violations.iter().map(ToString::to_string).collect()
}

/// I1 and I2 of what is no usage: each undecodable message leaves its coordinates, each record of the topic
/// of rejects one row.
fn rejects(state: &State, plan: &Plan) -> Vec<String> {
    let mut rows: HashMap<Vec<u8>, usize> = HashMap::new();
    for file in state.tables[REJECTS_TABLE].iter().flat_map(|version| &version.files) {
        let ids =
            state.files[&file.path].column_by_name("reject_id").expect("rejects have ids").as_binary::<i32>();
        ids.iter().flatten().for_each(|id| *rows.entry(id.to_vec()).or_default() += 1);
    }
    let (sent, own): (Vec<_>, Vec<_>) = rows.iter().partition(|(id, _)| id.iter().all(|byte| *byte == id[0]));
    let mut problems = Vec::new();
    if own.len() != plan.undecodable {
        problems.push(format!("I1: {} undecodable messages, {} kept", plan.undecodable, own.len()));
    }
    if sent.len() != plan.rejects || sent.iter().any(|(_, count)| **count != 1) {
        problems.push(format!("I2: {} rejects sent, {} kept, not each once", plan.rejects, sent.len()));
    }
    problems
}

/// I1 and I2 of complete fetches: each message is one row.
fn fetches(state: &State, plan: &Plan) -> Vec<String> {
    let files = state.tables[FETCHES_TABLE].iter().flat_map(|version| &version.files);
    let rows: usize = files.map(|file| state.files[&file.path].num_rows()).sum();
    let problem = || format!("I1: {} messages of fetches, {rows} rows of them", plan.fetch_messages);
    (rows != plan.fetch_messages).then(problem).into_iter().collect()
}

/// I3, I5 and I10: the current entries are what the messages say, and so are the sums that any reader takes.
fn contents(entries: &[Entry], plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    let produced: BTreeSet<(EventId, Standing)> =
        plan.messages.iter().map(|message| (message.id(), message.standing())).collect();
    let mut signs: HashMap<(EventId, i32), i32> = HashMap::new();
    for entry in entries {
        *signs.entry((entry.view.event_id, entry.view.revision)).or_default() +=
            i32::from(entry.view.entry_sign);
        if entry.view.entry_sign > 0 && !produced.contains(&(entry.view.event_id, standing(entry))) {
            problems.push(format!("I3: event {} has an entry that nobody produced", entry.view.event_id));
        }
    }
    let stands =
        |entry: &&Entry| entry.view.entry_sign > 0 && signs[&(entry.view.event_id, entry.view.revision)] == 1;
    let current: BTreeMap<EventId, Standing> =
        entries.iter().filter(stands).map(|entry| (entry.view.event_id, standing(entry))).collect();
    let truth = truth(&plan.messages, &plan.fetches);
    if current != truth {
        let differs = truth.iter().find(|(id, standing)| current.get(id) != Some(standing));
        problems.push(format!("I10: {differs:?} is not what the table says, {} events", current.len()));
    }
    let sums = |all: &mut dyn Iterator<Item = (i8, i64, i8, i128)>| {
        all.fold((0i64, 0i128), |(tokens, cost), (usage_sign, of_tokens, cost_sign, of_cost)| {
            (tokens + i64::from(usage_sign) * of_tokens, cost + i128::from(cost_sign) * of_cost)
        })
    };
    let read = sums(
        &mut entries
            .iter()
            .map(|entry| (entry.view.usage_sign, entry.tokens, entry.view.cost_sign, entry.cost)),
    );
    let true_sums = sums(&mut truth.values().map(|it| (it.usage_sign, it.tokens, it.cost_sign, it.cost)));
    if read != true_sums {
        problems.push(format!("I5: the sums are {read:?}, the truth is {true_sums:?}"));
    }
    problems
}

fn standing(entry: &Entry) -> Standing {
    let team = ["payments", "search", "platform"].into_iter().find(|team| *team == entry.team);
    Standing {
        tokens: entry.tokens,
        cost: entry.cost,
        team: team.unwrap_or("unknown"),
        usage_sign: entry.view.usage_sign,
        cost_sign: entry.view.cost_sign,
    }
}
