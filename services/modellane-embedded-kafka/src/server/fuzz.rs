//! Frames that no client sends: the broker neither ends, nor takes memory by what a frame claims, nor stops
//! serving others.
//!
//! `MODELLANE_FUZZ_FRAMES` says how many are sent (4,000), `MODELLANE_FUZZ_SEED` with which seed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::BufMut;
use kafka_protocol::messages::ApiKey;

use super::tests::frame;
use crate::batch::tests::{batch, keyed};
use crate::guard::{LAYOUTS, closing};
use crate::{Broker, BrokerConfig};

const DIR: &str = "MODELLANE_FUZZ_DIR";

/// Virtual memory of the broker in kB: what a single frame could claim is far beyond it.
const MEMORY: u64 = 1_500_000;

/// The most that it may really use, in kB.
const RESIDENT: u64 = 300_000;

#[test]
#[ignore = "the broker of the other test, which starts it as a process of its own"]
fn broker_for_fuzzing() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .unwrap();
    let config = BrokerConfig { dir: dir.into(), port: 0, default_partitions: 1 };
    let broker = runtime.block_on(Broker::start(config)).unwrap();
    println!("\nserving {}", broker.port());
    // Until the other test closes its end.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(broker.shutdown());
}

struct Process {
    child: Child,
    _stdin: Option<ChildStdin>,
    /// A test that runs for long is told about on its output, which must not be closed.
    _stdout: BufReader<ChildStdout>,
    port: u16,
}

impl Process {
    fn start(dir: &Path) -> Self {
        let errors = std::fs::File::create(dir.join("stderr")).unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "server::fuzz::broker_for_fuzzing", "--ignored", "--nocapture"])
            .env(DIR, dir.join("broker"))
            // Each arena of the allocator would reserve memory of its own.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("serving ")?.parse().ok());
        Self { child, _stdin: stdin, _stdout: stdout, port: port.expect("a broker that serves") }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the broker has ended");
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The most memory that it had, in kB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Enough of a generator for a test, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit.max(1)
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }
}

const NUMBERS: [i64; 14] =
    [0, 1, -1, 2, 3, 4, -2, 100, 10_000, 60_000, 100_001, i32::MAX as i64, i32::MIN as i64, i64::MAX];
const TEXTS: [&str; 9] =
    ["abc", "", "range", "consumer", "other", "retention.ms", "compact", "cleanup.policy", "\u{1f980}"];

/// A body of a layout with values that mean something.
fn body(layout: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = layout;
    while let Some((&field, after)) = rest.split_first() {
        rest = after;
        let number = random.one_of(&NUMBERS);
        match field {
            b'b' => out.put_u8(number as u8),
            b'h' => out.put_i16(number as i16),
            b'i' => out.put_i32(number as i32),
            b'l' => out.put_i64(number),
            b's' if random.below(12) == 0 => out.put_i16(-1),
            b's' => {
                let text = random.one_of(&TEXTS);
                out.put_i16(text.len() as i16);
                out.put_slice(text.as_bytes());
            }
            b'y' => {
                let bytes = records(random);
                out.put_i32(bytes.len() as i32);
                out.put_slice(&bytes);
            }
            b'[' => {
                let (element, after) = rest.split_at(closing(rest).unwrap());
                rest = &after[1..];
                let count = random.below(4);
                out.put_i32(count as i32);
                (0..count).for_each(|_| out.extend(body(element, random)));
            }
            other => panic!("unknown field {other}"),
        }
    }
    out
}

/// A batch of records, mostly damaged.
fn records(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(4) {
        0 => return random.bytes(200),
        1 => keyed(&[(b"a", Some(b"1")), (b"b", None)], 1_700_000_000_000),
        _ => batch(random.one_of(&NUMBERS), 0, random.one_of(&NUMBERS) as i32, 3, random.one_of(&NUMBERS)),
    };
    if random.below(3) > 0 {
        damage(&mut bytes, random);
    }
    if random.below(2) == 0 && bytes.len() > 61 {
        // With the right CRC whatever else is wrong is looked at.
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend(random.bytes(40)),
            2 => {
                // What a length or a count could claim.
                let claim = (random.one_of(&NUMBERS) as i32).to_be_bytes();
                bytes.iter_mut().skip(at).zip(claim).for_each(|(byte, claimed)| *byte = claimed);
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        }
    }
}

/// One frame: of a request that is served, mostly damaged, or nothing but bytes.
fn any_frame(random: &mut Random) -> Vec<u8> {
    let (api, low, high, layout) = random.one_of(LAYOUTS);
    let version = low + random.below((high - low + 1) as usize) as i16;
    let mut bytes = match random.below(10) {
        0 => {
            let bytes = random.bytes(300);
            [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
        }
        1 => frame(ApiKey::ApiVersions, random.below(6) as i16, &random.bytes(20)),
        _ => frame(api, version, &body(layout.as_bytes(), random)),
    };
    if random.below(2) == 0 {
        damage(&mut bytes, random);
    }
    if random.below(4) > 0 && bytes.len() >= 4 {
        // With the right length the rest is looked at.
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
    }
    bytes
}

fn create(topic: &str) -> Vec<u8> {
    let mut body = 1i32.to_be_bytes().to_vec();
    body.put_i16(topic.len() as i16);
    body.put_slice(topic.as_bytes());
    body.put_i32(4);
    body.put_i16(1);
    // No assignments, no settings.
    body.put_i64(0);
    body.put_i32(5_000);
    body.put_u8(0);
    frame(ApiKey::CreateTopics, 2, &body)
}

fn answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Produces a message to a topic of its own, and gives its offset.
fn produce(stream: &mut TcpStream) -> i64 {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.put_i16(-1);
    body.put_i32(5_000);
    body.put_i32(1);
    body.put_i16(6);
    body.put_slice(b"steady");
    body.put_i32(1);
    body.put_i32(0);
    let batch = batch(-1, -1, -1, 1, 0);
    body.put_i32(batch.len() as i32);
    body.put_slice(&batch);
    stream.write_all(&frame(ApiKey::Produce, 3, &body)).unwrap();
    let answer = answer(stream).expect("an honest client is not served any more");
    // Behind the correlation id, one topic, its name, one partition and its number: error and offset.
    let at = 4 + 4 + 8 + 4 + 4;
    assert_eq!(answer[at..at + 2], [0, 0], "an honest message was refused");
    i64::from_be_bytes(answer[at + 2..at + 10].try_into().unwrap())
}

#[test]
fn no_frame_harms_the_broker() {
    let number = |name: &str, default: u64| -> u64 {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (frames, seed) = (number("MODELLANE_FUZZ_FRAMES", 4_000), number("MODELLANE_FUZZ_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let broker = Process::start(dir.path());
    let mut random = Random(seed);
    let mut honest = broker.connect();
    honest.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    honest.write_all(&create("steady")).unwrap();
    answer(&mut honest).unwrap();
    let (mut answered, mut next) = (0, 0);
    for sent in 0..frames {
        let mut stream = broker.connect();
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        // The broker may have closed it already.
        let _ = stream.write_all(&any_frame(&mut random));
        answered += u64::from(answer(&mut stream).is_ok());
        if sent % 50 == 0 {
            assert_eq!(produce(&mut honest), next, "seed {seed}, after {sent} frames");
            next += 1;
            stream.write_all(&create("abc")).ok();
        }
    }
    produce(&mut honest);
    let errors = std::fs::read_to_string(dir.path().join("stderr")).unwrap();
    assert!(!errors.contains("panicked"), "seed {seed}:\n{errors}");
    let resident = broker.resident();
    println!("{frames} frames, {answered} of them answered, at most {resident} kB in memory");
    assert!(resident < RESIDENT, "seed {seed}: {resident} kB");
    assert!(answered > frames / 10, "seed {seed}: only {answered} frames were answered");
}
