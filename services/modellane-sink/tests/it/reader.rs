//! What a reader finds in the ledger that a sink wrote: the current entries with the events they were made from.

use crate::support::{Bench, MemoryLog, Told};
use futures::TryStreamExt;
use modellane_event::{ContentHash, Date, JudgedEvent, UsageEvent};
use modellane_lake::{Lake, LakeConfig};
use modellane_sink::{LedgerDay, LedgerReader};
use std::collections::BTreeMap;

async fn open(bench: &Bench) -> LedgerReader {
    let lake = Lake::open(&LakeConfig::directory(bench.root.path())).unwrap();
    LedgerReader::open(&lake).await.unwrap().unwrap()
}

/// The usage events of a day by id.
async fn usages(ledger: &LedgerReader, day: &LedgerDay) -> BTreeMap<String, UsageEvent> {
    let stretches: Vec<_> = ledger.usages(day).try_collect().await.unwrap();
    stretches.into_iter().flatten().map(|usage| (usage.event_id.to_string(), usage)).collect()
}

/// The current events of all days by id, and how many entries are incomplete.
async fn current(ledger: &LedgerReader) -> (BTreeMap<String, JudgedEvent>, u64) {
    let (mut events, mut incomplete) = (BTreeMap::new(), 0);
    for day in ledger.days().await.unwrap().into_keys() {
        let day = ledger.day(day).await.unwrap();
        let usages = usages(ledger, &day).await;
        let mut stretches = ledger.current(&day);
        while let Some(stretch) = stretches.try_next().await.unwrap() {
            incomplete += stretch.incomplete;
            for event in stretch.events {
                assert_eq!(Some(&event.usage), usages.get(&event.usage.event_id.to_string()));
                let twice = events.insert(event.usage.event_id.to_string(), event);
                assert!(twice.is_none(), "an event has two current entries");
            }
        }
    }
    (events, incomplete)
}

#[tokio::test]
async fn each_event_is_read_back_as_it_was_told_last() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 2);
    let mut last: BTreeMap<String, JudgedEvent> = BTreeMap::new();
    let first = (0..90).map(|event| Told::new(event, 100 + i64::from(event), 0));
    let restated = (0..30).map(|event| Told::new(event, 7, 10));
    let rejudged = (20..60).map(|event| Told {
        settle_run: 2,
        team: "platform",
        ..Told::new(
            event,
            if event < 30 { 7 } else { 100 + i64::from(event) },
            if event < 30 { 10 } else { 0 },
        )
    });
    for told in first.chain(restated).chain(rejudged) {
        let event = told.to_event();
        log.put(told.event as usize % 2, &event);
        last.insert(event.usage.event_id.to_string(), event);
    }
    bench.drain(&log).await.unwrap();

    let ledger = open(&bench).await;
    assert_eq!(current(&ledger).await, (last, 0));
    assert!(ledger.holds(&log.ends()).await.unwrap());
    let behind: Vec<_> =
        log.ends().into_iter().map(|(stream, number, end)| (stream, number, end + 1)).collect();
    assert!(!ledger.holds(&behind).await.unwrap());
    let newest = ledger.newest_judged().await.unwrap().unwrap();
    assert_eq!((newest.settle_run, newest.context_version), (2, 1));
    let days: Vec<Date> = ledger.days().await.unwrap().into_keys().collect();
    assert_eq!(days, ["2026-11-01", "2026-11-02", "2026-11-03"].map(|day| Date::parse(day).unwrap()));
}

#[tokio::test]
async fn a_later_run_that_found_nothing_new_counts_as_a_run() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 1);
    let told = Told::new(1, 5, 0);
    log.put(0, &told.to_event());
    log.put(0, &Told { settle_run: 4, ..told }.to_event());
    bench.drain(&log).await.unwrap();
    let newest = open(&bench).await.newest_judged().await.unwrap().unwrap();
    assert_eq!(newest.settle_run, 4, "an observation of run 4 makes a further run 4 unheard");
}

#[tokio::test]
async fn an_entry_whose_event_lacks_something_is_counted_and_not_read() {
    let bench = Bench::new();
    let log = MemoryLog::new("test/judged", 1);
    let mut event = Told::new(1, 5, 0).to_event();
    event.usage.content_hash = ContentHash([1; 16]);
    log.put(0, &event);
    log.put(0, &Told::new(2, 5, 0).to_event());
    bench.drain(&log).await.unwrap();
    let (events, incomplete) = current(&open(&bench).await).await;
    assert_eq!((events.len(), incomplete), (1, 1));
}
