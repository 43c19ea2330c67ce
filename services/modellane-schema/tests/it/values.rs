//! Any value that the vocabulary can hold.

use modellane_event::*;
use proptest::prelude::*;
use proptest::sample::select;

/// Pairs in pairs, because proptest's tuples end at twelve.
macro_rules! nested {
    ($only:expr) => { $only };
    ($first:expr, $($rest:expr),+) => { ($first, nested!($($rest),+)) };
}
macro_rules! nested_pattern {
    ($only:ident) => { $only };
    ($first:ident, $($rest:ident),+) => { ($first, nested_pattern!($($rest),+)) };
}
macro_rules! record {
    ($type:ident { $($field:ident: $strategy:expr),+ $(,)? }) => {
        nested!($($strategy.boxed()),+)
            .prop_map(|nested_pattern!($($field),+)| $type { $($field),+ })
            .boxed()
    };
}
macro_rules! id {
    ($type:ident) => {
        any::<[u8; 16]>().prop_map($type)
    };
}
macro_rules! variants {
    ($type:ident: $($variant:ident)+) => { select(vec![$($type::$variant),+]) };
}

fn maybe<S: Strategy + 'static>(strategy: S) -> BoxedStrategy<Option<S::Value>>
where
    S::Value: Clone,
{
    proptest::option::of(strategy).boxed()
}

pub(crate) fn label() -> impl Strategy<Value = Label> {
    prop_oneof!["[a-zA-Z0-9._:/@+#~=|,-]{1,128}", "[a-zéüßñ日本]{1,40}"]
        .prop_map(|text| text.parse().expect("the pattern makes labels only"))
}

fn labels() -> impl Strategy<Value = Vec<Label>> {
    proptest::collection::vec(label(), 0..4)
}

fn amount() -> impl Strategy<Value = Amount> {
    let limit = 10i128.pow(u32::from(Amount::PRECISION));
    prop_oneof![
        Just(0i128),
        Just(limit - 1),
        Just(1 - limit),
        -1_000_000_000_000i128..1_000_000_000_000,
        1 - limit..limit
    ]
    .prop_map(|billionths| Amount::from_billionths(billionths).expect("within the limit"))
}

fn share() -> impl Strategy<Value = Share> {
    (0..=1_000_000).prop_map(|millionths| Share::new(millionths).expect("within the limits"))
}

fn time() -> impl Strategy<Value = UtcTime> {
    (946_684_800_000_000i64..7_258_118_400_000_000).prop_map(UtcTime)
}

fn count() -> BoxedStrategy<Option<i64>> {
    maybe(prop_oneof![Just(0i64), Just(i64::MAX), Just(i64::MIN), any::<i64>()])
}

fn currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|code| Currency::new(&code).expect("three letters"))
}

fn cost_basis() -> impl Strategy<Value = CostBasis> {
    variants!(CostBasis: Invoiced VendorReported VendorEstimate Computed SeatIncluded None)
}

fn account() -> BoxedStrategy<AccountRef> {
    record!(AccountRef {
        kind: variants!(AccountKind: Email Github Anthropic Openai Cursor Litellm Aws ApiKey Idc Enduser Unknown),
        hash: id!(AccountHash),
    })
}

fn tokens() -> BoxedStrategy<Tokens> {
    record!(Tokens {
        requests: count(),
        input_tokens: count(),
        cache_read_tokens: count(),
        cache_write_tokens: count(),
        cache_write_1h_tokens: count(),
        output_tokens: count(),
        reasoning_tokens: count(),
        lines_accepted: count(),
        credits: maybe(amount()),
        credit_unit: maybe(label()),
    })
}

fn who() -> BoxedStrategy<Who> {
    record!(Who {
        accounts: proptest::collection::vec(account(), 0..3),
        session_key: maybe(id!(SessionKey)),
        request_key: maybe(id!(RequestKey)),
    })
}

fn work() -> BoxedStrategy<Work> {
    record!(Work {
        workspace_key: maybe(id!(WorkspaceKey)),
        branch_key: maybe(id!(BranchKey)),
        ticket_key: maybe(id!(TicketKey)),
        language: maybe(label()),
        file_type: maybe(label()),
    })
}

fn cost() -> BoxedStrategy<CostEvidence> {
    record!(CostEvidence {
        basis: cost_basis(),
        amount: maybe(amount()),
        list_amount: maybe(amount()),
        currency: maybe(currency()),
    })
}

fn facts() -> BoxedStrategy<UsageFacts> {
    record!(UsageFacts {
        grain: variants!(Grain: Request Session UserDay UserMonth ModelDay OrgDay Unknown),
        period_start: time(),
        period_end: time(),
        vendor: label(),
        tool: maybe(label()),
        surface: maybe(variants!(Surface: Ide Cli Web Agent Ci Api Unknown)),
        provider: maybe(label()),
        model: maybe(label()),
        model_raw: maybe(label()),
        outcome: variants!(Outcome: Ok Error Cancelled Unknown),
        billing_account_id: maybe(label()),
        who: who(),
        work: work(),
        tokens: tokens(),
        cost: cost(),
    })
}

pub(crate) fn usage_event() -> BoxedStrategy<UsageEvent> {
    record!(UsageEvent {
        event_id: id!(EventId),
        source: label(),
        source_key: label(),
        scope_key: maybe(label()),
        observed_at: time(),
        event_date: any::<i32>().prop_map(Date),
        content_hash: id!(ContentHash),
        facts: facts(),
    })
}

fn confidence_label() -> impl Strategy<Value = ConfidenceLabel> {
    variants!(ConfidenceLabel: High Medium Low None)
}

fn judgement() -> BoxedStrategy<Judgement> {
    record!(Judgement {
        settle_run: any::<i32>(),
        context_version: any::<i64>(),
        person_id: maybe(id!(PersonId)),
        actor_kind: variants!(ActorKind: Person ServiceAccount Unknown),
        identity_confidence: maybe(share()),
        team: maybe(label()),
        cost_center: maybe(label()),
        model_class: maybe(label()),
        workspace: maybe(label()),
        sensitivity: maybe(variants!(Sensitivity: Public Internal Restricted Unknown)),
        work_class: maybe(label()),
        billed_cost: maybe(amount()),
        effective_cost: maybe(amount()),
        contracted_cost: maybe(amount()),
        list_cost: maybe(amount()),
        currency: maybe(currency()),
        cost_basis: cost_basis(),
        price_version: maybe(label()),
        fx_version: maybe(label()),
        intent_id: maybe(label()),
        match_confidence: maybe(share()),
        confidence_label: confidence_label(),
        match_reasons: labels(),
        candidates: labels(),
        model_id: maybe(label()),
        verdict: variants!(Verdict: Followed Drifted Unknown Unmatched OutOfScope),
        matched_by: maybe(variants!(MatchedBy: Intent Guidance ServiceAccount Unknown)),
        p_followed: maybe(share()),
        p_drifted: maybe(share()),
        p_undecided: maybe(share()),
        verdict_confidence: maybe(share()),
        verdict_label: confidence_label(),
        rule_ids: labels(),
        reason_code: maybe(label()),
        facts: labels(),
        missing_facts: labels(),
        recommended_class: maybe(label()),
        policy_version: maybe(label()),
        explained_share: share(),
        partial_share: share(),
        unexplained_share: share(),
        counts_usage: any::<bool>(),
        counts_cost: any::<bool>(),
        derived_from: maybe(id!(EventId)),
        duplicate_of: maybe(id!(EventId)),
        overlap_rule: maybe(label()),
    })
}

pub(crate) fn judged_event() -> BoxedStrategy<JudgedEvent> {
    record!(JudgedEvent { usage: usage_event(), judgement: judgement() })
}

pub(crate) fn intent() -> BoxedStrategy<IntentEvent> {
    record!(IntentEvent {
        intent_id: label(),
        account: account(),
        workspace_key: maybe(id!(WorkspaceKey)),
        branch_key: maybe(id!(BranchKey)),
        ticket_key: maybe(id!(TicketKey)),
        session_key: maybe(id!(SessionKey)),
        task: maybe(label()),
        tool: maybe(label()),
        started_at: time(),
        ended_at: maybe(time()),
        recorded_at: time(),
        origin: variants!(IntentOrigin: File Http Cli Hook Unknown),
    })
}

pub(crate) fn context_pointer() -> BoxedStrategy<ContextPointer> {
    record!(ContextPointer {
        kind: variants!(ContextKind: Directory Policy Prices Finance Spending Weights Unknown),
        hash: label(),
        effective: maybe(time()),
        recorded_at: time(),
    })
}

pub(crate) fn reject() -> BoxedStrategy<RejectEvent> {
    record!(RejectEvent {
        reject_id: id!(RejectId),
        source: label(),
        batch_id: label(),
        index: any::<i64>(),
        reason: variants!(RejectReason: Malformed Truncated InvalidUtf8 TooLarge TooDeep MissingField BadNumber
            NegativeNumber BadTime BadCurrency BadLabel WrongSource ContentRefused Undecodable Unknown),
        field: maybe(label()),
        length: count(),
        recorded_at: time(),
    })
}

pub(crate) fn scope_closed() -> BoxedStrategy<ScopeClosed> {
    record!(ScopeClosed {
        source: label(),
        scope_key: label(),
        period_start: time(),
        period_end: time(),
        fetch_id: id!(FetchId),
        observed_at: time(),
        confirmed: any::<bool>(),
        events: any::<i64>(),
        chunk: any::<i32>(),
        chunks: any::<i32>(),
        event_ids: proptest::collection::vec(id!(EventId), 0..5),
    })
}
