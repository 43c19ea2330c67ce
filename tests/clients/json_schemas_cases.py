"""Files that `json_schemas.py` holds against the schemas and the product.

The first example of each file has every key that it can have, or nearly; where a parser of the product has
examples in its tests, those are here too.
"""

# In place of a value: the key is taken out.
REMOVED = object()

EXAMPLES = {
    "directory": [
        """
people:
  - id: p-0001
    name: Ana Silva
    accounts:
      - { kind: email, id: Ana@acme.example }
      - { kind: github, id: ana-dev, from: 2025-01-01, to: 2027-01-01 }
    memberships:
      - { team: payments, cost_center: CC-100, from: 2026-01-01, to: 2026-07-01 }
      - { team: product, cost_center: CC-100, from: 2026-07-01 }
service_accounts:
  - { id: sa-ci, accounts: [{ kind: api_key, id: ci-bot }], team: payments, cost_center: CC-100, task: ci,
      from: 2026-01-01, to: 2027-01-01 }
teams: [{ id: payments, name: Payments, owner: p-0001, parent: product }, { id: product }]
cost_centers: [{ id: CC-100, name: Payments, company: ACME, gl_account: "6420" }]
workspaces: [{ id: github.com/acme/payments-core, team: payments, sensitivity: restricted }]
""",
        """
people:
  - id: p-cem
    accounts: [{ kind: email, id: cem@acme.example }, { kind: cursor, id: old-login, to: 2026-11-05 }]
    memberships: [{ team: search }]
service_accounts:
  - id: sa-idle
    accounts: [{ kind: api_key, id: idle-bot, from: 2026-01-01, to: 2026-06-01 }, { kind: api_key, id: trio-key }]
teams: [{ id: payments }, { id: search }]
cost_centers: [{ id: CC-100 }, { id: CC-200 }]
workspaces:
  - { id: github.com/acme/docs, sensitivity: public }
  - { id: github.com/acme/evaluation, sensitivity: internal }
""",
        "{}",
    ],
    "prices": [
        """
prices:
  - { provider: anthropic, model: claude-sonnet-5-5, kind: input, per: 1000000, amount: "2.00", currency: USD,
      from: 2026-06-01, to: 2026-09-01 }
  - { provider: anthropic, model: claude-sonnet-5-5, kind: input, per: 1000000, amount: "1.75", currency: USD,
      from: 2026-09-01 }
""",
        """
prices:
  - { provider: anthropic, model: claude-sonnet-5-5, kind: cache_write_1h, per: 1000000, amount: "4.00", currency: USD }
  - { provider: openai, model: gpt-6.1-sol, kind: request, per: 1000, amount: 1, currency: EUR }
  - { provider: github, model: "*", kind: credit, per: 1, amount: "0.01", currency: USD }
""",
        "{}",
    ],
    "finance": [
        """
reporting_currency: USD
holding_cost_center: CC-000
fx: [{ date: 2026-11-01, from: EUR, to: USD, rate: "1.08", source: ECB }]
seats: [{ vendor: github, billing_account: acme, tier: business, person: p-0001, price: "19.00", currency: USD,
          from: 2026-01-01, to: 2027-01-01 }]
invoices: [{ id: INV-1, vendor: github, billing_account: acme, issued: 2026-11-02, from: 2026-10-01, to: 2026-11-01,
             currency: USD, total: "1900.00",
             lines: [{ charge_category: Purchase, charge_kind: seat, sku: copilot_business, quantity: 100,
                       amount: "1900.00" }] }]
budgets: [{ id: B-1, team: payments, cost_center: CC-100, from: 2026-10-01, to: 2026-11-01, original: "500.00",
            revisions: [{ date: 2026-10-20, amount: "650.00" }], currency: USD }]
""",
        "reporting_currency: EUR",
    ],
    "bundle": [
        """
id: acme-guidance
version: "2026.11.1"
effective: { from: 2026-11-01, to: 2027-11-01 }
owners: [platform-engineering]
scope:
  exclude:
    tools: [chat_playground]
    workspaces: [github.com/acme/model-evaluation]
    actor_kinds: [unknown]
thresholds: { followed: 0.80, drifted: 0.80, intent: 0.50, high: 0.95, medium: 0.80, budget_near: 0.90 }
facts:
  principal:
    seniority: [junior, senior]
  resource:
    model_class: [standard, frontier, unlisted]
    vendor_status: [approved, unapproved]
    tool_tier: [enterprise, team, consumer]
  context:
    repo_sensitivity: [internal, restricted]
    work_class: [routine, research]
    budget_state: [under, over]
impossible:
  - { tool_tier: consumer, vendor_status: approved }
  - { tool_tier: [enterprise, team], vendor_status: unapproved }
""",
        """
id: acme-guidance
version: v2
effective: { from: 2026-11-01T08:00:00Z }
""",
    ],
    "policy-tests": [
        """
tests:
  - name: over budget, a frontier model depends on the work
    facts: { model_class: frontier, vendor_status: approved, budget_state: over, actor_kind: person }
    expect: { verdict: unknown, missing: [work_class], reason: "FACT_MISSING:work_class", rules: [] }
  - name: a standard model of an approved vendor needs no further fact
    facts: { model_class: standard, vendor_status: approved }
    expect: { verdict: followed, rules: [everyday-models], missing: [] }
  - name: no rule speaks of an unlisted model of an approved vendor
    facts: { model_class: unlisted, vendor_status: approved }
    expect: { verdict: unmatched, reason: NOT_COVERED }
""",
    ],
    "intent": [
        """{"intent_id":"i-1","person":"Ana@acme.example","workspace":"github.com/acme/payments-core",
            "branch":"feature/x","task":"routine","session_id":"0f","tool":"claude_code","ticket":"PAY-12",
            "started_at":"2026-11-03T09:00:00Z","ended_at":"2026-11-03T11:30:00Z"}""",
        '{"intent_id":"i","person":"github:ana-dev","started_at":"2026-11-03T09:00:00Z"}',
    ],
    "modellane": [
        """
data = { dir = "modellane-data", broker_port = 0, partitions = 4 }
[kafka]
topic_prefix = "modellane"
producer_queue_mib = 64
consumer_queue_mib = 16
schema_registry_register = true
[lake]
key_file = "/etc/modellane/lake.key"
[collector]
listen = "127.0.0.1:8600"
otlp_http_listen = "[::1]:4318"
keys = [{ key = "0123456789abcdef", scope = "admin" },
        { key = "0123456789abcdef", scope = "intent:self", person = "ana@acme.example" }]
max_body = 33554432
max_decompressed = 67108864
max_in_flight = 8
max_in_flight_mib = 256
body_timeout_s = 30
[processor]
group = "modellane-processor"
instance = "processor-0"
group_protocol = "consumer"
batch_size = 20000
poll_wait_ms = 100
accept_loss = false
health_listen = "127.0.0.1:8601"
[sink]
commit_interval_ms = 15000
spacing_per_day_ms = 1000
max_rows = 200000
max_mib = 32
index_mib = 512
file_cache_mib = 128
instance = "sink-0"
standby_s = 90
health_listen = "127.0.0.1:8602"
[query]
pg_listen = "127.0.0.1:5488"
http_listen = "127.0.0.1:8610"
refresh_ms = 500
statement_timeout_s = 120
max_rows = 1000000
http_max_rows = 100000
memory_mib = 512
max_connections = 64
[maintenance]
health_listen = "127.0.0.1:8603"
interval_s = 900
lease_s = 600
checkpoint_every = 50
log_hours = 168
removed_file_hours = 168
orphan_hours = 24
compact_after_days = 2
compact_target_mib = 256
compact_min_files = 4
compact_round_mib = 2048
compact_pause_s = 600
export_after_minutes = 15
audit_hours = 24
keep_days = 400
""",
        # What the product checks with the cluster, the registry and the store, which are not there.
        """
[kafka]
bootstrap = "kafka-1:9092,kafka-2:9092"
security_protocol = "sasl_ssl"
sasl_mechanism = "SCRAM-SHA-512"
sasl_username = "modellane"
sasl_password = "0042"
ssl_ca_location = "/etc/modellane/ca.pem"
ssl_certificate_location = "/etc/modellane/client.pem"
ssl_key_location = "/etc/modellane/client.key"
replication_factor = 3
min_insync_replicas = 2
schema_registry_url = "https://registry:8081"
schema_registry_username = "modellane"
schema_registry_password = "0042"
[lake]
url = "s3://company-lake/modellane"
options = { aws_region = "eu-central-1" }
key_file = "/etc/modellane/lake.key"
""",
    ],
}

# Rules that fit every bundle.
RULES = '@id("everybody")\npermit (principal, action, resource);\n'

# What the tests are of.
TESTED = {
    "bundle.yaml": """
id: acme-guidance
version: "2026.11.1"
effective: { from: 2026-11-01 }
facts:
  resource:
    model_class: [light, standard, frontier, unlisted]
    vendor_status: [approved, trial]
  context:
    work_class: [routine, research]
    budget_state: [under, over]
""",
    "rules.cedar": """
@id("everyday-models")
permit (principal, action, resource) when { ["light", "standard"].contains(resource.model_class) };
@id("frontier-for-research")
permit (principal, action, resource)
when { resource.model_class == "frontier" && context.work_class == "research" };
@id("frontier-not-for-routine")
forbid (principal, action, resource)
when { resource.model_class == "frontier" && context.work_class == "routine" };
""",
}

# Keys that must be there, and not null.
REQUIRED = {
    "directory": {
        "people.id", "people.accounts.kind", "people.accounts.id", "people.memberships.team", "service_accounts.id",
        "service_accounts.accounts.kind", "service_accounts.accounts.id", "teams.id", "cost_centers.id",
        "workspaces.id",
    },
    "prices": {f"prices.{key}" for key in ("provider", "model", "kind", "per", "amount", "currency")},
    "finance": {
        "reporting_currency", "fx.date", "fx.from", "fx.to", "fx.rate", "seats.vendor", "seats.price", "seats.currency",
        "invoices.id", "invoices.vendor", "invoices.currency", "invoices.total", "invoices.lines.charge_category",
        "invoices.lines.amount", "budgets.id", "budgets.original", "budgets.currency", "budgets.revisions.date",
        "budgets.revisions.amount",
    },
    "bundle": {"id", "version", "effective", "effective.from"},
    "policy-tests": {"tests.expect"},
    "intent": {"intent_id", "person", "started_at"},
    "modellane": {"collector.keys.key", "collector.keys.scope"},
}

# Keys that may be absent and not null: a fact that is declared has values.
NOT_NULL = {
    "facts.principal.seniority", "facts.resource.model_class", "facts.resource.vendor_status",
    "facts.resource.tool_tier", "facts.context.repo_sensitivity", "facts.context.work_class",
    "facts.context.budget_state",
}

# A key that has to be there beside another one only; `BOTH_REFUSE` has it.
CONDITIONAL = {"collector.keys.person"}

# What the product looks at only when there is a cluster.
NOT_ASKED = {"kafka.producer_queue_mib", "kafka.consumer_queue_mib"}

# Changes of the first example.
BOTH_TAKE = {
    "directory": [
        ("workspaces", None),
        ("people.0.memberships.0.from", "2025-12-31T23:00:00Z"),
        ("people.0.memberships.0.from", "2025-12-31 23:00:00"),
        ("people.0.memberships.0.from", "2025-12-31T23:00:00.5+01:00"),
        ("people.0.name", None),
        ("service_accounts.0.id", "zoë-lindqvist"),
        ("workspaces.0.sensitivity", None),
        ("people.0.accounts.0.kind", "enduser"),
    ],
    "prices": [
        ("prices.0.amount", 2), ("prices.0.amount", "0"), ("prices.0.amount", ".5"), ("prices.0.amount", "2e-3"),
        ("prices.0.model", "*"), ("prices.0.currency", "usd"), ("prices.0.from", None), ("prices", None),
    ],
    "finance": [
        ("budgets.0.original", "-5.25"), ("budgets.0.team", REMOVED), ("seats.0.person", None),
        ("fx.0.rate", 2), ("fx.0.rate", "0.001"), ("invoices.0.lines", None), ("invoices.0.lines.0.quantity", "1.5"),
    ],
    "bundle": [
        ("thresholds.followed", "0.80"), ("thresholds.followed", "0.501"), ("thresholds.intent", 1),
        ("thresholds", None), ("scope", {}), ("scope.exclude.tools", REMOVED), ("owners", []),
        ("facts.principal", None),
        ("facts.context.data_residency", ["eu", "us"]),
    ],
    "policy-tests": [
        ("tests.0.facts.actor_kind", None), ("tests.0.name", REMOVED), ("tests.1.expect.rules", None), ("tests", None),
    ],
    "intent": [
        ("no_such_key", 1), ("task", ""), ("task", None), ("intent_id", 17), ("ended_at", None), ("ended_at", ""),
        ("started_at", "2026-11-03 09:00:00"), ("started_at", "2026-11-03T09:00:00+01:00"),
        ("started_at", 1793696400), ("started_at", 1793696400000), ("started_at", "1793696400"),
    ],
    "modellane": [
        ("sink", REMOVED), ("sink", {}), ("sink.max_rows", REMOVED), ("collector.keys", []),
    ],
}

BOTH_REFUSE = {
    "directory": [
        ("people.0.accounts.0.kind", "ana@secret.example"),
        ("people.0.memberships", "Ana Silva"),
        ("people.0.memberships.0.from", "2026-02-30"),
        ("people.0.memberships.0.from", "2026-01-01T08:00Z"),
        ("people.0.memberships.0.from", "1999-12-31"),
        ("people.0.memberships.0.from", 20260101),
        ("people.0.memberships.0.team", "the payments team"),
        ("people.0.name", " "),
        ("people.0.name", "x" * 201),
        ("people", {}),
        ("people.0", None),
        ("cost_centers.0.gl_account", 6420),
        ("teams.0.id", "x" * 129),
        ("workspaces.0.sensitivity", "secret"),
        ("", []),
        ("", None),
    ],
    "prices": [
        ("prices.0.amount", 2.5), ("prices.0.amount", "-1"), ("prices.0.amount", "2,50"), ("prices.0.amount", ""),
        ("prices.0.per", 0), ("prices.0.per", "1000000"), ("prices.0.currency", "EURO"), ("prices.0.kind", "tokens"),
        ("prices.0.form", "x"), ("prices.0.from", "soon"), ("prices.0.model", "claude sonnet"), ("prices", {}),
    ],
    "finance": [
        ("fx.0.rate", "0"), ("fx.0.rate", "-1.08"), ("fx.0.rate", 1.08), ("fx.0.date", "2026-13-01"),
        ("seats.0.price", 19.5), ("seats.0.currency", 840), ("invoices.0.total", "1,900.00"),
        ("budgets.0.revisions.0.date", "October"), ("reporting_currency", "dollars"),
    ],
    "bundle": [
        ("effective", {}), ("effective.from", "November"), ("version", 2026.11), ("owner", ["platform-engineering"]),
        ("facts.resource.model_class", ["light", "standard", "frontier"]),
        ("facts.resource.vendor_status", []),
        ("facts.resource.vendor_status", ["approved", "approved"]),
        ("facts.resource.vendor_status", ["on trial"]),
        ("facts.resource.vendor_status", [f"v{n}" for n in range(65)]),
        ("facts.context.actor_kind", ["person"]),
        ("facts.context.Region", ["eu"]),
        ("facts.subject", {}),
        ("thresholds.followed", 1.8), ("thresholds.followed", 0.4), ("thresholds.followed", 0.5),
        ("thresholds.followed", "0.50"), ("thresholds.drifted", "high"), ("thresholds.intent", 0.4),
        ("thresholds.intent", "0.49"), ("thresholds.budget_near", -0.1),
        ("scope.exclude.actor_kinds", ["robot"]), ("scope.exclude.tools", ["chat playground"]), ("scope.include", {}),
        ("impossible", [{}]), ("impossible.0.tool_tier", 1),
    ],
    "policy-tests": [
        ("tests.0.expect.verdict", "out_of_scope"), ("tests.0.facts.model_class", 1), ("tests.0.expect.rules", "a"),
        ("tests.0.facts.Model", "light"), ("tests.0.expect.missing", ["work class"]), ("tests.0.expect", {}), ("", None),
    ],
    "intent": [
        ("person", REMOVED), ("person", " "), ("person", True), ("intent_id", "fix the login"),
        ("task", "CANARY-PROMPT-xyz-0001"), ("task", "x" * 41), ("tool", "Claude Code"), ("branch", ["x"]),
        ("started_at", "soon"), ("started_at", "2026-11-03"), ("started_at", 17), ("ended_at", "2026-11-31T09:00:00Z"),
    ],
    "modellane": [
        ("query.pg_listen", "localhost:5488"), ("collector.keys.0.person", "ana@acme.example"),
        ("collector.keys.0.key", "short"), ("collector.keys.1.person", REMOVED), ("kafka.bootstrap", 9092),
        ("kafka.security_protocol", "tls"), ("lake", {"options": ["aws_region"]}), ("sink.max_rows", 1.5),
        ("maintenance.keep_days", 30), ("telemetry", {}),
    ],
}

# What takes more than one value to see.
PRODUCT_ALONE_REFUSES = {
    "directory": [
        ("people.0.memberships.0.to", "2026-07-02"),
        ("people.0.memberships.0.to", "2026-01-01"),
        ("people.0.memberships.0.team", "nowhere"),
        ("teams.1.parent", "payments"),
        ("teams.1.id", "payments"),
    ],
    "prices": [("prices.1.from", "2026-08-01"), ("prices.0.to", "2026-06-01")],
    "finance": [("seats.0.to", "2026-01-01")],
    "bundle": [
        ("thresholds.high", 0.7), ("effective.to", "2026-10-01"), ("facts.principal.work_class", ["a"]),
        ("impossible.0.tool_tier", "free"), ("impossible.0.colour", "red"), ("impossible.0", {"tool_tier": None}),
    ],
    "policy-tests": [
        ("tests.0.expect", {"verdict": None}), ("tests.1.expect.verdict", "drifted"),
        ("tests.0.facts.model_class", "lite"), ("tests.0.facts.colour", "red"),
    ],
    "intent": [("ended_at", "2026-11-03T08:30:00Z"), ("person", "github:")],
    "modellane": [
        ("collector", {"listen": "0.0.0.0:8600"}), ("query.pg_listen", "0.0.0.0:5488"),
        ("collector.keys.0.scope", "no_such.source"), ("collector.max_in_flight_mib", 1),
        ("query.statement_timeout_s", 604800), ("lake", {"options": {"aws_region": "eu-central-1"}}),
    ],
}

# Spellings that the product happens to read and nobody should write.
SCHEMA_ALONE_REFUSES = {
    "directory": [
        ("people.0.accounts.0.kind", " email "),
        ("people.0.memberships.0.from", "2026-1-1"),
    ],
    "bundle": [("thresholds.followed", "8e-1")],
    "modellane": [("sink.max_rows", "200000")],
}

# Whether the schema takes it, whether the product does, and what.
CHANGES = [
    (True, True, BOTH_TAKE),
    (False, False, BOTH_REFUSE),
    (True, False, PRODUCT_ALONE_REFUSES),
    (False, True, SCHEMA_ALONE_REFUSES),
]
