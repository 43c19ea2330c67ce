//! How people choose models and how large their requests are.

use super::calendar::NOVEMBER;
use super::dice::Dice;
use super::models::{Model, Tier, Tokens, model};
use super::people::{Tool, Workspace};
use modellane_event::Date;

/// Class of work; names are those of the guidance bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Routine,
    Feature,
    Review,
    Incident,
    Architecture,
}

impl Task {
    /// Name in intents.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Feature => "feature",
            Self::Review => "review",
            Self::Incident => "incident",
            Self::Architecture => "architecture",
        }
    }

    /// Mostly everyday work.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        dice.weighted(&[
            (Self::Routine, 42),
            (Self::Feature, 30),
            (Self::Review, 13),
            (Self::Incident, 7),
            (Self::Architecture, 8),
        ])
    }
}

/// Chooses a model. Most work runs on standard models; frontier ones creep into routine work, in one team
/// much more so in November; the tools team saves money; some pick what nobody approved.
pub(crate) fn choose_model(
    dice: &mut Dice,
    tool: Tool,
    team: &str,
    task: Task,
    workspace: &Workspace,
    day: Date,
) -> &'static Model {
    if tool == Tool::Gateway && workspace.sensitivity == "restricted" && dice.percent(14) {
        return model("deepseek-v4");
    }
    if tool != Tool::ClaudeCode && dice.permille(8) {
        return model("gpt-7-preview");
    }
    let tier = dice.weighted(&tier_weights(team, task, day));
    let id: &&str = dice.pick(offered(tool, tier));
    model(id)
}

fn tier_weights(team: &str, task: Task, day: Date) -> [(Tier, u64); 3] {
    let [light, standard, frontier] = match (task, team) {
        (Task::Incident, _) => [0, 45, 55],
        (Task::Architecture, _) => [0, 35, 65],
        (_, "tools") => [78, 20, 2],
        (Task::Routine, "motion") if day >= NOVEMBER => [12, 55, 33],
        (Task::Routine, _) => [24, 66, 10],
        (Task::Feature, _) => [8, 80, 12],
        (Task::Review, _) => [35, 60, 5],
    };
    [(Tier::Light, light), (Tier::Standard, standard), (Tier::Frontier, frontier)]
}

fn offered(tool: Tool, tier: Tier) -> &'static [&'static str] {
    match (tool, tier) {
        (Tool::ClaudeCode, Tier::Light) => &["claude-haiku-5-5"],
        (Tool::ClaudeCode, Tier::Standard) => &["claude-sonnet-5-5"],
        (Tool::ClaudeCode, _) => &["claude-opus-5-5"],
        (Tool::Cursor, Tier::Light) => &["composer-2.5", "claude-haiku-5-5", "gemini-3.8-flash"],
        (_, Tier::Light) => &["claude-haiku-5-5", "gemini-3.8-flash"],
        (Tool::Copilot, Tier::Standard) => &["claude-sonnet-5-5", "gpt-6.1-sol", "gpt-5.3-codex"],
        (_, Tier::Standard) => &["claude-sonnet-5-5", "gpt-6.1-sol"],
        (_, _) => &["claude-opus-5-5", "gpt-6-astra"],
    }
}

/// Requests of one stint of work.
pub(crate) fn requests(dice: &mut Dice, tool: Tool) -> i64 {
    match tool {
        Tool::Copilot => dice.between(4, 13),
        Tool::Cursor => dice.between(6, 20),
        Tool::ClaudeCode => dice.between(1, 4),
        Tool::Gateway => dice.between(2, 7),
    }
}

/// Tokens of one request.
pub(crate) fn draw_tokens(dice: &mut Dice, tool: Tool, model: &Model) -> Tokens {
    let mut tokens = match tool {
        Tool::Cursor => Tokens {
            uncached: dice.octaves(6, 12),
            cache_read: dice.octaves(12, 17),
            cache_write: dice.octaves(10, 14),
            output: dice.octaves(6, 12),
        },
        Tool::ClaudeCode => Tokens {
            uncached: dice.octaves(3, 9),
            cache_read: dice.octaves(13, 17),
            cache_write: dice.octaves(9, 14),
            output: dice.octaves(6, 12),
        },
        Tool::Copilot | Tool::Gateway => Tokens {
            uncached: dice.octaves(8, 13),
            cache_read: if dice.percent(55) { dice.octaves(9, 13) } else { 0 },
            cache_write: 0,
            output: dice.octaves(6, 11),
        },
    };
    if !model.writes_cache() {
        tokens.cache_write = 0;
    }
    tokens
}

/// How many of a thousand requests fail.
pub(crate) fn failures_permille(tool: Tool) -> u64 {
    match tool {
        Tool::Cursor => 14,
        Tool::Gateway => 22,
        Tool::Copilot | Tool::ClaudeCode => 0,
    }
}
