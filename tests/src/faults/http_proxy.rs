//! An HTTP proxy that breaks requests by rule: in front of the object store, and of the collector.
//!
//! A request is passed on as it came, its `Host` included, so that a signature over the proxy's own address
//! stays valid. Each request has a connection of its own on both sides, which makes "the connection broke
//! here" mean the same for every fault.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a rule does besides: kill a process, stop a clock.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// How often a paused thread looks whether the proxy still stands.
const TICK: Duration = Duration::from_millis(20);

/// Which requests a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The commit of a table: the put of the next entry of its log.
    Commit(&'static str),
    /// The put of a data file of a table.
    Data(&'static str),
    /// Any put.
    Put,
    /// A list of objects.
    List,
    /// Any get of an object.
    Get,
    /// Any request.
    Any,
}

impl On {
    fn takes(self, method: &str, target: &str) -> bool {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let is_list = method == "GET" && query.contains("list-type");
        let in_log = |table: &str| path.contains(&format!("/{table}/_delta_log/"));
        match self {
            Self::Commit(table) => method == "PUT" && in_log(table) && path.ends_with(".json"),
            Self::Data(table) => {
                method == "PUT"
                    && path.contains(&format!("/{table}/"))
                    && path.ends_with(".parquet")
                    && !in_log(table)
            }
            Self::Put => method == "PUT",
            Self::List => is_list,
            Self::Get => method == "GET" && !is_list,
            Self::Any => true,
        }
    }
}

/// Which of the matching requests a rule breaks.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Only this one, from 1.
    Nth(usize),
    /// The first so many.
    First(usize),
    /// Each with this probability.
    Chance(f64),
    /// All of them.
    Always,
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Fault {
    /// It is answered with this status and not passed on.
    Answer(u16),
    /// It is not passed on, and its connection breaks after this long.
    Hang(Duration),
    /// It is done, and the reply is lost.
    LoseReply,
    /// It is done, and the reply comes this much later.
    Delay(Duration),
    /// Half of its body is passed on, then both connections break.
    CutBody,
    /// Half of the reply comes back, then the connection breaks.
    CutReply,
    /// The connection breaks at once, and the request is done this much later.
    Late(Duration),
    /// It is done after the hook, which may take its time, has returned.
    Hold(Hook),
    /// The hook is called in place of passing it on.
    Before(Hook),
    /// It is done, the hook is called, and the reply is lost.
    After(Hook),
}

/// One kind of harm.
#[derive(Clone)]
pub struct Rule {
    /// Which requests.
    pub on: On,
    /// Which of them.
    pub when: When,
    /// What becomes of them.
    pub fault: Fault,
}

impl Rule {
    /// A rule.
    pub fn new(on: On, when: When, fault: Fault) -> Self {
        Self { on, when, fault }
    }
}

struct Armed {
    rule: Rule,
    seen: usize,
}

struct Shared {
    upstream: SocketAddr,
    rules: Mutex<(Vec<Armed>, ChaCha8Rng)>,
    fired: AtomicUsize,
    stopped: AtomicBool,
}

/// A running proxy; stops taking requests when dropped.
pub struct HttpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl HttpProxy {
    /// Starts a proxy on a free port in front of `upstream`. The seed decides over chances.
    pub fn start(upstream: &str, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.parse().with_context(|| format!("{upstream} is host:port"))?,
            rules: Mutex::new((Vec::new(), ChaCha8Rng::seed_from_u64(seed))),
            fired: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                if accepting.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // A connection that breaks is what this is for.
                std::thread::spawn(move || shared.serve(client).ok());
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Replaces all rules.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        let armed = rules.into_iter().map(|rule| Armed { rule, seen: 0 }).collect();
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).0 = armed;
    }

    /// Passes everything on from now on.
    pub fn clear(&self) {
        self.set([]);
    }

    /// How many requests were broken since the start.
    pub fn fired(&self) -> usize {
        self.shared.fired.load(Ordering::SeqCst)
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut reader = BufReader::new(client.try_clone()?);
        let Some(request) = Request::read(&mut reader)? else { return Ok(()) };
        let Some(fault) = self.fault(&request) else {
            return reply(&client, &self.forward(&request, request.body.len())?);
        };
        self.fired.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::Answer(status) => reply(&client, refusal(status).as_bytes()),
            Fault::Hang(time) => {
                self.pause(time);
                client.shutdown(Shutdown::Both)
            }
            Fault::LoseReply => {
                self.forward(&request, request.body.len()).and(client.shutdown(Shutdown::Both))
            }
            Fault::Delay(time) => {
                let answer = self.forward(&request, request.body.len())?;
                self.pause(time);
                reply(&client, &answer)
            }
            Fault::CutBody => {
                self.forward(&request, request.body.len() / 2).and(client.shutdown(Shutdown::Both))
            }
            Fault::CutReply => {
                let answer = self.forward(&request, request.body.len())?;
                reply(&client, &answer[..answer.len() / 2])
            }
            Fault::Late(time) => {
                client.shutdown(Shutdown::Both)?;
                self.pause(time);
                self.forward(&request, request.body.len()).map(drop)
            }
            Fault::Hold(hook) => {
                hook();
                reply(&client, &self.forward(&request, request.body.len())?)
            }
            Fault::Before(hook) => {
                hook();
                client.shutdown(Shutdown::Both)
            }
            Fault::After(hook) => {
                let answer = self.forward(&request, request.body.len());
                hook();
                answer.and(client.shutdown(Shutdown::Both))
            }
        }
    }

    /// The fault of the first rule that this request falls under.
    fn fault(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let (armed, random) = &mut *rules;
        for armed in armed.iter_mut().filter(|armed| armed.rule.on.takes(&request.method, &request.target)) {
            armed.seen += 1;
            let falls = match armed.rule.when {
                When::Nth(number) => armed.seen == number,
                When::First(number) => armed.seen <= number,
                When::Chance(chance) => random.random_bool(chance),
                When::Always => true,
            };
            if falls {
                return Some(armed.rule.fault.clone());
            }
        }
        None
    }

    /// Passes a request on with so much of its body and gives the whole answer, which is empty if the
    /// request was not whole.
    fn forward(&self, request: &Request, body: usize) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.upstream)?;
        server.set_nodelay(true)?;
        server.write_all(&request.head)?;
        server.write_all(&request.body[..body])?;
        let mut answer = Vec::new();
        if body == request.body.len() {
            server.read_to_end(&mut answer)?;
        }
        Ok(answer)
    }

    fn pause(&self, time: Duration) {
        let begun = std::time::Instant::now();
        while begun.elapsed() < time && !self.stopped.load(Ordering::SeqCst) {
            std::thread::sleep(TICK);
        }
    }
}

/// A request as it came.
pub(super) struct Request {
    method: String,
    pub(super) target: String,
    /// Up to the empty line, asking the server to close the connection behind its answer.
    head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one; `None` if the client has gone without a word.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (method, target) = (method.to_owned(), target.to_owned());
        let (mut head, mut length) = (line.into_bytes(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "connection" => continue,
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                // Nobody here sends one; passing it on without its body would look like a fault.
                "transfer-encoding" => return Err(io::Error::other("a request without a length")),
                _ => {}
            }
            head.extend(line.into_bytes());
        }
        head.extend(b"Connection: close\r\n\r\n");
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some(Self { method, target, head, body }))
    }
}

/// Sends an answer and closes the connection.
pub(super) fn reply(mut client: &TcpStream, answer: &[u8]) -> io::Result<()> {
    client.write_all(answer)?;
    client.shutdown(Shutdown::Both)
}

fn refusal(status: u16) -> String {
    let body = "<?xml version=\"1.0\"?><Error><Code>Injected</Code><Message>injected</Message></Error>";
    format!(
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A server that answers everything with 200 and says what it was sent.
    fn upstream() -> (String, mpsc::Receiver<(String, usize)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = Request::read(&mut BufReader::new(stream.try_clone().unwrap()));
                if let Ok(Some(request)) = request {
                    let sent = (format!("{} {}", request.method, request.target), request.body.len());
                    sender.send(sent).unwrap();
                    let _ = reply(&stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
                }
            }
        });
        (address, received)
    }

    fn put(proxy: &HttpProxy, path: &str) -> Result<String, ureq::Error> {
        let mut answer = ureq::put(format!("http://{}{path}", proxy.address())).send("0123456789")?;
        answer.body_mut().read_to_string()
    }

    const COMMIT: &str = "/bucket/lake/usage_ledger/_delta_log/00000000000000000007.json";

    #[test]
    fn a_request_goes_through_whole() {
        let (address, received) = upstream();
        let proxy = HttpProxy::start(&address, 1).unwrap();
        assert_eq!(put(&proxy, "/a?b=c").unwrap(), "done");
        assert_eq!(received.recv().unwrap(), ("PUT /a?b=c".to_owned(), 10));
        assert_eq!(proxy.fired(), 0);
    }

    #[test]
    fn a_rule_breaks_the_request_that_it_names_and_no_other() {
        let (address, received) = upstream();
        let proxy = HttpProxy::start(&address, 1).unwrap();
        proxy.set([Rule::new(On::Commit("usage_ledger"), When::Nth(2), Fault::Answer(503))]);
        put(&proxy, COMMIT).unwrap();
        put(&proxy, "/bucket/lake/intents/_delta_log/00000000000000000007.json").unwrap();
        assert!(matches!(put(&proxy, COMMIT), Err(ureq::Error::StatusCode(503))));
        put(&proxy, COMMIT).unwrap();
        assert_eq!((proxy.fired(), received.try_iter().count()), (1, 3));
    }

    #[test]
    fn a_lost_reply_is_a_request_that_was_done() {
        let (address, received) = upstream();
        let proxy = HttpProxy::start(&address, 1).unwrap();
        proxy.set([Rule::new(On::Put, When::Nth(1), Fault::LoseReply)]);
        assert!(put(&proxy, COMMIT).is_err());
        assert_eq!(received.recv().unwrap().1, 10);
    }

    #[test]
    fn a_held_request_is_done_after_its_hook() {
        let (address, received) = upstream();
        let proxy = HttpProxy::start(&address, 1).unwrap();
        let (held, arrived) = (Mutex::new(received), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&arrived);
        let hook: Hook = Arc::new(move || {
            let before = held.lock().unwrap().recv_timeout(Duration::from_millis(50));
            count.fetch_add(usize::from(before.is_ok()) + 1, Ordering::SeqCst);
        });
        proxy.set([Rule::new(On::Put, When::Nth(1), Fault::Hold(hook))]);
        assert_eq!(put(&proxy, COMMIT).unwrap(), "done");
        assert_eq!(arrived.load(Ordering::SeqCst), 1, "called once, before the request arrived");
    }

    #[test]
    fn a_cut_body_never_arrives_whole() {
        let (address, received) = upstream();
        let proxy = HttpProxy::start(&address, 1).unwrap();
        proxy.set([Rule::new(On::Data("usage_ledger"), When::Always, Fault::CutBody)]);
        assert!(put(&proxy, "/bucket/lake/usage_ledger/event_date=2026-11-02/part-1.parquet").is_err());
        assert!(received.try_recv().is_err());
    }
}
