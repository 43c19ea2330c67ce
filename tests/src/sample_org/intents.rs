//! `intents.ndjson`: what people declared of their stints of work.

use super::calendar::{MINUTE_MS, rfc3339};
use super::dice::Dice;
use super::files::Files;
use super::people::Tool;
use super::world::{Stint, World};
use serde::Serialize;

/// Of a hundred stints, so many are declared.
const DECLARED: u64 = 62;

#[derive(Serialize)]
struct Intent {
    intent_id: String,
    person: &'static str,
    workspace: String,
    branch: String,
    task: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'static str>,
    ticket: String,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

/// Writes the intents in order of their start; returns how many.
pub(crate) fn export(world: &World, seed: u64, files: &mut Files) -> usize {
    let mut dice = Dice::new(seed, "intents");
    let mut stints: Vec<&Stint> = world.stints.iter().collect();
    stints.sort_by_key(|stint| (stint.start_ms, stint.person.id));
    let mut intents: Vec<Intent> = Vec::new();
    for stint in stints {
        if dice.percent(DECLARED) {
            let number = intents.len() + 1;
            intents.push(declare(&mut dice, stint, number));
        }
    }
    files.lines("intents.ndjson", &intents);
    intents.len()
}

/// People declare by their main address, a little before or after they start; hooks know the session of
/// Claude Code, a person does not know any.
fn declare(dice: &mut Dice, stint: &Stint, number: usize) -> Intent {
    let keyed = stint.tool == Tool::ClaudeCode;
    let started = if keyed { stint.start_ms } else { stint.start_ms + dice.between(-6, 3) * MINUTE_MS };
    let open = dice.percent(5);
    let ended = stint.end_ms + dice.between(0, 4) * MINUTE_MS;
    Intent {
        intent_id: format!("i-{number:04}"),
        person: stint.person.emails[0],
        workspace: format!("github.com/{}", stint.workspace.id),
        branch: format!("{}/{}", stint.task.as_str(), stint.ticket.to_lowercase()),
        task: stint.task.as_str(),
        session_id: keyed.then(|| stint.session.clone()),
        tool: match stint.tool {
            Tool::ClaudeCode => Some("claude_code"),
            Tool::Cursor => Some("cursor"),
            Tool::Copilot => Some("copilot"),
            Tool::Gateway => None,
        },
        ticket: stint.ticket.clone(),
        started_at: rfc3339(started),
        ended_at: (!open).then(|| rfc3339(ended)),
    }
}
