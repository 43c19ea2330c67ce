//! The coordinator of classic consumer groups: membership in memory, offsets elsewhere (in the journal).
//!
//! After a restart members find themselves unknown and join again; what they committed is still there.

mod group;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

use group::Group;
pub(crate) use group::{Heard, Join, Joined, Phase};

use crate::time;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(50);

/// A member as an administrator sees it.
pub(crate) struct MemberView {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

/// A group as an administrator sees it.
pub(crate) struct GroupView {
    pub(crate) phase: Phase,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberView>,
}

/// An open connection.
struct Connection {
    /// What its client calls itself; empty until it says so.
    client: String,
    opened: Instant,
}

fn heard(connection: u64) -> Heard {
    Heard { at: time::now(), connection }
}

/// All groups, and the connections that their members may use.
#[derive(Default)]
pub(crate) struct Coordinator {
    groups: Mutex<HashMap<String, Group>>,
    connections: Mutex<HashMap<u64, Connection>>,
}

impl Coordinator {
    fn groups(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was opened.
    pub(crate) fn opened(&self, connection: u64) {
        let known = Connection { client: String::new(), opened: time::now() };
        self.connections().insert(connection, known);
    }

    /// The client of a connection says how it is called.
    pub(crate) fn introduced(&self, connection: u64, client: &str) {
        if let Some(known) = self.connections().get_mut(&connection)
            && known.client != client
        {
            client.clone_into(&mut known.client);
        }
    }

    /// A connection was closed.
    pub(crate) fn closed(&self, connection: u64) {
        self.connections().remove(&connection);
        let now = time::now();
        for group in self.groups().values_mut() {
            group.closed(connection, now);
        }
    }

    /// Whether a client has a connection that it opened before a time.
    fn has_older(&self, client: &str, than: Instant) -> bool {
        self.connections().values().any(|known| known.client == client && known.opened < than)
    }

    /// Expires members and ends rebalances that are due, for as long as the broker runs.
    pub(crate) async fn keep_time(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            let now = time::now();
            self.groups().retain(|_, group| {
                group.tick(now, |client, than| self.has_older(client, than));
                // An empty group is only its committed offsets, which the journal has.
                !group.is_idle()
            });
        }
    }

    /// A member joins or joins again; the answer comes when the rebalance ends.
    pub(crate) fn join(&self, group: &str, join: Join) -> Result<oneshot::Receiver<Joined>, ResponseError> {
        self.groups().entry(group.to_owned()).or_default().join(join, time::now())
    }

    /// Announces a member id that the coordinator made up.
    pub(crate) fn announce(&self, group: &str, member: &str, session: Duration) -> Result<(), ResponseError> {
        self.groups().entry(group.to_owned()).or_default().announce(member, session, time::now())
    }

    /// A member asks for its assignment; the leader brings everybody's.
    pub(crate) fn sync(
        &self,
        group: &str,
        generation: i32,
        member: &str,
        assignments: Vec<(String, Bytes)>,
        connection: u64,
    ) -> Result<oneshot::Receiver<Bytes>, ResponseError> {
        let mut groups = self.groups();
        let group = groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        group.sync(generation, member, assignments, heard(connection))
    }

    /// A member says that it lives.
    pub(crate) fn heartbeat(
        &self,
        group: &str,
        generation: i32,
        member: &str,
        connection: u64,
    ) -> Result<(), ResponseError> {
        let mut groups = self.groups();
        let group = groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        group.heartbeat(generation, member, heard(connection))
    }

    /// A member leaves.
    pub(crate) fn leave(&self, group: &str, member: &str) -> Result<(), ResponseError> {
        let mut groups = self.groups();
        let group = groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        group.leave(member, time::now())
    }

    /// Whether this member, or a client outside any group if `generation` is negative, may commit now.
    pub(crate) fn may_commit(
        &self,
        group: &str,
        generation: i32,
        member: &str,
        connection: u64,
    ) -> Result<(), ResponseError> {
        match self.groups().get_mut(group) {
            Some(group) => group.may_commit(generation, member, heard(connection)),
            None if generation < 0 => Ok(()),
            None => Err(ResponseError::UnknownMemberId),
        }
    }

    /// The groups that have members.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        self.groups().iter().map(|(name, group)| (name.clone(), group.protocol_type().to_owned())).collect()
    }

    /// One group, if it has members.
    pub(crate) fn describe(&self, group: &str) -> Option<GroupView> {
        self.groups().get(group).map(Group::view)
    }
}
