//! More requests than there is room for, and requests that come again.

use anyhow::{Result, ensure};

use crate::faults::arena::Arena;
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, HttpProxy, On, Rule, When};
use crate::faults::oracle::{Draw, Oracle};

/// Lanes of the first part, and how many times as many come in the second.
const CALM: usize = 2;
const TIMES: usize = 5;
/// From this size on the peak of memory says something: below it is what a process needs to start.
const TELLING: usize = 50_000;
/// How much more memory the overload may take.
const MOST_MEMORY: f64 = 1.3;

/// Plan 14: First as many senders as are served at once, then five times as many at full speed.
pub(super) fn overload(arena: &mut Arena<'_>) -> Result<()> {
    let collector = arena.first(Role::Collector)?;
    arena.fleet.set("MODELLANE__COLLECTOR__MAX_IN_FLIGHT", &CALM.to_string());
    arena.fleet.crash(collector)?;
    let size = arena.size();
    let lanes = CALM * TIMES;
    // The same events by more senders; the calm part is half of what the first few of them have.
    let oracle = Oracle::draw(size.seed, Draw::of(size.events, lanes));
    let collectors = arena.fleet.collectors();
    arena.replace_feed(oracle, collectors);
    arena.feed().open_lanes(CALM);
    arena.send_until(WHOLE / 2)?;
    arena.drain()?;
    ensure!(arena.feed().progress().0 > 0, "nothing was sent in the calm part");
    let put_off_before = arena.feed().put_off();
    let services: Vec<usize> = [Role::Collector, Role::Processor, Role::Sink]
        .map(|role| arena.first(role))
        .into_iter()
        .collect::<Result<_>>()?;
    let calm: Vec<u64> = services.iter().map(|service| arena.fleet.peak_memory(*service)).collect();
    arena.feed().open_lanes(usize::MAX);
    arena.send_all()?;
    arena.drain()?;
    let put_off = arena.feed().put_off() - put_off_before;
    ensure!(put_off > 0, "nobody was put off: there was no overload");
    for (service, calm) in services.iter().zip(calm) {
        let peak = arena.fleet.peak_memory(*service);
        let ratio = peak as f64 / calm as f64;
        let name = arena.fleet.service(*service).role.name();
        arena.note(format!("{name}: peak memory {} MiB, {ratio:.2} of the calm part's", peak >> 20));
        ensure!(size.events < TELLING || ratio <= MOST_MEMORY, "the {name} took {ratio:.2} times its memory");
    }
    arena.note(format!("{put_off} requests were put off"));
    Ok(())
}

/// Plan 15: Clients send again because the acknowledgement of what was taken never reached them.
pub(super) fn retry_storm(arena: &mut Arena<'_>) -> Result<()> {
    let collector = arena.first(Role::Collector)?;
    let address = arena.fleet.service(collector).http.clone();
    let proxy = HttpProxy::start(&address, arena.size().seed)?;
    proxy.set([
        Rule::new(On::Any, When::Chance(0.4), Fault::LoseReply),
        Rule::new(On::Any, When::Chance(0.15), Fault::CutReply),
    ]);
    arena.feed().send_to(vec![proxy.address()]);
    arena.send_all()?;
    let (attempts, (sent, _)) = (arena.feed().attempts(), arena.feed().progress());
    ensure!(attempts > sent + sent / 3, "{attempts} attempts for {sent} requests are no storm");
    arena.note(format!("{attempts} attempts for {sent} requests"));
    Ok(())
}
