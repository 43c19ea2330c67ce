//! Messages that this version cannot read, on the embedded broker: those that another version can read wait
//! for it, those that nobody can read are rejected, and everything else goes on.

use crate::support::Bench;
use modellane_event::{EventId, RejectEvent};
use modellane_kafka::Topic;
use modellane_schema::{judged_codec, reject_codec, usage_codec};
use std::collections::BTreeSet;

/// A message that a later version wrote, as far as this one can tell.
fn from_the_future() -> Vec<u8> {
    [&[0xC3, 0x01][..], b"later ve", b"content that nobody may see"].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_another_version_pauses_its_partition_alone() {
    let bench = Bench::new().await;
    let mut sent = BTreeSet::new();
    for number in 0..20 {
        sent.insert(bench.put_usage(number).await);
    }
    let before = bench.read(Topic::Usage).await;
    let key_of = |partition: i32| {
        before.iter().find(|record| record.partition == partition).and_then(|r| r.key.clone()).unwrap()
    };
    bench.put(Topic::Usage, &key_of(0), &from_the_future()).await;
    bench.put(Topic::Usage, &key_of(1), b"neither this version nor another one").await;
    for number in 20..40 {
        sent.insert(bench.put_usage(number).await);
    }
    let all = bench.read(Topic::Usage).await;
    let at = all
        .iter()
        .find(|record| record.payload.as_deref() == Some(&from_the_future()[..]))
        .map(|record| record.offset)
        .unwrap();
    let end = all.iter().filter(|record| record.partition == 1).count() as i64;
    assert!(all.iter().any(|record| record.partition == 0 && record.offset > at));

    let mut running = bench.start().await;
    running.until(|progress| progress.get(&0) == Some(&at) && progress.get(&1) == Some(&end)).await;
    let alarms = running.alarms().await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].contains("modellane.usage.v1/0") && alarms[0].contains("unknown schema"), "{alarms:?}");
    assert!(!running.readiness.is_ready() && !alarms[0].contains("content"));
    let gauge = r#"partition_paused{reader="processor",topic="modellane.usage.v1",partition="0"} 1"#;
    assert!(running.metrics.render().contains(gauge), "{}", running.metrics.render());

    let judged = bench.read(Topic::Judged).await;
    let judged: BTreeSet<EventId> = judged
        .iter()
        .map(|record| judged_codec().decode(record.payload.as_deref().unwrap()).unwrap().usage.event_id)
        .collect();
    let readable = all.iter().filter(|record| record.partition == 1 || record.offset < at);
    let readable = readable.filter_map(|record| usage_codec().decode(record.payload.as_deref()?).ok());
    assert_eq!(judged, readable.map(|event| event.event_id).collect());
    let rejects = bench.read(Topic::Rejects).await;
    let rejects: Vec<RejectEvent> = rejects
        .iter()
        .map(|record| reject_codec().decode(record.payload.as_deref().unwrap()).unwrap())
        .collect();
    assert_eq!(rejects.len(), 1, "only what nobody can read");
    assert_eq!(rejects[0].batch_id.as_str(), "modellane.usage.v1/1");

    // The group stands at the message: whoever can read it begins there.
    running.stop().await;
    let mut next = bench.start().await;
    assert_eq!(next.progress.borrow_and_update().get(&0), Some(&at));
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_judged_under_context_that_cannot_be_read() {
    let bench = Bench::new().await;
    bench.put(Topic::Intents, b"intent", &from_the_future()).await;
    bench.put_usage(1).await;
    let running = bench.start().await;
    let alarms = running.alarms().await;
    assert!(
        alarms[0].contains("processor context") && alarms[0].contains("modellane.intents.v1"),
        "{alarms:?}"
    );
    assert!(running.progress.borrow().is_empty());
    running.stop().await;
    assert!(bench.read(Topic::Judged).await.is_empty());
    // The message is met again, however often it is read.
    let again = bench.start().await;
    assert_eq!(again.alarms().await, alarms);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_that_nobody_can_read_is_counted_and_judging_goes_on() {
    let bench = Bench::new().await;
    bench.put(Topic::Context, b"directory", b"neither this version nor another one").await;
    bench.put(Topic::Intents, b"intent", b"neither").await;
    bench.put_usage(1).await;
    let mut running = bench.start().await;
    running.until(|progress| progress.values().sum::<i64>() == 1).await;
    let metrics = running.metrics.render();
    for kind in ["undecodable", "undecodable_intent"] {
        let counted = format!("modellane_context_refused_total{{service=\"processor\",kind=\"{kind}\"}} 1");
        assert!(metrics.contains(&counted), "{metrics}");
    }
    running.stop().await;
}
