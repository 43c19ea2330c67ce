//! The columns of the ledger, each with where its value comes from.

use crate::columns::{column_groups, columns};
use modellane_event::{
    AccountRef, BranchKey, Currency, EntryStamp, EventId, Judgement, Label, MatchedBy, PersonId, RequestKey,
    Sensitivity, SessionKey, Surface, TicketKey, UsageEvent, UsageFacts, WorkspaceKey,
};

/// What one row is made of.
#[derive(Clone, Copy)]
pub(crate) struct LedgerRow<'a> {
    pub(crate) usage: &'a UsageEvent,
    pub(crate) facts: &'a UsageFacts,
    pub(crate) judgement: &'a Judgement,
    pub(crate) stamp: &'a EntryStamp,
}

fn text(label: &Option<Label>) -> Option<&str> {
    label.as_ref().map(Label::as_str)
}

fn named(accounts: &[AccountRef]) -> Option<&[AccountRef]> {
    (!accounts.is_empty()).then_some(accounts)
}

column_groups! {
    /// All columns.
    LedgerColumns of LedgerRow {
        entry: EntryColumns,
        origin: OriginColumns,
        actor: ActorColumns,
        resource: ResourceColumns,
        work: WorkColumns,
        quantity: QuantityColumns,
        money: MoneyColumns,
        link: LinkColumns,
        verdict: VerdictColumns,
        evidence: EvidenceColumns,
    }
}

columns! {
    /// The entry and its version.
    EntryColumns for row: LedgerRow {
        event_id: Id required = row.usage.event_id.as_bytes();
        revision: Int32 required = row.stamp.revision;
        entry_kind: Text required = row.stamp.kind.as_str();
        cause: Text required = row.stamp.cause.as_str();
        entry_sign: SignColumn required = row.stamp.entry_sign.value();
        usage_sign: SignColumn required = row.stamp.usage_sign.value();
        cost_sign: SignColumn required = row.stamp.cost_sign.value();
        recorded_at: Time required = row.stamp.recorded_at;
        observed_at: Time required = row.usage.observed_at;
        content_hash: Id required = row.usage.content_hash.as_bytes();
        context_version: Int64 required = row.judgement.context_version;
        settle_run: Int32 required = row.judgement.settle_run;
    }
}

columns! {
    /// Where the event came from, and which period it covers.
    OriginColumns for row: LedgerRow {
        source: Text required = row.usage.source.as_str();
        source_key: Text required = row.usage.source_key.as_str();
        scope_key: Text nullable = text(&row.usage.scope_key);
        billing_account_id: Text nullable = text(&row.facts.billing_account_id);
        grain: Text required = row.facts.grain.as_str();
        period_start: Time required = row.facts.period_start;
        period_end: Time required = row.facts.period_end;
        event_date: Day required = row.usage.event_date;
        accounting_period: Month required = row.facts.period_start.date();
    }
}

columns! {
    /// Who, as of the event's time, and keys for joining.
    ActorColumns for row: LedgerRow {
        person_id: Id nullable = row.judgement.person_id.as_ref().map(PersonId::as_bytes);
        // Accounts stand with the most specific first.
        account_id: Id nullable = row.facts.who.accounts.first().map(|account| account.hash.as_bytes());
        session_key: Id nullable = row.facts.who.session_key.as_ref().map(SessionKey::as_bytes);
        actor_kind: Text required = row.judgement.actor_kind.as_str();
        identity_confidence: Part nullable = row.judgement.identity_confidence;
        team: Text nullable = text(&row.judgement.team);
        cost_center: Text nullable = text(&row.judgement.cost_center);
        request_key: Id nullable = row.facts.who.request_key.as_ref().map(RequestKey::as_bytes);
        branch_key: Id nullable = row.facts.work.branch_key.as_ref().map(BranchKey::as_bytes);
        ticket_key: Id nullable = row.facts.work.ticket_key.as_ref().map(TicketKey::as_bytes);
    }
}

columns! {
    /// What was used.
    ResourceColumns for row: LedgerRow {
        vendor: Text required = row.facts.vendor.as_str();
        tool: Text nullable = text(&row.facts.tool);
        surface: Text nullable = row.facts.surface.map(Surface::as_str);
        provider: Text nullable = text(&row.facts.provider);
        model: Text nullable = text(&row.facts.model);
        model_raw: Text nullable = text(&row.facts.model_raw);
        model_class: Text nullable = text(&row.judgement.model_class);
        outcome: Text required = row.facts.outcome.as_str();
    }
}

columns! {
    /// Where and what for.
    WorkColumns for row: LedgerRow {
        workspace: Text nullable = text(&row.judgement.workspace);
        sensitivity: Text nullable = row.judgement.sensitivity.map(Sensitivity::as_str);
        language: Text nullable = text(&row.facts.work.language);
        file_type: Text nullable = text(&row.facts.work.file_type);
        work_class: Text nullable = text(&row.judgement.work_class);
    }
}

columns! {
    /// How much. Null is not zero.
    QuantityColumns for row: LedgerRow {
        requests: Int64 nullable = row.facts.tokens.requests;
        input_tokens: Int64 nullable = row.facts.tokens.input_tokens;
        cache_read_tokens: Int64 nullable = row.facts.tokens.cache_read_tokens;
        cache_write_tokens: Int64 nullable = row.facts.tokens.cache_write_tokens;
        output_tokens: Int64 nullable = row.facts.tokens.output_tokens;
        reasoning_tokens: Int64 nullable = row.facts.tokens.reasoning_tokens;
        lines_accepted: Int64 nullable = row.facts.tokens.lines_accepted;
        credits: Money nullable = row.facts.tokens.credits;
        credit_unit: Text nullable = text(&row.facts.tokens.credit_unit);
    }
}

columns! {
    /// Money, as judged, and the feed that counts.
    MoneyColumns for row: LedgerRow {
        billed_cost: Money nullable = row.judgement.billed_cost;
        effective_cost: Money nullable = row.judgement.effective_cost;
        contracted_cost: Money nullable = row.judgement.contracted_cost;
        list_cost: Money nullable = row.judgement.list_cost;
        currency: Text nullable = row.judgement.currency.as_ref().map(Currency::as_str);
        cost_basis: Text required = row.judgement.cost_basis.as_str();
        price_version: Text nullable = text(&row.judgement.price_version);
        fx_version: Text nullable = text(&row.judgement.fx_version);
        derived_from: Id nullable = row.judgement.derived_from.as_ref().map(EventId::as_bytes);
        duplicate_of: Id nullable = row.judgement.duplicate_of.as_ref().map(EventId::as_bytes);
        overlap_rule: Text nullable = text(&row.judgement.overlap_rule);
    }
}

columns! {
    /// The link to an intent.
    LinkColumns for row: LedgerRow {
        intent_id: Text nullable = text(&row.judgement.intent_id);
        match_confidence: Part nullable = row.judgement.match_confidence;
        confidence_label: Text required = row.judgement.confidence_label.as_str();
        match_reasons: Texts required = &row.judgement.match_reasons;
        candidates: Texts required = &row.judgement.candidates;
        model_id: Text nullable = text(&row.judgement.model_id);
    }
}

columns! {
    /// What guidance says, and how any cost is split by it.
    VerdictColumns for row: LedgerRow {
        verdict: Text required = row.judgement.verdict.as_str();
        matched_by: Text nullable = row.judgement.matched_by.map(MatchedBy::as_str);
        p_followed: Part nullable = row.judgement.p_followed;
        p_drifted: Part nullable = row.judgement.p_drifted;
        p_undecided: Part nullable = row.judgement.p_undecided;
        verdict_confidence: Part nullable = row.judgement.verdict_confidence;
        verdict_label: Text required = row.judgement.verdict_label.as_str();
        rule_ids: Texts required = &row.judgement.rule_ids;
        reason_code: Text nullable = text(&row.judgement.reason_code);
        facts: Texts required = &row.judgement.facts;
        missing_facts: Texts required = &row.judgement.missing_facts;
        recommended_class: Text nullable = text(&row.judgement.recommended_class);
        policy_version: Text nullable = text(&row.judgement.policy_version);
        explained_share: Part required = row.judgement.explained_share;
        partial_share: Part required = row.judgement.partial_share;
        unexplained_share: Part required = row.judgement.unexplained_share;
    }
}

columns! {
    /// What the other columns do not say of the usage event, so that it can be judged again from its row. Rows of
    /// earlier versions have null in all of them.
    EvidenceColumns for row: LedgerRow {
        account_kinds: AccountKinds nullable = named(&row.facts.who.accounts);
        account_hashes: AccountHashes nullable = named(&row.facts.who.accounts);
        workspace_key: Id nullable = row.facts.work.workspace_key.as_ref().map(WorkspaceKey::as_bytes);
        cache_write_1h_tokens: Int64 nullable = row.facts.tokens.cache_write_1h_tokens;
        stated_basis: Text nullable = Some(row.facts.cost.basis.as_str());
        stated_amount: Money nullable = row.facts.cost.amount;
        stated_list_amount: Money nullable = row.facts.cost.list_amount;
        stated_currency: Text nullable = row.facts.cost.currency.as_ref().map(Currency::as_str);
    }
}
