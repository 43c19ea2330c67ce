use super::*;
use crate::publish::testing::Recorder;
use modellane_event::RejectReason;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

struct Run {
    recorder: Arc<Recorder>,
    importer: Importer,
    folder: TempDir,
}

fn run() -> Run {
    let recorder = Arc::new(Recorder::default());
    let publisher: Arc<dyn Publish> = Arc::clone(&recorder) as Arc<dyn Publish>;
    let importer = Importer::new(LakeKey::new([6; 32]), publisher, Metrics::new());
    Run { recorder, importer, folder: tempfile::tempdir().unwrap() }
}

fn options() -> ImportOptions {
    let time = UtcTime::parse("2026-11-20T00:00:00Z").unwrap();
    ImportOptions { observed_at: time, recorded_at: time, complete: false, dry_run: false }
}

impl Run {
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn import(&self, source: &str, files: &[PathBuf]) -> Result<ImportSummary, CollectorError> {
        self.importer.import(source, files, options(), |_| {}).await
    }

    async fn vouched_pages(&self, files: &[PathBuf]) -> Result<ImportSummary, CollectorError> {
        let options = ImportOptions { complete: true, ..options() };
        self.importer.import("cursor.usage_events", files, options, |_| {}).await
    }

    async fn spend_logs(&self, content: &[u8]) -> ImportSummary {
        let path = self.file("rows", content);
        self.import("litellm.spend_logs", &[path]).await.unwrap()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

fn row(id: usize, spend: &str) -> String {
    format!("{{\"request_id\":\"r{id}\",\"startTime\":\"2026-11-09T13:00:00Z\",\"spend\":{spend}}}")
}

/// More rows than a block and a batch hold, as a wrapped array.
fn large(rows: usize) -> String {
    let padding = "x".repeat(200);
    let mut text = String::from("{\"total\": 1, \"data\": [\n");
    for id in 0..rows {
        let _ = writeln!(text, "{},", row(id, "0.5").replace('}', &format!(",\"messages\":\"{padding}\"}}")));
    }
    // The same request again at the very end, with another price.
    text + &row(7, "2.5") + "\n], \"page\": 1}"
}

#[tokio::test]
async fn a_file_larger_than_a_block_comes_out_whole() {
    let run = run();
    let rows = 20_000;
    let mut last = Progress { done: 0, total: 0, published: 0 };
    let path = run.file("rows.json", large(rows).as_bytes());
    let files = [path];
    let summary = run.importer.import("litellm.spend_logs", &files, options(), |progress| {
        assert!(progress.done >= last.done && progress.published >= last.published);
        last = progress;
    });
    let summary = summary.await.unwrap();
    assert_eq!((summary.counts.accepted, summary.counts.repeated), (rows as u64 + 1, 1));
    assert_eq!(summary.published, rows as u64);
    assert_eq!((last.done, last.published), (last.total, rows as u64));
    let events = run.recorder.events();
    let total: i128 = events.iter().map(|event| event.facts.cost.amount.unwrap().billionths()).sum();
    assert_eq!((events.len(), total), (rows, (rows as i128 - 1) * 500_000_000 + 2_500_000_000));
}

#[tokio::test]
async fn the_same_file_again_gives_the_same_ids_and_contents() {
    let run = run();
    let path = fixture("litellm_spend_logs.json");
    for _ in 0..2 {
        run.import("litellm.spend_logs", std::slice::from_ref(&path)).await.unwrap();
    }
    let events = run.recorder.events();
    let (first, second) = events.split_at(4);
    assert_eq!(first, second);
}

#[tokio::test]
async fn compressed_files_are_known_by_their_first_bytes() {
    let run = run();
    let content = std::fs::read(fixture("litellm_spend_logs.json")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&content).unwrap();
    let gzip = gzip.finish().unwrap();
    for packed in [gzip.clone(), zstd::encode_all(&content[..], 1).unwrap()] {
        let summary = run.spend_logs(&packed).await;
        assert_eq!((summary.counts.accepted, summary.counts.rejected), (5, 0));
    }
    let cut = run.spend_logs(&gzip[..gzip.len() / 2]).await;
    assert!(cut.counts.rejected_by["truncated"] >= 1 && cut.counts.accepted < 5);
}

#[tokio::test]
async fn bad_records_cost_themselves_alone() {
    let run = run();
    let mut content = format!("\u{feff}{}\n", row(1, "1")).into_bytes();
    content.extend_from_slice(b"{\"request_id\":\"\xff\xfe\"}\n");
    content.extend_from_slice(format!("{}\n", row(2, "-1")).as_bytes());
    content.extend_from_slice(format!("{{\"request_id\":\"{}\"}}\n", "x".repeat(6 << 20)).as_bytes());
    content.extend_from_slice(format!("{{\"a\":{}1{}}}\n", "[".repeat(500), "]".repeat(500)).as_bytes());
    content.extend_from_slice(format!("{}\n", row(3, "1")).as_bytes());
    content.extend_from_slice(b"{\"request_id\":\"r4\",\"start");
    let summary = run.spend_logs(&content).await;
    assert_eq!(summary.counts.accepted, 2);
    let found: Vec<_> = summary.files[0]
        .first_rejections
        .iter()
        .map(|rejected| (rejected.index, rejected.line, rejected.rejection.reason))
        .collect();
    assert_eq!(
        found,
        [
            (1, Some(2), RejectReason::InvalidUtf8),
            (2, Some(3), RejectReason::NegativeNumber),
            (3, Some(4), RejectReason::TooLarge),
            (4, Some(5), RejectReason::TooDeep),
            (6, Some(7), RejectReason::Truncated),
        ]
    );
    assert_eq!(run.recorder.rejects().len(), 5);
}

#[tokio::test]
async fn a_file_of_another_source_is_one_rejection_that_says_so() {
    let run = run();
    let many = (0..1_000).fold(String::new(), |text, _| {
        text + "{\"user_initiated_interaction_count\":1,\"day\":\"2026-11-09\",\"user_id\":1}\n"
    });
    let path = run.file("copilot.ndjson", many.as_bytes());
    let summary = run.import("litellm.spend_logs", &[path]).await.unwrap();
    assert_eq!(summary.files[0].looks_like, Some("github_copilot.user_day"));
    assert_eq!((summary.counts.accepted, summary.counts.rejected), (0, 1));
    assert_eq!(run.recorder.rejects().len(), 1);
    let page = fixture("cursor_usage_events.page1.json");
    let summary = run.import("litellm.spend_logs", &[page]).await.unwrap();
    assert_eq!(summary.files[0].looks_like, Some("cursor.usage_events"));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_stops_before_anything_is_published() {
    let run = run();
    let good = fixture("litellm_spend_logs.json");
    for (bad, message) in [
        (run.folder.path().to_owned(), "is a directory"),
        (run.folder.path().join("none.json"), "no such file"),
    ] {
        let error = run.import("litellm.spend_logs", &[good.clone(), bad]).await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = run.import("no.such", std::slice::from_ref(&good)).await.unwrap_err();
    assert!(error.to_string().contains("litellm.spend_logs"), "{error}");
    let error = run.import("github_copilot.usage_records", &[good]).await.unwrap_err();
    assert!(matches!(error, CollectorError::ContentRefused { .. }));
    assert_eq!(run.recorder.messages.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_empty_file_is_said_to_be_empty() {
    let run = run();
    for content in ["", "\n \n"] {
        let summary = run.spend_logs(content.as_bytes()).await;
        assert!(summary.files[0].empty);
        assert_eq!(summary.counts, Counts::default());
    }
    assert!(!run.spend_logs(b"{\"data\":[]}").await.files[0].empty);
}

#[tokio::test]
async fn a_broker_that_is_away_ends_the_import() {
    let run = run();
    run.recorder.down.store(true, Ordering::SeqCst);
    let path = run.file("rows.json", large(60_000).as_bytes());
    let error = run.import("litellm.spend_logs", &[path]).await.unwrap_err();
    assert!(matches!(error, CollectorError::Publish(_)), "{error}");
}

#[tokio::test]
async fn a_dry_run_reads_and_publishes_nothing() {
    let run = run();
    let options = ImportOptions { dry_run: true, complete: true, ..options() };
    let files = [fixture("litellm_spend_logs.json")];
    let summary = run.importer.import("litellm.spend_logs", &files, options, |_| {}).await.unwrap();
    assert_eq!((summary.counts.accepted, summary.published), (5, 4));
    assert!(summary.scopes_closed > 0);
    assert_eq!(run.recorder.messages.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_pages_of_a_fetch_belong_together_and_a_later_fetch_is_later() {
    let run = run();
    let files = ["page1", "page2", "resync"].map(|name| fixture(&format!("cursor_usage_events.{name}.json")));
    let summary = run.import("cursor.usage_events", &files).await.unwrap();
    assert_eq!((summary.counts.accepted, summary.published), (14, 7));
    let observed: Vec<i64> = run.recorder.events().iter().map(|event| event.observed_at.micros()).collect();
    let base = options().observed_at.micros();
    assert!(observed.iter().all(|time| *time == base + 1), "every event was restated by the resync");
    let alone = run.import("cursor.usage_events", &files[..2]).await.unwrap();
    assert_eq!((alone.counts.accepted, alone.counts.repeated, alone.published), (7, 1, 6));
    let orphan = run.import("cursor.usage_events", &files[1..2]).await.unwrap();
    assert_eq!((orphan.counts.accepted, orphan.counts.rejected, orphan.published), (0, 1, 0));
    assert!(orphan.files[0].hint.unwrap().contains("with one command"));
}

/// Scope periods and numbers of events of what the imports said so far.
fn closed(run: &Run) -> Vec<(String, usize)> {
    let fetches = run.recorder.fetches();
    fetches.iter().map(|fetch| (fetch.period_start.date().to_string(), fetch.event_ids.len())).collect()
}

#[tokio::test]
async fn a_complete_fetch_is_told_after_its_events() {
    let run = run();
    let [old, new] = ["", ".reexported_one_row_gone"]
        .map(|name| fixture(&format!("github_billing_ai_credit_report{name}.csv")));
    let summary = run.import("github_copilot.billing_csv", &[old, new]).await.unwrap();
    assert_eq!(summary.scopes_closed, 2);
    let fetches = run.recorder.fetches();
    assert_eq!(closed(&run), [("2026-11-01".to_owned(), 6), ("2026-11-01".to_owned(), 4)]);
    assert!(fetches[0].observed_at < fetches[1].observed_at, "each file is a fetch");
    assert!(fetches[1].event_ids.iter().all(|id| fetches[0].event_ids.contains(id)));
    let topics: Vec<_> = run.recorder.messages.lock().unwrap().iter().map(|(topic, ..)| *topic).collect();
    let told = topics.iter().position(|topic| *topic == modellane_kafka::Topic::Fetches).unwrap();
    assert!(topics[told..].iter().all(|topic| *topic == modellane_kafka::Topic::Fetches));
    assert_eq!(summary.published as usize, told, "every event comes first");
}

#[tokio::test]
async fn pages_in_files_are_one_fetch_and_a_part_is_none() {
    let run = run();
    let files = ["page1", "page2"].map(|name| fixture(&format!("cursor_usage_events.{name}.json")));
    assert_eq!(run.import("cursor.usage_events", &files).await.unwrap().scopes_closed, 0);
    assert_eq!(run.vouched_pages(&files).await.unwrap().scopes_closed, 1);
    assert_eq!(closed(&run), [("2026-11-09".to_owned(), 6)]);
    assert!(run.recorder.fetches()[0].confirmed);
    assert_eq!(run.vouched_pages(&files[..1]).await.unwrap().scopes_closed, 0);
    assert_eq!(run.vouched_pages(&files[1..]).await.unwrap().scopes_closed, 0);
    let csv = std::fs::read_to_string(fixture("github_billing_ai_credit_report.csv")).unwrap();
    let cut = run.file("cut.csv", &csv.as_bytes()[..csv.len() - 40]);
    let summary = run.import("github_copilot.billing_csv", &[cut]).await.unwrap();
    assert_eq!((summary.counts.rejected, summary.scopes_closed), (1, 0));
}

#[tokio::test]
async fn files_are_complete_where_they_say_so_or_somebody_does() {
    let run = run();
    let rows = format!("{}\n{}\n", row(1, "1"), row(2, "1").replace("11-09", "11-11"));
    let file = run.file("rows.ndjson", rows.as_bytes());
    let bad = run.file("bad.ndjson", row(3, "\"x\"").as_bytes());
    let vouched = ImportOptions { complete: true, ..options() };
    let import = async |source: &'static str, files: &[PathBuf], options| {
        run.importer.import(source, files, options, |_| {}).await.unwrap().scopes_closed
    };
    assert_eq!(import("litellm.spend_logs", std::slice::from_ref(&file), options()).await, 0);
    assert_eq!(import("litellm.spend_logs", &[file.clone(), bad], vouched).await, 0);
    assert_eq!(closed(&run), []);
    assert_eq!(import("litellm.spend_logs", &[file], vouched).await, 3, "the day between them too");
    assert_eq!(closed(&run).iter().map(|(_, events)| *events).collect::<Vec<_>>(), [1, 0, 1]);

    let wrapper = fixture("github_copilot_users-1-day.wrapper_form.json");
    assert!(import("github_copilot.user_day", &[wrapper], options()).await > 0);
    let telemetry = fixture("anthropic_claude_code_otel_logs.json");
    assert_eq!(import("otlp", &[telemetry], vouched).await, 0);
}
