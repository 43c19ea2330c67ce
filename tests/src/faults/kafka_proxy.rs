//! A proxy in front of a broker: slow, sliced, silent and broken connections, and hooks at requests.
//!
//! Own code rather than `noxious`, whose last release is of 2021: a plan must know requests apart, to kill a
//! processor between the acknowledgement of its results and the commit of its offsets, say. Both directions
//! of the protocol are frames with their length in front; requests begin with their kind and number,
//! answers with the number of their request.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use super::http_proxy::Hook;

/// Kinds of requests that a plan tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A collector sends records.
    ProduceUsage,
    /// A processor sends its results.
    ProduceJudged,
    /// A processor commits its group's offsets.
    CommitOffsets,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of a request, from its first bytes behind the length.
    fn of(request: &[u8]) -> Self {
        // The names of client and topic come first; what is searched behind them are records.
        let start = &request[..request.len().min(256)];
        let names = |topic: &[u8]| start.windows(topic.len()).any(|window| window == topic);
        match request.get(..2) {
            Some([0, 0]) if names(b".usage.v1") => Self::ProduceUsage,
            Some([0, 0]) if names(b".judged.v1") => Self::ProduceJudged,
            Some([0, 8]) => Self::CommitOffsets,
            _ => Self::Other,
        }
    }
}

/// How often a thread looks whether the silence is over.
const TICK: Duration = Duration::from_millis(20);

/// The state of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// How much later each frame comes.
    pub latency: Duration,
    /// How much passes in a second, in each direction of a connection.
    pub bytes_per_second: Option<usize>,
    /// The largest piece that is sent at once.
    pub slice: Option<usize>,
    /// Whether nothing passes, while connections stay open.
    pub silent: bool,
}

/// Where a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// In place of passing the request on.
    Request,
    /// When the broker has answered, in place of passing the answer on.
    Answer,
}

struct Trap {
    kind: Kind,
    moment: Moment,
    /// Calls until it springs.
    left: usize,
    hook: Hook,
}

struct Shared {
    upstream: SocketAddr,
    weather: Mutex<Weather>,
    traps: Mutex<Vec<Trap>>,
    open: Mutex<Vec<TcpStream>>,
    sprung: AtomicUsize,
    stopped: AtomicBool,
}

/// A running proxy; breaks every connection when dropped.
pub struct KafkaProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl KafkaProxy {
    /// Starts a proxy on `port` in front of `upstream`, which advertises that port.
    pub fn start(port: u16, upstream: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.parse().with_context(|| format!("{upstream} is host:port"))?,
            weather: Mutex::default(),
            traps: Mutex::default(),
            open: Mutex::default(),
            sprung: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let _ = accepting.connect(&client);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes the state of the network, for connections that are open too.
    pub fn set(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// Breaks every connection that is open now.
    pub fn reset(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            // The other side may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Calls `hook` once, at the `nth` request of this kind from now on.
    pub fn trap(&self, kind: Kind, moment: Moment, nth: usize, hook: Hook) {
        lock(&self.shared.traps).push(Trap { kind, moment, left: nth.max(1), hook });
    }

    /// Takes the traps away that have not sprung, and makes the network well again.
    pub fn clear(&self) {
        lock(&self.shared.traps).clear();
        self.set(Weather::default());
    }

    /// How many traps have sprung since the start.
    pub fn sprung(&self) -> usize {
        self.shared.sprung.load(Ordering::SeqCst)
    }
}

impl Drop for KafkaProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.reset();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kinds of the requests that wait for an answer, by their number.
type Waiting = Arc<Mutex<HashMap<i32, Kind>>>;

impl Shared {
    fn connect(self: &Arc<Self>, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        {
            let mut open = lock(&self.open);
            // Those that are closed need no breaking.
            open.retain(|stream| stream.peer_addr().is_ok());
            open.extend([client.try_clone()?, server.try_clone()?]);
        }
        let waiting = Waiting::default();
        for (moment, from, to) in [
            (Moment::Request, client.try_clone()?, server.try_clone()?),
            (Moment::Answer, server, client.try_clone()?),
        ] {
            let (shared, waiting) = (Arc::clone(self), Arc::clone(&waiting));
            std::thread::spawn(move || {
                let _ = shared.pass(moment, &from, &to, &waiting);
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
        Ok(())
    }

    fn pass(
        &self,
        moment: Moment,
        mut from: &TcpStream,
        to: &TcpStream,
        waiting: &Waiting,
    ) -> io::Result<()> {
        loop {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            let size = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
            let mut frame = length.to_vec();
            frame.resize(4 + size, 0);
            from.read_exact(&mut frame[4..])?;
            if let Some(hook) = self.hook(moment, &frame, waiting) {
                hook();
                return Ok(());
            }
            self.send(to, &frame)?;
        }
    }

    /// The hook of the trap that this frame springs.
    fn hook(&self, moment: Moment, frame: &[u8], waiting: &Waiting) -> Option<Hook> {
        let number = |at: usize| frame.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes);
        let kind = match moment {
            Moment::Request => {
                let kind = Kind::of(&frame[4..]);
                lock(waiting).insert(number(8)?, kind);
                kind
            }
            Moment::Answer => lock(waiting).remove(&number(4)?)?,
        };
        let mut traps = lock(&self.traps);
        let place = traps.iter().position(|trap| trap.kind == kind && trap.moment == moment)?;
        traps[place].left -= 1;
        if traps[place].left > 0 {
            return None;
        }
        self.sprung.fetch_add(1, Ordering::SeqCst);
        Some(traps.swap_remove(place).hook)
    }

    fn send(&self, mut to: &TcpStream, frame: &[u8]) -> io::Result<()> {
        while lock(&self.weather).silent && !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
        }
        let weather = *lock(&self.weather);
        std::thread::sleep(weather.latency);
        for piece in frame.chunks(weather.slice.unwrap_or(64 << 10)) {
            to.write_all(piece)?;
            if let Some(limit) = weather.bytes_per_second {
                std::thread::sleep(Duration::from_secs_f64(piece.len() as f64 / limit as f64));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each request with its number.
    fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut length = [0; 4];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
                        stream.read_exact(&mut frame).unwrap();
                        stream.write_all(&[&[0, 0, 0, 4][..], &frame[4..8]].concat()).unwrap();
                    }
                });
            }
        });
        address
    }

    const PRODUCE: i16 = 0;
    const OFFSET_COMMIT: i16 = 8;

    fn ask(stream: &mut TcpStream, api: i16, number: i32) -> io::Result<i32> {
        let request = [&api.to_be_bytes()[..], &[0, 0], &number.to_be_bytes(), b"plan.judged.v1"].concat();
        stream.write_all(&(request.len() as u32).to_be_bytes())?;
        stream.write_all(&request)?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer)?;
        Ok(i32::from_be_bytes(answer[4..].try_into().unwrap()))
    }

    #[test]
    fn a_trap_springs_at_its_answer_and_breaks_the_connection() {
        let proxy = KafkaProxy::start(0, &echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&called);
        let hook: Hook = Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        proxy.trap(Kind::ProduceJudged, Moment::Answer, 2, hook);
        assert_eq!(ask(&mut stream, PRODUCE, 7).unwrap(), 7);
        assert_eq!(ask(&mut stream, OFFSET_COMMIT, 8).unwrap(), 8);
        assert!(ask(&mut stream, PRODUCE, 9).is_err());
        assert_eq!((called.load(Ordering::SeqCst), proxy.sprung()), (1, 1));
    }

    #[test]
    fn frames_survive_slices_and_not_a_reset() {
        let proxy = KafkaProxy::start(0, &echo()).unwrap();
        proxy.set(Weather { slice: Some(1), latency: Duration::from_millis(1), ..Weather::default() });
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream, PRODUCE, 3).unwrap(), 3);
        proxy.reset();
        assert!(ask(&mut stream, PRODUCE, 4).is_err());
    }
}
