//! `directory.yaml`, `prices.yaml`, `finance.yaml` and the guidance bundles.

use super::calendar::{LEAVING_DAY, NOVEMBER, TRANSFER_DAY};
use super::files::{Files, MARK};
use super::models::{BEFORE_NOVEMBER, CHEAPER_IN_NOVEMBER, MODELS, Price};
use super::number::Nano;
use super::people::{
    CI_KEY, LEAVER, NIGHTLY_KEY, PEOPLE, Person, SHARED_KEY, SHARED_KEY_ALIAS, SHARED_KEY_OWNERS, TEAMS,
    TRANSFERRED, TRANSFERRED_TO, Team, Tool, WORKSPACES,
};
use std::fmt::Write;

/// Since when the organisation and its contracts exist.
const FOUNDED: &str = "2026-01-01";

/// Guidance bundles: version and files.
const BUNDLES: [(&str, [(&str, &str); 4]); 2] = [
    (
        "2026.10.1",
        [
            ("bundle.yaml", include_str!("templates/2026.10.1/bundle.yaml")),
            ("catalogue.csv", include_str!("templates/2026.10.1/catalogue.csv")),
            ("rules.cedar", include_str!("templates/2026.10.1/rules.cedar")),
            ("tests.yaml", include_str!("templates/2026.10.1/tests.yaml")),
        ],
    ),
    (
        "2026.11.1",
        [
            ("bundle.yaml", include_str!("templates/2026.11.1/bundle.yaml")),
            ("catalogue.csv", include_str!("templates/2026.11.1/catalogue.csv")),
            ("rules.cedar", include_str!("templates/2026.11.1/rules.cedar")),
            ("tests.yaml", include_str!("templates/2026.11.1/tests.yaml")),
        ],
    ),
];

/// Service accounts of the directory.
pub(crate) const SERVICE_ACCOUNTS: usize = 2;

/// Writes everything that is not an export or an intent; returns how many bundles.
pub(crate) fn export(files: &mut Files) -> usize {
    let readme = include_str!("templates/README.md");
    debug_assert!(readme.starts_with(MARK));
    files.text("README.md", readme);
    files.text("directory.yaml", directory());
    files.text("prices.yaml", prices());
    files.text("finance.yaml", finance());
    for (version, parts) in BUNDLES {
        for (name, text) in parts {
            files.text(format!("policy/{version}/{name}"), text);
        }
    }
    BUNDLES.len()
}

fn directory() -> String {
    let mut out = String::from("people:\n");
    for person in PEOPLE {
        add_person(&mut out, person);
    }
    out.push_str("service_accounts:\n");
    let keys = |(hash, alias): (&str, &str)| {
        format!("{{ kind: api_key, id: {hash} }}, {{ kind: api_key, id: {alias} }}")
    };
    let _ = writeln!(
        out,
        "  - {{ id: sa-ci, accounts: [{}, {{ kind: email, id: bot+ci@northwind.example }}, {{ kind: cursor, id: \
         sa_northwind_ci }}], team: fleet, cost_center: CC-300, task: ci, from: {FOUNDED} }}",
        keys(CI_KEY)
    );
    let _ = writeln!(
        out,
        "  - {{ id: sa-nightly, accounts: [{}, {{ kind: github, id: svc-nightly }}], team: perception, \
         cost_center: CC-200, from: {FOUNDED} }}",
        keys(NIGHTLY_KEY)
    );
    out.push_str("teams:\n  - { id: engineering, name: Engineering, owner: p-0001 }\n");
    for Team { id, name, owner, .. } in TEAMS {
        let _ = writeln!(out, "  - {{ id: {id}, name: {name}, owner: {owner}, parent: engineering }}");
    }
    out.push_str("cost_centers:\n");
    for Team { name, cost_center, .. } in TEAMS {
        let _ = writeln!(
            out,
            "  - {{ id: {cost_center}, name: {name}, company: Northwind Robotics, gl_account: \"6420\" }}"
        );
    }
    out.push_str("  - { id: CC-000, name: Holding, company: Northwind Robotics, gl_account: \"6499\" }\n");
    out.push_str("workspaces:\n");
    for workspace in WORKSPACES {
        let _ = writeln!(
            out,
            "  - {{ id: github.com/{}, team: {}, sensitivity: {} }}",
            workspace.id, workspace.team, workspace.sensitivity
        );
    }
    out
}

fn add_person(out: &mut String, person: &Person) {
    let _ = writeln!(out, "  - id: {}\n    name: \"{}\"\n    accounts:", person.id, person.name);
    let until = if person.id == LEAVER { format!(", to: {LEAVING_DAY}") } else { String::new() };
    let mut account = |kind: &str, id: &str| {
        let _ = writeln!(out, "      - {{ kind: {kind}, id: {id}{until} }}");
    };
    for email in person.emails {
        account("email", email);
        account("enduser", email);
    }
    account("github", person.login);
    account("anthropic", &person.anthropic_id());
    account("enduser", &person.employee_number());
    if person.has(Tool::Gateway) {
        account("litellm", &person.gateway_user());
    }
    if SHARED_KEY_OWNERS.contains(&person.id) {
        account("api_key", SHARED_KEY);
        account("api_key", SHARED_KEY_ALIAS);
    }
    out.push_str("    memberships:\n");
    let mut member = |team: &str, from: &str, to: &str| {
        let cost_center = TEAMS.iter().find(|known| known.id == team).map_or("", |known| known.cost_center);
        let _ = writeln!(out, "      - {{ team: {team}, cost_center: {cost_center}, from: {from}{to} }}");
    };
    if person.id == TRANSFERRED {
        member(person.team, FOUNDED, &format!(", to: {TRANSFER_DAY}"));
        member(TRANSFERRED_TO, &TRANSFER_DAY.to_string(), "");
    } else {
        member(person.team, FOUNDED, &until);
    }
}

fn prices() -> String {
    let mut out =
        String::from("# Dollars for `per` tokens or credits. `input` prices the uncached part.\nprices:\n");
    let from = format!("from: {FOUNDED}");
    let in_november = format!("from: {NOVEMBER}");
    for model in MODELS.iter().filter(|model| model.listed) {
        if model.id == CHEAPER_IN_NOVEMBER {
            let old = format!("{from}, to: {NOVEMBER}");
            add_prices(&mut out, model.provider, model.id, &BEFORE_NOVEMBER, &old);
            add_prices(&mut out, model.provider, model.id, &model.price, &in_november);
        } else {
            add_prices(&mut out, model.provider, model.id, &model.price, &from);
        }
        if model.id == "claude-opus-5-5" {
            add_prices(&mut out, "aws.bedrock", model.id, &model.price, &from);
        }
    }
    let _ = writeln!(
        out,
        "  - {{ provider: github, model: \"*\", kind: credit, per: 1, amount: \"0.01\", currency: USD, {from} }}"
    );
    out
}

fn add_prices(out: &mut String, provider: &str, model: &str, price: &Price, period: &str) {
    let kinds = [
        ("input", price.input),
        ("cache_read", price.cache_read),
        ("cache_write", price.cache_write),
        ("output", price.output),
    ];
    for (kind, nano_per_token) in kinds.into_iter().filter(|(_, nano)| *nano > 0) {
        let amount = Nano(nano_per_token * 1_000_000);
        let _ = writeln!(
            out,
            "  - {{ provider: {provider}, model: {model}, kind: {kind}, per: 1000000, amount: \"{amount}\", \
             currency: USD, {period} }}"
        );
    }
}

fn finance() -> String {
    let mut out = String::from(
        "reporting_currency: USD\nholding_cost_center: CC-000\nfx:\n  \
         - { date: 2026-10-01, from: EUR, to: USD, rate: \"1.07\", source: ECB }\n  \
         - { date: 2026-11-01, from: EUR, to: USD, rate: \"1.08\", source: ECB }\nseats:\n",
    );
    let vendors =
        [(Tool::Copilot, "github", "business", "19.00"), (Tool::Cursor, "cursor", "business", "40.00")];
    for (tool, vendor, tier, price) in vendors {
        for person in PEOPLE.iter().filter(|person| person.has(tool)) {
            let to = if person.id == LEAVER { format!(", to: {LEAVING_DAY}") } else { String::new() };
            let _ = writeln!(
                out,
                "  - {{ vendor: {vendor}, billing_account: northwind-robotics, tier: {tier}, person: {}, price: \
                 \"{price}\", currency: USD, from: {FOUNDED}{to} }}",
                person.id
            );
        }
    }
    out.push_str(include_str!("templates/finance_tail.yaml"));
    out
}
