//! Membership of classic consumer groups.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsResponse,
    SyncGroupRequest, SyncGroupResponse,
};

use super::{HOST, Node, Request, code, text};
use crate::groups::{GroupView, Join, Joined};
use crate::time;

/// The range of session timeouts that is accepted, as on Apache Kafka except for the lower end.
const SESSION: std::ops::RangeInclusive<i32> = 100..=1_800_000;

/// From this version on a new member first gets an id, and joins with it.
const TWO_STEP_JOIN: i16 = 4;

fn refused(error: ResponseError, member: &str) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_protocol_name(Some(text("")))
        .with_member_id(text(member))
}

pub(super) async fn join(
    node: &Node,
    request: JoinGroupRequest,
    version: i16,
    from: &Request,
) -> JoinGroupResponse {
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId, &request.member_id);
    }
    if !SESSION.contains(&request.session_timeout_ms) {
        return refused(ResponseError::InvalidSessionTimeout, &request.member_id);
    }
    let millis = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
    let session = millis(request.session_timeout_ms);
    let fresh = request.member_id.is_empty();
    let client = from.client.as_str();
    let member =
        if fresh { format!("{client}-{}", time::random_id()) } else { request.member_id.to_string() };
    if fresh && version >= TWO_STEP_JOIN {
        let announced = node.groups.announce(&request.group_id, &member, session);
        return refused(announced.err().unwrap_or(ResponseError::MemberIdRequired), &member);
    }
    let rebalance = if version == 0 { session } else { millis(request.rebalance_timeout_ms) };
    let protocols =
        request.protocols.into_iter().map(|protocol| (protocol.name.to_string(), protocol.metadata));
    let join = Join {
        member: member.clone(),
        fresh,
        client: client.to_owned(),
        connection: from.connection,
        session,
        rebalance,
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
    };
    match node.groups.join(&request.group_id, join) {
        Err(error) => refused(error, &member),
        // Without an answer the member was dropped, or another request took its place.
        Ok(answered) => {
            answered.await.map_or_else(|_| refused(ResponseError::UnknownMemberId, &member), accepted)
        }
    }
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|(id, metadata)| {
        JoinGroupResponseMember::default().with_member_id(text(&id)).with_metadata(metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(text(&joined.protocol_type)))
        .with_protocol_name(Some(text(&joined.protocol)))
        .with_leader(text(&joined.leader))
        .with_member_id(text(&joined.member))
        .with_members(members.collect())
}

pub(super) async fn sync(node: &Node, request: SyncGroupRequest, connection: u64) -> SyncGroupResponse {
    let assignments =
        request.assignments.into_iter().map(|entry| (entry.member_id.to_string(), entry.assignment));
    let (generation, assignments) = (request.generation_id, assignments.collect());
    let waits = node.groups.sync(&request.group_id, generation, &request.member_id, assignments, connection);
    let assignment = match waits {
        Err(error) => Err(error),
        // A rebalance that begins meanwhile drops the other end.
        Ok(answered) => answered.await.map_err(|_| ResponseError::RebalanceInProgress),
    };
    SyncGroupResponse::default()
        .with_error_code(code(&assignment))
        .with_assignment(assignment.unwrap_or_default())
}

pub(super) fn heartbeat(node: &Node, request: &HeartbeatRequest, connection: u64) -> HeartbeatResponse {
    let generation = request.generation_id;
    let alive = node.groups.heartbeat(&request.group_id, generation, &request.member_id, connection);
    HeartbeatResponse::default().with_error_code(code(&alive))
}

pub(super) fn leave(node: &Node, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let left = node.groups.leave(&request.group_id, &request.member_id);
    LeaveGroupResponse::default().with_error_code(code(&left))
}

/// All groups: those with members, and those that only have offsets.
pub(super) fn list(node: &Node) -> ListGroupsResponse {
    let mut groups: BTreeMap<String, String> = node
        .log
        .read(|state| state.committed_groups().map(|group| (group.clone(), "consumer".to_owned())).collect());
    groups.extend(node.groups.list());
    let groups = groups.iter().map(|(group, kind)| {
        ListedGroup::default().with_group_id(text(group).into()).with_protocol_type(text(kind))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) fn describe(node: &Node, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|group| describe_one(node, group));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe_one(node: &Node, group: GroupId) -> DescribedGroup {
    let Some(view) = node.groups.describe(&group) else {
        let has_offsets = node.log.read(|state| state.committed(&group).is_some());
        let state = if has_offsets { "Empty" } else { "Dead" };
        return DescribedGroup::default().with_group_id(group).with_group_state(text(state));
    };
    let GroupView { phase, protocol_type, protocol, members } = view;
    let members = members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_client_id(text(&member.client))
            .with_client_host(text(HOST))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    DescribedGroup::default()
        .with_group_id(group)
        .with_group_state(text(phase.name()))
        .with_protocol_type(text(&protocol_type))
        .with_protocol_data(text(&protocol))
        .with_members(members.collect())
}
