//! The blocking side of an import: survey every file, then read every file.

use super::file::{Flow, Input, Piece, stream};
use super::{FileSummary, ImportOptions, ImportSummary};
use crate::connector::{Connector, Extent, JsonRecords, Keys, Payload, Rejection, Statement};
use crate::error::CollectorError;
use crate::fetch::{Fetch, Origin};
use crate::http::count;
use crate::id_search::IdSearch;
use crate::intake::{Begun, Counts, IndexedRejection, Intake, Outlet};
use crate::publish::{Batch, Encoding, PayloadHash, RejectOrigin};
use crate::sniff::wrong_source;
use modellane_event::{LakeKey, RejectReason, UtcTime};
use modellane_runtime::Metrics;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// When a batch is full: messages, and bytes.
const MAX_MESSAGES: usize = 8_192;
const MAX_BYTES: usize = 4 << 20;
/// Records after which a file without a usable one is looked at as belonging to another source.
const TRIAL: u64 = 200;
/// Bytes of a file's start kept for that.
const HEAD: usize = 64 << 10;
/// Rejections that a summary lists.
const LISTED: usize = 20;

/// News for the side that publishes.
pub(super) struct Update {
    /// Bytes read so far, both times together.
    pub(super) done: u64,
    pub(super) batch: Option<Batch>,
    /// What is to be said once every event is acknowledged.
    pub(super) closes: Option<Batch>,
}

pub(super) struct Job {
    pub(super) key: LakeKey,
    pub(super) connector: &'static dyn Connector,
    pub(super) files: Vec<PathBuf>,
    pub(super) options: ImportOptions,
    pub(super) metrics: Metrics,
    pub(super) updates: mpsc::Sender<Update>,
    /// Bytes of the files that were gone through.
    pub(super) done: u64,
}

/// What complete fetches say, and the one that the import's caller vouches for.
#[derive(Default)]
struct Closes {
    batch: Batch,
    scopes: u64,
    declared: Fetch,
    declared_at: UtcTime,
}

/// What the second pass over a file works with.
struct Reading<'i, 'k> {
    intake: &'i mut Intake<'k>,
    origin: RejectOrigin,
    observed_at: UtcTime,
    encoding: Encoding,
    summary: FileSummary,
    head: Vec<u8>,
    statement: Statement,
}

impl Job {
    /// Runs beside the caller. A plain function, so that the code is generated in this crate.
    pub(super) fn start(self) -> JoinHandle<Result<ImportSummary, CollectorError>> {
        tokio::task::spawn_blocking(move || self.run())
    }

    fn run(mut self) -> Result<ImportSummary, CollectorError> {
        let key = self.key.clone();
        let mut intake = Intake::new(&key, self.connector.spec().name);
        let files = std::mem::take(&mut self.files);
        let batch_ids =
            files.iter().map(|path| self.survey(&mut intake, path)).collect::<Result<Vec<_>, _>>()?;
        let mut summary = ImportSummary::default();
        let mut observed_at = self.options.observed_at;
        let mut closes = Closes::default();
        for (path, batch_id) in files.iter().zip(batch_ids) {
            let file = self.read(&mut intake, path, batch_id, &mut observed_at, &mut closes)?;
            summary.counts.add(&file.counts);
            summary.files.push(file);
        }
        let mut held = Encoding::default();
        summary.counts.add(&intake.finish(&mut held));
        self.send(held.seal(&key, &self.origin([0; 16]))?, 0)?;
        summary.scopes_closed = self.say_what_is_complete(closes)?;
        Ok(summary)
    }

    /// Hands over what complete fetches say; answers of how many scopes.
    fn say_what_is_complete(&self, closes: Closes) -> Result<u64, CollectorError> {
        let Closes { mut batch, mut scopes, declared, declared_at } = closes;
        let origin = self.fetch_origin(declared_at);
        let statement = declared.declared(&origin);
        scopes += declared.close(statement, &origin, &mut batch)?;
        self.update(Update { done: self.done, batch: None, closes: Some(batch) })?;
        Ok(scopes)
    }

    /// A file was read: its fetch may have ended with it.
    fn end_file(&self, reading: &mut Reading<'_, '_>, closes: &mut Closes) -> Result<(), CollectorError> {
        match reading.statement.extent {
            Extent::Unstated if self.options.complete => {
                closes.declared.absorb(reading.intake.take_fetch());
                closes.declared_at = reading.observed_at;
            }
            Extent::Held(_) | Extent::Days(..) if reading.intake.fetch_has_ended() => {
                let origin = self.fetch_origin(reading.observed_at);
                let fetch = reading.intake.take_fetch();
                closes.scopes += fetch.close(reading.statement, &origin, &mut closes.batch)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn fetch_origin(&self, observed_at: UtcTime) -> Origin<'_> {
        Origin { connector: self.connector, key: &self.key, observed_at }
    }

    /// Notes the file's keys and makes its identity.
    fn survey(&mut self, intake: &mut Intake<'_>, path: &Path) -> Result<[u8; 16], CollectorError> {
        let mut input = Input::open(path)?;
        let mut hash = PayloadHash::default();
        match self.connector.json_records().map(|format| (format, format.keys())) {
            Some((_, Keys::Id(field))) => {
                self.survey_ids(intake, &mut input, &IdSearch::new(field), &mut hash)?;
            }
            Some((format, Keys::Fields(read))) => {
                stream(&mut input, format.array_keys(), |piece, position| {
                    match piece {
                        Piece::Bytes(bytes) => {
                            hash.update(&self.key, bytes);
                            self.progress(position)?;
                        }
                        Piece::Record(_, Ok(record)) => intake.survey_record(read, record),
                        Piece::Record(_, Err(_)) => {}
                    }
                    Ok(Flow::Continue)
                })?;
            }
            None => {
                let (content, _) = input.whole(path)?;
                hash.update(&self.key, &content);
                intake.survey(self.connector, &self.payload(&content, self.options.observed_at));
                self.progress(input.position())?;
            }
        }
        self.done += input.position();
        Ok(hash.finish(&self.key))
    }

    /// The same for a format whose records have ids: the bytes are searched and never cut into records.
    fn survey_ids(
        &self,
        intake: &mut Intake<'_>,
        input: &mut Input,
        search: &IdSearch,
        hash: &mut PayloadHash,
    ) -> Result<(), CollectorError> {
        let (mut window, mut more) = (Vec::new(), true);
        while more {
            let before = window.len();
            // Content that breaks off ends here; the second pass reports it.
            more = input.fill(&mut window).unwrap_or(false);
            hash.update(&self.key, &window[before..]);
            window.drain(..intake.survey_ids(search, &window, !more));
            self.progress(input.position())?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        intake: &mut Intake<'_>,
        path: &Path,
        batch_id: [u8; 16],
        observed_at: &mut UtcTime,
        closes: &mut Closes,
    ) -> Result<FileSummary, CollectorError> {
        let mut input = Input::open(path)?;
        let mut reading = Reading {
            intake,
            origin: self.origin(batch_id),
            observed_at: *observed_at,
            encoding: Encoding::default(),
            summary: FileSummary { path: path.to_owned(), ..FileSummary::default() },
            head: Vec::new(),
            statement: Statement::default(),
        };
        match self.connector.json_records() {
            Some(format) => self.read_records(&mut reading, &mut input, format)?,
            None => self.read_whole(&mut reading, &mut input, path)?,
        }
        // The next file stands for a later fetch unless it is the next page of this one.
        *observed_at = UtcTime(reading.observed_at.micros() + 1);
        reading.judge_source(self.connector.spec().name);
        self.end_file(&mut reading, closes)?;
        reading.summary.empty = reading.head.trim_ascii().is_empty();
        reading.summary.counts.add(&reading.intake.take_counts());
        reading.list_rejections();
        let Reading { mut encoding, origin, summary, .. } = reading;
        self.send(encoding.seal(&self.key, &origin)?, input.position())?;
        self.done += input.position();
        count(&self.metrics, self.connector.spec().name, &summary.counts);
        Ok(summary)
    }

    fn read_records(
        &self,
        reading: &mut Reading<'_, '_>,
        input: &mut Input,
        format: &dyn JsonRecords,
    ) -> Result<(), CollectorError> {
        reading.intake.begin(Vec::new());
        let ended = stream(input, format.array_keys(), |piece, position| {
            let (place, record) = match piece {
                Piece::Bytes(bytes) => {
                    if reading.head.is_empty() {
                        reading.remember(bytes);
                        let head = std::mem::take(&mut reading.head);
                        self.hear(reading, &head);
                        reading.head = head;
                    } else {
                        reading.remember(bytes);
                    }
                    self.progress(position)?;
                    return Ok(Flow::Continue);
                }
                Piece::Record(place, record) => (place, record),
            };
            let observed_at = reading.observed_at;
            reading.intake.read_record(format, place, record, observed_at, &mut reading.encoding);
            if place.0 + 1 == TRIAL && reading.judge_source(self.connector.spec().name) {
                return Ok(Flow::Stop);
            }
            if reading.encoding.batch.len() + reading.encoding.rejections.len() >= MAX_MESSAGES
                || reading.encoding.batch.size() >= MAX_BYTES
            {
                reading.list_rejections();
                self.send(reading.encoding.seal(&self.key, &reading.origin)?, position)?;
            }
            Ok(Flow::Continue)
        })?;
        if ended.broke_off {
            reading.reject(ended.records, Rejection::new(RejectReason::Truncated));
        }
        Ok(())
    }

    fn read_whole(
        &self,
        reading: &mut Reading<'_, '_>,
        input: &mut Input,
        path: &Path,
    ) -> Result<(), CollectorError> {
        let (content, broke_off) = input.whole(path)?;
        reading.remember(&content);
        match reading.intake.begin(self.connector.pages(&self.payload(&content, reading.observed_at))) {
            Begun::NewFetch => {}
            // Pages of one fetch were observed together.
            Begun::NextPage => reading.observed_at = UtcTime(reading.observed_at.micros() - 1),
            Begun::OutOfTurn => {
                reading.summary.hint = Some(Begun::HINT);
                reading.reject(0, Begun::OUT_OF_TURN);
                return Ok(());
            }
        }
        self.hear(reading, &content);
        let payload = self.payload(&content, reading.observed_at);
        reading.intake.read(self.connector, &payload, &mut reading.encoding);
        if broke_off {
            reading.reject(reading.intake.counts().records(), Rejection::new(RejectReason::Truncated));
        }
        Ok(())
    }

    /// Takes what a file says of its fetch as a whole, before its records.
    fn hear(&self, reading: &mut Reading<'_, '_>, content: &[u8]) {
        let statement = self.connector.statement(&self.payload(content, reading.observed_at));
        reading.statement = statement.vouched(self.options.complete);
        let states = reading.statement.extent != Extent::Unstated;
        reading.intake.list_fetches(states || self.options.complete);
    }

    fn payload<'a>(&'a self, bytes: &'a [u8], observed_at: UtcTime) -> Payload<'a> {
        Payload { bytes, observed_at, key: &self.key }
    }

    fn origin(&self, batch_id: [u8; 16]) -> RejectOrigin {
        let source = self.connector.spec().name;
        RejectOrigin { source, batch_id, recorded_at: self.options.recorded_at }
    }

    fn progress(&self, position: u64) -> Result<(), CollectorError> {
        self.update(Update { done: self.done + position, batch: None, closes: None })
    }

    fn send(&self, batch: Batch, position: u64) -> Result<(), CollectorError> {
        self.update(Update {
            done: self.done + position,
            batch: Some(batch).filter(|batch| !batch.is_empty()),
            closes: None,
        })
    }

    fn update(&self, update: Update) -> Result<(), CollectorError> {
        self.updates.blocking_send(update).map_err(|_| CollectorError::Stopped)
    }
}

impl Reading<'_, '_> {
    fn remember(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn reject(&mut self, index: u64, rejection: Rejection) {
        self.intake.fetch_is_short();
        self.summary.counts.reject(rejection.reason);
        self.encoding.reject(IndexedRejection { index, line: None, rejection });
    }

    /// Replaces the rejections of a file that clearly belongs to another source by one that says so.
    fn judge_source(&mut self, source: &str) -> bool {
        let Some((other, rejection)) = wrong_source(source, &self.head, self.intake.counts()) else {
            return false;
        };
        self.intake.take_counts();
        self.summary.counts = Counts::default();
        self.summary.looks_like = Some(other);
        self.encoding.rejections.clear();
        self.reject(rejection.index, rejection.rejection);
        true
    }

    fn list_rejections(&mut self) {
        let room = LISTED - self.summary.first_rejections.len();
        self.summary.first_rejections.extend(self.encoding.rejections.iter().take(room));
    }
}
