//! A schema registry with what the product asks of Confluent's API, which can be away for a while.

use std::collections::HashMap;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use modellane_schema::wire::fingerprint_of;
use serde_json::{Value, json};

use super::http_proxy::{Request, reply};

#[derive(Default)]
struct Shared {
    /// A schema's id is its place in this list, from 1.
    schemas: Mutex<Vec<String>>,
    subjects: Mutex<HashMap<String, Vec<u32>>>,
    is_away: AtomicBool,
    stopped: AtomicBool,
}

/// A running registry; stops when dropped.
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Registry {
    /// Starts an empty registry on a free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.stopped.load(Ordering::SeqCst) {
                    break;
                }
                // Whoever is away answers nobody.
                if !serving.is_away.load(Ordering::SeqCst) {
                    let _ = serving.serve(&client);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// What services are configured with.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection from now on, or serves again.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::SeqCst);
    }

    /// The fingerprints by which the product knows the schemas, by id.
    pub fn fingerprints(&self) -> HashMap<u32, u64> {
        let schemas = self.shared.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        (1..).zip(schemas.iter()).filter_map(|(id, schema)| Some((id, fingerprint_of(schema)?))).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> std::io::Result<()> {
        let Some(request) = Request::read(&mut BufReader::new(client.try_clone()?))? else { return Ok(()) };
        let said = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let found = self.answer(&request.target, said["schema"].as_str());
        let (status, body) = match found {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", json!({"error_code": 40403, "message": "Schema not found"})),
        };
        let body = body.to_string();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        reply(client, format!("{head}{body}").as_bytes())
    }

    fn answer(&self, target: &str, schema: Option<&str>) -> Option<Value> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let path: Vec<&str> = target.split('/').skip(1).collect();
        let id_of = |schemas: &[String], schema: &str| {
            schemas.iter().position(|known| known == schema).map(|place| place as u32 + 1)
        };
        match (path.as_slice(), schema) {
            (["schemas", "ids", id], None) => {
                let place = id.parse::<usize>().ok()?.checked_sub(1)?;
                Some(json!({"schema": schemas.get(place)?}))
            }
            (["subjects", subject], Some(schema)) => {
                let id = id_of(&schemas, schema)?;
                subjects.get(*subject)?.contains(&id).then(|| json!({"id": id}))
            }
            (["subjects", subject, "versions"], Some(schema)) => {
                let id = id_of(&schemas, schema).unwrap_or_else(|| {
                    schemas.push(schema.to_owned());
                    schemas.len() as u32
                });
                subjects.entry((*subject).to_owned()).or_default().push(id);
                Some(json!({"id": id}))
            }
            _ => None,
        }
    }
}
