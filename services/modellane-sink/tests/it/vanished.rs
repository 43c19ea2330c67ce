//! Events that a vendor no longer has: what complete fetches do to the files.

use crate::support::{
    Bench, Entry, MemoryLog, Told, active_files, commits, presence, read, sums, time, truth,
};
use modellane_event::{EntryKind, FetchId, Label, ScopeClosed, UtcTime};
use modellane_ledger::{PresenceCounters, check_commits, check_counters, check_entries, check_presence};
use modellane_sink::{FETCHES_TABLE, LEDGER_TABLE, REJECTS_TABLE, SinkError, Stage, StageHook};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Events of one day, which is one scope.
fn of_a_day(day: u32, count: u32) -> Vec<Told> {
    (0..count).map(|n| Told { day, ..Told::new(day * 1_000 + n, 100 + i64::from(n), 0) }).collect()
}

/// A fetch of everything of a day, so many microseconds after the events were first seen.
fn fetch(id: u8, day: u32, seen: i64, has: &[Told]) -> ScopeClosed {
    let start = UtcTime(time("2026-11-01T00:00:00Z").micros() + i64::from(day) * 86_400_000_000);
    ScopeClosed {
        source: Label::literal("litellm.spend_logs"),
        scope_key: Label::new(&start.date().to_string()).unwrap(),
        period_start: start,
        period_end: start.date().next().start(),
        fetch_id: FetchId([id; 16]),
        observed_at: UtcTime(time("2026-11-05T00:00:00Z").micros() + seen),
        confirmed: false,
        events: has.len() as i64,
        chunk: 0,
        chunks: 1,
        event_ids: has.iter().map(Told::id).collect(),
    }
}

fn without(told: &[Told], event: u32) -> Vec<Told> {
    told.iter().filter(|told| told.event != event).copied().collect()
}

/// A lake, and the two topics that fill it.
struct World {
    bench: Bench,
    judged: MemoryLog,
    fetches: MemoryLog,
}

impl World {
    fn new() -> Self {
        let (judged, fetches) = (MemoryLog::new("test/judged", 2), MemoryLog::new("test/fetches", 2));
        Self { bench: Bench::new(), judged, fetches }
    }

    fn tell(&self, told: &[Told]) {
        for told in told {
            self.judged.put(told.event as usize % 2, &told.to_event());
        }
    }

    /// As a collector tells of a fetch: its events, then that it is complete.
    fn fetched(&self, id: u8, day: u32, seen: i64, has: &[Told]) {
        let seen_again: Vec<Told> = has.iter().map(|told| Told { seen, ..*told }).collect();
        self.tell(&seen_again);
        self.fetches.put_fetch(0, &fetch(id, day, seen, has));
    }

    /// Runs a sink of its own until everything is committed, and checks the files.
    async fn drain(&self) -> Vec<Entry> {
        self.drain_with(StageHook::default()).await.unwrap();
        let entries = self.bench.entries();
        self.check(&entries);
        entries
    }

    async fn drain_with(&self, hook: StageHook) -> Result<(), SinkError> {
        self.bench.drain_both(&self.judged, &self.fetches, hook).await.map(|_| ())
    }

    fn check(&self, entries: &[Entry]) {
        let views: Vec<_> = entries.iter().map(|entry| entry.view).collect();
        let ledger = self.bench.table(LEDGER_TABLE);
        let (records, counters) = commits(&ledger);
        let mut violations = check_entries(&views);
        violations.extend(check_counters(self.judged.len(), &counters, &views));
        violations.extend(check_presence(&counters, &presence(&ledger), &views));
        violations.extend(check_commits(&records));
        violations.extend(check_commits(&commits(&self.bench.table(FETCHES_TABLE)).0));
        assert!(violations.is_empty(), "{violations:?}");
    }
}

fn kinds(entries: &[Entry], told: &Told) -> Vec<(i32, EntryKind)> {
    let mut own: Vec<_> = entries.iter().filter(|entry| entry.view.event_id == told.id()).collect();
    own.sort_by_key(|entry| (entry.view.revision, -entry.view.entry_sign));
    own.into_iter().map(|entry| (entry.view.revision, entry.view.kind)).collect()
}

#[tokio::test]
async fn two_fetches_in_a_row_take_an_event_away_and_the_past_stays() {
    let world = World::new();
    let told = of_a_day(0, 20);
    let gone = told[7];
    let others = of_a_day(1, 5);
    world.tell(&others);
    world.fetched(1, 0, 10, &told);
    let all: Vec<Told> = told.iter().chain(&others).copied().collect();
    assert_eq!(sums(&world.drain().await), truth(&all));

    world.fetched(2, 0, 20, &without(&told, gone.event));
    let entries = world.drain().await;
    assert_eq!(sums(&entries), truth(&all), "one fetch is no proof");
    let before = entries.iter().map(|entry| entry.view.recorded_at).max().unwrap();

    world.fetched(3, 0, 30, &without(&told, gone.event));
    let entries = world.drain().await;
    assert_eq!(sums(&entries), truth(&without(&all, gone.event)));
    let known_then = entries.iter().filter(|entry| entry.view.recorded_at <= before);
    assert_eq!(sums(known_then), truth(&all), "as it was known then");
    assert_eq!(kinds(&entries, &gone), [(1, EntryKind::Original), (1, EntryKind::Withdrawal)]);
    let withdrawal = entries.iter().find(|entry| entry.view.kind == EntryKind::Withdrawal).unwrap();
    assert_eq!(withdrawal.cause, "withdrawn");
    let view = withdrawal.view;
    assert_eq!((view.entry_sign, view.usage_sign, view.cost_sign), (-1, -1, -1));
    assert_eq!((withdrawal.tokens, withdrawal.cost), (gone.tokens, gone.cost().billionths()));

    // Everything again, from another cluster and to a sink that knows nothing.
    let again = World {
        bench: Bench { root: world.bench.root, config: world.bench.config },
        judged: MemoryLog::new("other/judged", 2),
        fetches: MemoryLog::new("other/fetches", 2),
    };
    again.fetched(3, 0, 30, &without(&told, gone.event));
    again.fetched(1, 0, 10, &told);
    again.fetched(2, 0, 20, &without(&told, gone.event));
    again.tell(&all);
    again.drain_with(StageHook::default()).await.unwrap();
    assert_eq!(again.bench.entries().len(), entries.len(), "nothing is added by what is known");
}

#[tokio::test]
async fn the_vendors_own_total_makes_one_fetch_enough() {
    let world = World::new();
    let told = of_a_day(0, 5);
    world.tell(&told);
    let closed = fetch(1, 0, 10, &told[1..]);
    world.fetches.put_fetch(0, &ScopeClosed { confirmed: true, ..closed });
    assert_eq!(sums(&world.drain().await), truth(&told[1..]));
}

#[tokio::test]
async fn what_the_vendor_has_again_comes_back() {
    let world = World::new();
    let told = of_a_day(0, 6);
    world.fetched(1, 0, 10, &told);
    world.drain().await;
    for (id, seen) in [(2, 20), (3, 30)] {
        world.fetched(id, 0, seen, &told[2..]);
        world.drain().await;
    }
    assert_eq!(sums(&world.bench.entries()), truth(&told[2..]));

    // One comes with a fetch, as the vendor had it before; one with other content and no fetch.
    world.fetched(4, 0, 40, &told[1..]);
    let changed = Told { tokens: 7, seen: 50, ..told[0] };
    world.tell(&[changed]);
    let entries = world.drain().await;
    let expected: Vec<Told> = told[1..].iter().chain([&changed]).copied().collect();
    assert_eq!(sums(&entries), truth(&expected));
    let back = [(1, EntryKind::Original), (1, EntryKind::Withdrawal), (2, EntryKind::Restatement)];
    assert_eq!(kinds(&entries, &told[1]), back);
    assert_eq!(kinds(&entries, &told[0]), back);
}

/// Sources whose rows state a time of their own are seen again without a later sighting: the fetch alone says
/// that the event is there.
#[tokio::test]
async fn a_fetch_alone_puts_an_event_back() {
    let world = World::new();
    let told = of_a_day(0, 3);
    world.tell(&told);
    for (id, seen) in [(1, 10), (2, 20)] {
        world.fetches.put_fetch(0, &fetch(id, 0, seen, &told[1..]));
    }
    world.drain().await;
    // While it is gone the vendor's newest content of it arrives late.
    let newer = Told { tokens: 50, seen: 5, ..told[0] };
    world.tell(&[newer]);
    assert_eq!(sums(&world.drain().await), truth(&told[1..]), "it is gone all the same");
    world.fetches.put_fetch(1, &fetch(3, 0, 30, &told));
    let entries = world.drain().await;
    assert_eq!(sums(&entries), truth(&[newer, told[1], told[2]]));
    assert_eq!(presence(&world.bench.table(LEDGER_TABLE)), PresenceCounters { withdrawn: 2, reinstated: 1 });
}

#[tokio::test]
async fn an_event_that_comes_after_the_fetches_that_lack_it_counts_nowhere() {
    let world = World::new();
    let told = of_a_day(0, 4);
    world.fetched(1, 0, 10, &told[1..]);
    world.fetched(2, 0, 20, &told[1..]);
    world.drain().await;
    let seen_since = Told { event: 500, seen: 15, ..told[0] };
    world.tell(&[told[0], seen_since]);
    let entries = world.drain().await;
    assert_eq!(sums(&entries), truth(told[1..].iter().chain([&seen_since])));
    assert_eq!(kinds(&entries, &told[0]), [(1, EntryKind::Original), (1, EntryKind::Withdrawal)]);
}

#[tokio::test]
async fn a_fetch_holds_once_all_its_parts_are_there() {
    let world = World::new();
    let told = of_a_day(0, 10);
    world.tell(&told);
    let part = |id, seen, chunk: i32, has: &[Told]| ScopeClosed {
        chunk,
        chunks: 2,
        confirmed: true,
        ..fetch(id, 0, seen, has)
    };
    world.fetches.put_fetch(0, &part(1, 10, 1, &told[4..8]));
    world.fetches.put_fetch(0, &part(1, 10, 1, &told[4..8]));
    assert_eq!(sums(&world.drain().await), truth(&told), "half of a fetch says nothing");
    world.fetches.put_fetch(0, &part(1, 10, 0, &told[..4]));
    assert_eq!(sums(&world.drain().await), truth(&told[..8]));
}

#[tokio::test]
async fn other_scopes_and_sources_are_left_alone() {
    let world = World::new();
    let told = of_a_day(0, 3);
    world.tell(&told);
    for (id, seen) in [(1, 10), (2, 20)] {
        let empty = fetch(id, 0, seen, &[]);
        let other_source = ScopeClosed { source: Label::literal("openrouter.activity"), ..empty.clone() };
        world.fetches.put_fetch(0, &other_source);
        let other_scope = ScopeClosed {
            scope_key: Label::literal("acme|2026-11"),
            fetch_id: FetchId([100 + id; 16]),
            ..empty
        };
        world.fetches.put_fetch(1, &other_scope);
    }
    let entries = world.drain().await;
    assert_eq!((sums(&entries), entries.len()), (truth(&told), 3));
}

#[tokio::test]
async fn order_and_split_into_commits_do_not_matter() {
    let told = of_a_day(0, 8);
    let restated = Told { tokens: 9, seen: 12, ..told[3] };
    let late = Told { tokens: 11, seen: 2, ..told[4] };
    let messages: Vec<Told> = told.iter().copied().chain([restated, late]).collect();
    // The last two lack 0 and 1, and 2 was seen between them by a partial export.
    let sighting = Told { seen: 25, ..told[2] };
    let fetches = [fetch(1, 0, 10, &told), fetch(2, 0, 20, &told[3..]), fetch(3, 0, 30, &told[3..])];
    let expected: Vec<Told> =
        [sighting, restated, late].into_iter().chain(told[5..].iter().copied()).collect();
    for order in 0..6 {
        let world = World::new();
        let (mut messages, mut fetches) = (messages.clone(), fetches.to_vec());
        messages.push(sighting);
        if order % 2 == 1 {
            messages.reverse();
            fetches.reverse();
        }
        match order / 2 {
            0 => {
                world.tell(&messages);
                world.drain().await;
                fetches.iter().for_each(|fetch| world.fetches.put_fetch(0, fetch));
            }
            1 => {
                fetches.iter().for_each(|fetch| world.fetches.put_fetch(0, fetch));
                world.drain().await;
                world.tell(&messages);
            }
            _ => {
                for (index, message) in messages.iter().enumerate() {
                    world.tell(&[*message]);
                    if let Some(fetch) = fetches.get(index / 3).filter(|_| index % 3 == 1) {
                        world.fetches.put_fetch(index % 2, fetch);
                        world.drain().await;
                    }
                }
            }
        }
        assert_eq!(sums(&world.drain().await), truth(&expected), "order {order}");
    }
}

#[tokio::test]
async fn more_than_a_batch_holds_vanishes_in_several_commits() {
    let world = World::new();
    let days: Vec<Vec<Told>> = (0..5).map(|day| of_a_day(day, 30)).collect();
    days.iter().for_each(|told| world.tell(told));
    world.drain().await;
    let commits_before = commits(&world.bench.table(LEDGER_TABLE)).0.len();
    for (day, told) in (0u8..).zip(&days) {
        for (id, seen) in [(1, 10), (2, 20)] {
            world.fetches.put_fetch(0, &fetch(10 * day + id, u32::from(day), seen, &told[28..]));
        }
    }
    let expected: Vec<Told> = days.iter().flat_map(|told| told[28..].to_vec()).collect();
    assert_eq!(sums(&world.drain().await), truth(&expected));
    // A batch takes 40 rows and each day has 28.
    let commits = commits(&world.bench.table(LEDGER_TABLE)).0.len() - commits_before;
    assert!(commits >= 3, "{commits} commits");
}

#[tokio::test]
async fn a_crash_at_any_stage_changes_nothing() {
    for stage in [Stage::Staged, Stage::Observed, Stage::Committed] {
        let world = World::new();
        let told = of_a_day(0, 60);
        world.fetched(1, 0, 10, &told);
        world.fetched(2, 0, 20, &told[5..]);
        world.fetched(3, 0, 30, &told[5..]);
        world.fetched(4, 0, 40, &told[4..]);
        let mut lives = 0;
        loop {
            // Each life ends at its second commit, or at its first if that is made or is the very first one.
            let reached = Arc::new(AtomicU32::new(0));
            let last = u32::from(lives > 0 && stage != Stage::Committed);
            let hook = StageHook::new(move |at| {
                let dies = at == stage && reached.fetch_add(1, Ordering::SeqCst) == last;
                if dies { Err(SinkError::Stopped) } else { Ok(()) }
            });
            lives += 1;
            if world.drain_with(hook).await.is_ok() {
                break;
            }
            assert!(lives < 100, "{stage:?}: no progress");
        }
        assert!(lives > 1, "{stage:?}: the sink never died");
        let entries = world.drain().await;
        assert_eq!(sums(&entries), truth(&told[4..]), "{stage:?}");
    }
}

/// A fetch that is in its table although the sink died before the ledger took account of it.
#[tokio::test]
async fn a_fetch_that_was_only_kept_is_applied_by_the_next_sink() {
    let world = World::new();
    let told = of_a_day(0, 3);
    world.tell(&told);
    world.drain().await;
    for (id, seen) in [(1, 10), (2, 20)] {
        world.fetches.put_fetch(0, &fetch(id, 0, seen, &told[1..]));
    }
    let dies = StageHook::new(|_| Err(SinkError::Stopped));
    assert!(world.drain_with(dies).await.is_err());
    assert!(!active_files(&world.bench.table(FETCHES_TABLE)).is_empty(), "the fetches are kept");
    assert_eq!(sums(&world.bench.entries()), truth(&told));
    assert_eq!(sums(&world.drain().await), truth(&told[1..]));
}

#[tokio::test]
async fn a_message_whose_numbers_do_not_fit_is_rejected() {
    let world = World::new();
    let told = of_a_day(0, 2);
    world.tell(&told);
    let sound = fetch(1, 0, 10, &[]);
    world.fetches.put_fetch(0, &ScopeClosed { chunk: 3, confirmed: true, ..sound.clone() });
    let long = UtcTime(sound.period_start.micros() + 400 * 86_400_000_000);
    world.fetches.put_fetch(0, &ScopeClosed { period_end: long, confirmed: true, ..sound });
    assert_eq!(sums(&world.drain().await), truth(&told));
    let rejects = active_files(&world.bench.table(REJECTS_TABLE));
    let rows: usize = rejects.iter().flat_map(|file| read(file)).map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, 2);
}
