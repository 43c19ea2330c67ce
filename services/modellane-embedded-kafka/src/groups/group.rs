//! One group: who is in it, which generation, and what everybody waits for.
//!
//! `Empty -> Preparing -> AwaitSync -> Stable`, and back to `Preparing` whenever a member comes, goes or
//! joins again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

use super::{GroupView, MemberView};

/// How long the first member of an empty group waits for others that start with it.
const FIRST_JOIN_WAIT: Duration = Duration::from_millis(150);

/// The longest wait for members that do not come back, whatever they asked for.
const MAX_REBALANCE: Duration = Duration::from_secs(300);

/// The most members of a group, with those that were promised an id.
const MAX_MEMBERS: usize = 1_000;

/// How long a member may take to come back when the last connection of its client has closed: its process has
/// ended, or the network was cut.
const RETURN: Duration = Duration::from_millis(250);

/// The part of its session that a member gets to come back when its connection has closed and another one of
/// its client is there still.
const RETURN_PART: u32 = 5;

/// Somebody is heard from: when, and on which connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) connection: u64,
}

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nobody is in it.
    #[default]
    Empty,
    /// Members are joining.
    Preparing,
    /// All have joined; the leader has not brought the assignment yet.
    AwaitSync,
    /// Everybody has an assignment.
    Stable,
}

impl Phase {
    /// The protocol's name of the phase.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing => "PreparingRebalance",
            Self::AwaitSync => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A request to join.
pub(crate) struct Join {
    /// The member's id; never empty.
    pub(crate) member: String,
    /// Whether the id was just made up for this request.
    pub(crate) fresh: bool,
    pub(crate) client: String,
    /// The connection that it came on.
    pub(crate) connection: u64,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    pub(crate) protocol_type: String,
    /// What the member can do, best first, with its metadata for each.
    pub(crate) protocols: Vec<(String, Bytes)>,
}

/// What a member learns when a rebalance ends.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// Everybody with metadata, for the leader only.
    pub(crate) members: Vec<(String, Bytes)>,
}

struct Member {
    client: String,
    session: Duration,
    rebalance: Duration,
    seen: Instant,
    /// The connection on which it was heard last, and when that closed.
    connection: u64,
    away: Option<Instant>,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    join: Option<oneshot::Sender<Joined>>,
    sync: Option<oneshot::Sender<Bytes>>,
}

impl Member {
    fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, bytes)| bytes.clone())
            .unwrap_or_default()
    }

    fn hear(&mut self, heard: Heard) {
        self.seen = heard.at;
        self.connection = heard.connection;
        self.away = None;
    }

    /// Gone without a word. Who waits for an answer is not expected to send heartbeats, unless the
    /// connection that waits is closed.
    ///
    /// A member whose connection closed has most probably ended. It is not left in the group for its whole
    /// session, or the one that is started in its place would have to wait as long. If it lives after all, it
    /// learns that it is unknown and joins again, as it would after a restart of the broker.
    fn expired(&self, now: Instant, has_older: impl Fn(&str, Instant) -> bool) -> bool {
        if let Some(away) = self.away {
            let others = has_older(&self.client, away);
            let wait = if others { self.session / RETURN_PART } else { RETURN.min(self.session) };
            return now.saturating_duration_since(away) > wait;
        }
        let waits = self.join.as_ref().is_some_and(|join| !join.is_closed())
            || self.sync.as_ref().is_some_and(|sync| !sync.is_closed());
        !waits && now.saturating_duration_since(self.seen) > self.session
    }
}

/// A group.
#[derive(Default)]
pub(super) struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids that were handed out and not used yet, with the time they lapse.
    announced: BTreeMap<String, Instant>,
    /// When the rebalance ends without those who are still missing.
    deadline: Option<Instant>,
    /// The group was empty: wait until the deadline even if everybody known has joined.
    gathering: bool,
}

impl Group {
    pub(super) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.announced.is_empty()
    }

    pub(super) fn announce(
        &mut self,
        member: &str,
        session: Duration,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check_size()?;
        self.announced.insert(member.to_owned(), now + session);
        Ok(())
    }

    fn check_size(&self) -> Result<(), ResponseError> {
        let full = self.members.len() + self.announced.len() >= MAX_MEMBERS;
        if full { Err(ResponseError::GroupMaxSizeReached) } else { Ok(()) }
    }

    pub(super) fn join(
        &mut self,
        join: Join,
        now: Instant,
    ) -> Result<oneshot::Receiver<Joined>, ResponseError> {
        let known = join.fresh
            || self.announced.contains_key(&join.member)
            || self.members.contains_key(&join.member);
        if !known {
            return Err(ResponseError::UnknownMemberId);
        }
        if join.fresh {
            self.check_size()?;
        }
        if !self.fits(&join) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        self.announced.remove(&join.member);
        self.protocol_type = join.protocol_type;
        let (answer, answered) = oneshot::channel();
        let member = Member {
            client: join.client,
            session: join.session,
            rebalance: join.rebalance,
            seen: now,
            connection: join.connection,
            away: None,
            protocols: join.protocols,
            assignment: Bytes::new(),
            join: Some(answer),
            sync: None,
        };
        self.members.insert(join.member, member);
        self.prepare(now);
        self.complete_if_due(now);
        Ok(answered)
    }

    /// Whether all other members share a protocol with the one who joins.
    fn fits(&self, join: &Join) -> bool {
        let mut others = self.members.iter().filter(|(id, _)| **id != join.member).peekable();
        if join.protocols.is_empty() {
            return false;
        }
        if others.peek().is_none() {
            return true;
        }
        let others: Vec<_> = others.map(|(_, member)| member).collect();
        self.protocol_type == join.protocol_type
            && join.protocols.iter().any(|(name, _)| {
                others.iter().all(|member| member.protocols.iter().any(|(other, _)| other == name))
            })
    }

    /// Begins a rebalance unless one is under way.
    fn prepare(&mut self, now: Instant) {
        if self.phase == Phase::Preparing {
            return;
        }
        self.gathering = self.phase == Phase::Empty;
        let longest = self.members.values().map(|member| member.rebalance).max().unwrap_or_default();
        let wait = if self.gathering { FIRST_JOIN_WAIT } else { longest.min(MAX_REBALANCE) };
        self.deadline = Some(now + wait);
        for member in self.members.values_mut() {
            // Whoever waits for an assignment of the old generation is told to join again.
            member.sync = None;
        }
        self.phase = Phase::Preparing;
    }

    /// Ends the rebalance when all members have joined, or when the time for it is over.
    fn complete_if_due(&mut self, now: Instant) {
        if self.phase != Phase::Preparing {
            return;
        }
        let due = self.deadline.is_none_or(|deadline| now >= deadline);
        let all = self.members.values().all(|member| member.join.is_some());
        if !due && (!all || self.gathering) {
            return;
        }
        self.members.retain(|_, member| member.join.is_some());
        self.generation += 1;
        self.deadline = None;
        let Some(first) = self.members.keys().next() else {
            self.phase = Phase::Empty;
            return;
        };
        if !self.members.contains_key(&self.leader) {
            self.leader = first.clone();
        }
        self.protocol = self.common_protocol();
        self.phase = Phase::AwaitSync;
        self.answer_joins(now);
    }

    /// The leader's best protocol that everybody has; `fits` made sure of one.
    fn common_protocol(&self) -> String {
        let Some(leader) = self.members.get(&self.leader) else { return String::new() };
        let shared = |name: &String| {
            self.members.values().all(|member| member.protocols.iter().any(|(other, _)| other == name))
        };
        leader.protocols.iter().map(|(name, _)| name).find(|name| shared(name)).cloned().unwrap_or_default()
    }

    fn answer_joins(&mut self, now: Instant) {
        let everybody: Vec<_> =
            self.members.iter().map(|(id, member)| (id.clone(), member.metadata(&self.protocol))).collect();
        for (id, member) in &mut self.members {
            member.seen = now;
            let joined = Joined {
                generation: self.generation,
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                member: id.clone(),
                members: if *id == self.leader { everybody.clone() } else { Vec::new() },
            };
            if let Some(answer) = member.join.take() {
                // A closed connection shows itself by missing heartbeats.
                let _ = answer.send(joined);
            }
        }
    }

    /// Finds a member of the current generation and notes that it lives.
    fn member(&mut self, generation: i32, id: &str, heard: Heard) -> Result<&mut Member, ResponseError> {
        let current = self.generation;
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        member.hear(heard);
        if generation == current { Ok(member) } else { Err(ResponseError::IllegalGeneration) }
    }

    pub(super) fn sync(
        &mut self,
        generation: i32,
        id: &str,
        assignments: Vec<(String, Bytes)>,
        heard: Heard,
    ) -> Result<oneshot::Receiver<Bytes>, ResponseError> {
        self.member(generation, id, heard)?;
        match self.phase {
            Phase::Empty => return Err(ResponseError::UnknownMemberId),
            Phase::Preparing => return Err(ResponseError::RebalanceInProgress),
            Phase::AwaitSync if self.leader == id => self.assign(assignments, heard.at),
            Phase::AwaitSync | Phase::Stable => {}
        }
        let stable = self.phase == Phase::Stable;
        let (answer, answered) = oneshot::channel();
        let member = self.member(generation, id, heard)?;
        if stable {
            // The receiver is in our hand.
            let _ = answer.send(member.assignment.clone());
        } else {
            member.sync = Some(answer);
        }
        Ok(answered)
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        for member in self.members.values_mut() {
            if let Some(answer) = member.sync.take() {
                member.seen = now;
                let _ = answer.send(member.assignment.clone());
            }
        }
        self.phase = Phase::Stable;
    }

    pub(super) fn heartbeat(&mut self, generation: i32, id: &str, heard: Heard) -> Result<(), ResponseError> {
        self.member(generation, id, heard)?;
        if self.phase == Phase::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    pub(super) fn may_commit(
        &mut self,
        generation: i32,
        id: &str,
        heard: Heard,
    ) -> Result<(), ResponseError> {
        if generation < 0 {
            // A client that assigns partitions itself must not write over a group that is at work.
            return if self.members.is_empty() { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        }
        self.member(generation, id, heard)?;
        if self.phase == Phase::AwaitSync { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    pub(super) fn leave(&mut self, id: &str, now: Instant) -> Result<(), ResponseError> {
        if self.announced.remove(id).is_none() && self.members.remove(id).is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        self.after_loss(now);
        Ok(())
    }

    /// A connection has closed, and with it perhaps the process of members that were heard on it.
    pub(super) fn closed(&mut self, connection: u64, now: Instant) {
        for member in self.members.values_mut().filter(|member| member.connection == connection) {
            member.away.get_or_insert(now);
        }
    }

    /// Expires members, and ends the rebalance if it is due. `has_older` tells whether a client has a
    /// connection still that it opened before a time.
    pub(super) fn tick(&mut self, now: Instant, has_older: impl Fn(&str, Instant) -> bool) {
        self.announced.retain(|_, lapse| now < *lapse);
        let before = self.members.len();
        self.members.retain(|_, member| !member.expired(now, &has_older));
        if self.members.len() != before {
            self.after_loss(now);
        }
        self.complete_if_due(now);
    }

    fn after_loss(&mut self, now: Instant) {
        if self.members.is_empty() {
            self.generation += 1;
            self.phase = Phase::Empty;
            self.deadline = None;
        } else {
            self.prepare(now);
            self.complete_if_due(now);
        }
    }

    pub(super) fn view(&self) -> GroupView {
        let members = self.members.iter().map(|(id, member)| MemberView {
            id: id.clone(),
            client: member.client.clone(),
            metadata: member.metadata(&self.protocol),
            assignment: member.assignment.clone(),
        });
        GroupView {
            phase: self.phase,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            members: members.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
