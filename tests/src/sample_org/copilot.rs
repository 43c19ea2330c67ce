//! What both Copilot feeds share: how GitHub counts one request.

use super::number::Nano;
use super::people::UNKNOWN_LOGIN;
use super::world::{Actor, Call};

/// GitHub's ids of the enterprise and of its two organisations.
pub(crate) const ENTERPRISE_ID: &str = "90042";

/// Organisation of a call: name and id. The public SDK lives in an organisation of its own, so that one
/// person has two rows on some days.
pub(crate) fn organization(call: &Call) -> (&'static str, &'static str) {
    match call.workspace.id.split_once('/') {
        Some(("northwind-oss", _)) => ("northwind-oss", "710002"),
        _ => ("northwind-robotics", "710001"),
    }
}

/// Login and numeric id.
pub(crate) fn account(call: &Call) -> (&'static str, i64) {
    match call.actor {
        Actor::Person(person) => (person.login, person.github_number()),
        _ => (UNKNOWN_LOGIN, 5_990),
    }
}

/// AI credits of a call, at one US cent each, in steps of a twentieth.
pub(crate) fn credits(call: &Call) -> Nano {
    let cost = call.model.cost(&call.tokens, super::calendar::day_of(call.at_ms));
    let step = Nano::hundredths(5);
    Nano(cost.0 * 100).floor_to(step).max(step)
}

/// Whether GitHub chose the model.
pub(crate) fn chosen_automatically(call: &Call) -> bool {
    call.at_ms % 7 == 0
}
