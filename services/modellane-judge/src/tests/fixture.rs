//! A small organisation, its context, and events to judge in it.

use crate::policy::tests::sample_files;
use crate::{
    ContextObject, ContextState, EncodedObject, PersonIds, PolicyObject, judge, parse_directory, parse_prices,
};
use modellane_event::*;
use std::collections::BTreeMap;

pub(super) const DIRECTORY: &str = r#"
people:
  - id: p-ana
    name: Ana
    accounts:
      - { kind: email, id: ana@acme.example }
      - { kind: github, id: ana-dev }
      - { kind: api_key, id: pair-key }
    memberships:
      - { team: payments, cost_center: CC-100, from: 2026-01-01, to: 2026-11-10 }
      - { team: search, cost_center: CC-200, from: 2026-11-10 }
  - id: p-ben
    name: Ben
    accounts:
      - { kind: email, id: ben@acme.example }
      - { kind: api_key, id: pair-key }
      - { kind: api_key, id: trio-key }
      - { kind: cursor, id: old-login, to: 2026-11-05 }
    memberships: [{ team: payments, cost_center: CC-100 }]
  - id: p-cem
    accounts: [{ kind: email, id: cem@acme.example }, { kind: api_key, id: trio-key }]
    memberships: [{ team: search }]
service_accounts:
  - { id: sa-ci, accounts: [{ kind: api_key, id: ci-bot }], team: search, cost_center: CC-200, task: ci, from: 2026-01-01 }
  - { id: sa-idle, accounts: [{ kind: api_key, id: idle-bot }, { kind: api_key, id: trio-key }] }
teams: [{ id: payments }, { id: search }]
cost_centers: [{ id: CC-100 }, { id: CC-200 }]
workspaces:
  - { id: github.com/acme/core, sensitivity: restricted }
  - { id: github.com/acme/docs, sensitivity: public }
  - { id: github.com/acme/model-evaluation, sensitivity: internal }
"#;

pub(super) const PRICES: &str = r#"
prices:
  - { provider: anthropic, model: claude-sonnet-5-5, kind: input, per: 1000000, amount: "2.00", currency: USD }
  - { provider: anthropic, model: claude-sonnet-5-5, kind: cache_read, per: 1000000, amount: "0.10", currency: USD }
  - { provider: anthropic, model: claude-sonnet-5-5, kind: cache_write, per: 1000000, amount: "2.50", currency: USD }
  - { provider: anthropic, model: claude-sonnet-5-5, kind: cache_write_1h, per: 1000000, amount: "4.00", currency: USD }
  - { provider: anthropic, model: claude-sonnet-5-5, kind: output, per: 1000000, amount: "10.00", currency: USD }
  - { provider: openai, model: gpt-6.1-sol, kind: input, per: 1000000, amount: "2", currency: EUR }
  - { provider: openai, model: gpt-6.1-sol, kind: output, per: 1000000, amount: "10", currency: EUR }
  - { provider: openai, model: gpt-6.1-sol, kind: request, per: 1000, amount: "1", currency: EUR }
  - { provider: github, model: "*", kind: credit, per: 1, amount: "0.01", currency: USD }
"#;

pub(super) fn key() -> LakeKey {
    LakeKey::new([9; 32])
}

#[derive(Default)]
struct Numbered(BTreeMap<String, u8>);

impl PersonIds for Numbered {
    fn surrogate(&mut self, clear_id: &str) -> PersonId {
        let next = self.0.len() as u8 + 1;
        PersonId([*self.0.entry(clear_id.to_owned()).or_insert(next); 16])
    }
}

pub(super) const ANA: PersonId = PersonId([1; 16]);

/// A context that is filled step by step.
pub(super) struct World(pub(super) ContextState);

impl World {
    pub(super) fn empty() -> Self {
        Self(ContextState::new())
    }

    /// Directory, prices and the sample bundle, in force from 2026-11-01.
    pub(super) fn new() -> Self {
        let mut world = Self::empty();
        world.directory(DIRECTORY);
        world.put(ContextObject::Prices(parse_prices(PRICES.as_bytes()).unwrap()));
        world.put(ContextObject::Policy(PolicyObject::from_files(&sample_files()).unwrap()));
        world
    }

    pub(super) fn directory(&mut self, text: &str) {
        let parsed = parse_directory(text.as_bytes(), &key(), &mut Numbered::default()).unwrap();
        self.put(ContextObject::Directory(parsed.object));
    }

    pub(super) fn put(&mut self, object: ContextObject) {
        let EncodedObject { kind, hash, bytes } = object.encode().unwrap();
        let pointer = ContextPointer { kind, hash, effective: None, recorded_at: at("2026-10-01T00:00:00Z") };
        self.0.apply(&pointer, self.0.version() + 1, &bytes).unwrap();
    }

    pub(super) fn intent(&mut self, intent: IntentEvent) {
        assert!(self.0.apply_intent(&intent));
    }

    pub(super) fn judge(&self, event: &UsageEvent) -> Judgement {
        judge(&self.0, event)
    }
}

pub(super) fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

pub(super) fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub(super) fn account(kind: AccountKind, id: &str) -> AccountRef {
    AccountRef::new(&key(), kind, id).unwrap()
}

pub(super) fn email(id: &str) -> AccountRef {
    account(AccountKind::Email, &format!("{id}@acme.example"))
}

/// An intent of Ana's, 9 to 11 o'clock on 3 November 2026.
pub(super) fn intent(id: &str, task: &str) -> IntentEvent {
    IntentEvent {
        intent_id: label(id),
        account: email("ana"),
        workspace_key: None,
        branch_key: None,
        ticket_key: None,
        session_key: None,
        task: Some(label(task)),
        tool: None,
        started_at: at("2026-11-03T09:00:00Z"),
        ended_at: Some(at("2026-11-03T11:00:00Z")),
        recorded_at: at("2026-11-03T09:00:01Z"),
        origin: IntentOrigin::Http,
    }
}

/// A request of Ana's to a model through Claude Code, 10 o'clock on 3 November 2026.
pub(super) fn request(model: &str) -> UsageEvent {
    let time = at("2026-11-03T10:00:00Z");
    let facts = UsageFacts {
        grain: Grain::Request,
        period_start: time,
        period_end: time,
        vendor: label("anthropic"),
        tool: Some(label("claude_code")),
        surface: Some(Surface::Cli),
        provider: Some(label("anthropic")),
        model: Some(label(model)),
        model_raw: Some(label(model)),
        outcome: Outcome::Ok,
        billing_account_id: None,
        who: Who { accounts: vec![email("ana")], ..Who::default() },
        work: Work::default(),
        tokens: Tokens::default(),
        cost: CostEvidence::none(),
    };
    UsageEvent {
        event_id: EventId([5; 16]),
        source: label("claude_code.otel"),
        source_key: label("r-1"),
        scope_key: None,
        observed_at: time,
        event_date: time.date(),
        content_hash: facts.content_hash(),
        facts,
    }
}

pub(super) fn with(mut event: UsageEvent, change: impl FnOnce(&mut UsageFacts)) -> UsageEvent {
    change(&mut event.facts);
    event
}

pub(super) fn texts(labels: &[Label]) -> Vec<&str> {
    labels.iter().map(Label::as_str).collect()
}

pub(super) fn millionths(share: Option<Share>) -> Option<i32> {
    share.map(Share::millionths)
}
