use super::*;
use arrow::array::new_null_array;
use modellane_event::{
    AccountKind, ActorKind, Amount, Cause, ConfidenceLabel, Currency, Date, EntryKind, EntryStamp, Grain,
    JudgedEvent, Judgement, Label, Outcome, Share, Sign, Surface, UtcTime, Verdict,
};
use modellane_schema::{EVIDENCE_COLUMNS, LedgerBatchBuilder, ledger_schema};
use proptest::prelude::*;
use std::sync::Arc;

/// Values no two of which are alike, each there or not as drawn.
struct Draw {
    there: Vec<bool>,
    number: i64,
}

impl Draw {
    fn number(&mut self) -> i64 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn maybe<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Option<T> {
        self.there.pop().unwrap_or(true).then(|| value(self))
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.number().rem_euclid(of.len() as i64) as usize]
    }

    fn label(&mut self) -> Label {
        Label::new(&format!("l{}", self.number().unsigned_abs())).unwrap()
    }

    fn id(&mut self) -> [u8; 16] {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&self.number().to_le_bytes());
        id
    }

    fn amount(&mut self) -> Amount {
        Amount::from_billionths(i128::from(self.number())).unwrap()
    }

    fn currency(&mut self) -> Currency {
        Currency::new(self.pick(&["USD", "EUR", "CHF"])).unwrap()
    }

    fn time(&mut self) -> UtcTime {
        UtcTime(946_684_800_000_000 + self.number().rem_euclid(1 << 50))
    }

    fn facts(&mut self, accounts: Vec<AccountRef>) -> UsageFacts {
        use CostBasis::{Computed, Invoiced, None, SeatIncluded, VendorEstimate, VendorReported};
        UsageFacts {
            grain: self.pick(&[Grain::Request, Grain::Session, Grain::UserMonth, Grain::Unknown]),
            period_start: self.time(),
            period_end: self.time(),
            vendor: self.label(),
            tool: self.maybe(Self::label),
            surface: self.maybe(|draw| draw.pick(&[Surface::Ide, Surface::Ci, Surface::Unknown])),
            provider: self.maybe(Self::label),
            model: self.maybe(Self::label),
            model_raw: self.maybe(Self::label),
            outcome: self.pick(&[Outcome::Ok, Outcome::Cancelled, Outcome::Unknown]),
            billing_account_id: self.maybe(Self::label),
            who: Who {
                accounts,
                session_key: self.maybe(|draw| SessionKey(draw.id())),
                request_key: self.maybe(|draw| RequestKey(draw.id())),
            },
            work: Work {
                workspace_key: self.maybe(|draw| WorkspaceKey(draw.id())),
                branch_key: self.maybe(|draw| BranchKey(draw.id())),
                ticket_key: self.maybe(|draw| TicketKey(draw.id())),
                language: self.maybe(Self::label),
                file_type: self.maybe(Self::label),
            },
            tokens: Tokens {
                requests: self.maybe(Self::number),
                input_tokens: self.maybe(Self::number),
                cache_read_tokens: self.maybe(Self::number),
                cache_write_tokens: self.maybe(Self::number),
                cache_write_1h_tokens: self.maybe(Self::number),
                output_tokens: self.maybe(Self::number),
                reasoning_tokens: self.maybe(Self::number),
                lines_accepted: self.maybe(Self::number),
                credits: self.maybe(Self::amount),
                credit_unit: self.maybe(Self::label),
            },
            cost: CostEvidence {
                basis: self.pick(&[Invoiced, VendorReported, VendorEstimate, Computed, SeatIncluded, None]),
                amount: self.maybe(Self::amount),
                list_amount: self.maybe(Self::amount),
                currency: self.maybe(Self::currency),
            },
        }
    }

    fn event(&mut self, accounts: Vec<AccountRef>) -> UsageEvent {
        let facts = self.facts(accounts);
        UsageEvent {
            event_id: EventId(self.id()),
            source: self.label(),
            source_key: self.label(),
            scope_key: self.maybe(Self::label),
            observed_at: self.time(),
            event_date: Date::parse("2026-11-03").unwrap(),
            content_hash: facts.content_hash(),
            facts,
        }
    }
}

fn accounts() -> impl Strategy<Value = Vec<AccountRef>> {
    let kinds = vec![AccountKind::Email, AccountKind::ApiKey, AccountKind::Enduser, AccountKind::Unknown];
    let account = (prop::sample::select(kinds), any::<[u8; 16]>())
        .prop_map(|(kind, hash)| AccountRef { kind, hash: AccountHash(hash) });
    prop::collection::vec(account, 0..4)
}

/// A judgement that says nothing of the event.
fn unmatched() -> Judgement {
    Judgement {
        settle_run: 0,
        context_version: 0,
        person_id: None,
        actor_kind: ActorKind::Unknown,
        identity_confidence: None,
        team: None,
        cost_center: None,
        model_class: None,
        workspace: None,
        sensitivity: None,
        work_class: None,
        billed_cost: None,
        effective_cost: None,
        contracted_cost: None,
        list_cost: None,
        currency: None,
        cost_basis: CostBasis::None,
        price_version: None,
        fx_version: None,
        intent_id: None,
        match_confidence: None,
        confidence_label: ConfidenceLabel::None,
        match_reasons: Vec::new(),
        candidates: Vec::new(),
        model_id: None,
        verdict: Verdict::Unmatched,
        matched_by: None,
        p_followed: None,
        p_drifted: None,
        p_undecided: None,
        verdict_confidence: None,
        verdict_label: ConfidenceLabel::None,
        rule_ids: Vec::new(),
        reason_code: None,
        facts: Vec::new(),
        missing_facts: Vec::new(),
        recommended_class: None,
        policy_version: None,
        explained_share: Share::ZERO,
        partial_share: Share::ZERO,
        unexplained_share: Share::ONE,
        counts_usage: true,
        counts_cost: true,
        derived_from: None,
        duplicate_of: None,
        overlap_rule: None,
    }
}

fn row(usage: &UsageEvent) -> RecordBatch {
    let mut builder = LedgerBatchBuilder::with_capacity(1);
    let stamp = EntryStamp {
        revision: 1,
        kind: EntryKind::Original,
        cause: Cause::First,
        entry_sign: Sign::Plus,
        usage_sign: Sign::Plus,
        cost_sign: Sign::Plus,
        recorded_at: UtcTime(0),
    };
    builder.append(&JudgedEvent { usage: usage.clone(), judgement: unmatched() }, &stamp);
    let batch = builder.finish().unwrap();
    let read: Vec<usize> = USAGE_COLUMNS.iter().map(|name| ledger_schema().index_of(name).unwrap()).collect();
    batch.project(&read).unwrap()
}

/// The row as an earlier version wrote it.
fn earlier(row: &RecordBatch) -> RecordBatch {
    let fields = row.schema();
    let column = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| {
        let known = !EVIDENCE_COLUMNS.contains(&field.name().as_str());
        if known { Arc::clone(row.column(index)) } else { new_null_array(field.data_type(), 1) }
    };
    let columns = fields.fields().iter().enumerate().map(column).collect();
    RecordBatch::try_new(row.schema(), columns).unwrap()
}

proptest! {
    #[test]
    fn an_entry_gives_back_the_usage_event_that_made_it(
        there in prop::collection::vec(any::<bool>(), 30),
        number in any::<i64>(),
        accounts in accounts(),
    ) {
        let event = Draw { there, number }.event(accounts);
        prop_assert_eq!(usage(&row(&event), 0).unwrap(), Some(event));
    }

    /// A row of an earlier version gives back the whole event or nothing, never one that lacks something.
    #[test]
    fn an_entry_that_lacks_evidence_gives_back_no_event(
        there in prop::collection::vec(any::<bool>(), 30),
        number in any::<i64>(),
        accounts in accounts(),
    ) {
        let event = Draw { there, number }.event(accounts);
        let facts = &event.facts;
        let needs_no_evidence = facts.who.accounts.is_empty()
            && facts.work.workspace_key.is_none()
            && facts.tokens.cache_write_1h_tokens.is_none()
            && facts.cost == CostEvidence::none();
        let expected = needs_no_evidence.then(|| event.clone());
        prop_assert_eq!(usage(&earlier(&row(&event)), 0).unwrap(), expected);
    }
}

#[test]
fn an_event_of_an_earlier_version_that_states_neither_account_nor_money_comes_back() {
    let at = UtcTime::parse("2026-11-01T00:00:00Z").unwrap();
    let mut event = Draw { there: vec![false; 30], number: 1 }.event(Vec::new());
    event.facts = UsageFacts::request(Label::literal("litellm"), at, at);
    event.content_hash = event.facts.content_hash();
    assert_eq!(usage(&earlier(&row(&event)), 0).unwrap(), Some(event));
}
