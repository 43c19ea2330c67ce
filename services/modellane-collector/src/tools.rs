//! Which product a client's user agent names.

use modellane_event::Label;

/// Product tokens of known clients, and the tool they stand for. A new client is one line.
const CLIENTS: &[(&str, &str)] = &[
    ("claude-cli", "claude_code"),
    ("claude-code", "claude_code"),
    ("codex_cli_rs", "codex"),
    ("codex-cli", "codex"),
    ("codex", "codex"),
    ("geminicli", "gemini_cli"),
    ("gemini-cli", "gemini_cli"),
    ("cursor", "cursor"),
    ("githubcopilotchat", "copilot"),
    ("copilot", "copilot"),
    ("cline", "cline"),
    ("roo-code", "roo_code"),
    ("kilo-code", "kilo_code"),
    ("aider", "aider"),
    ("opencode", "opencode"),
    ("goose", "goose"),
    ("continue", "continue"),
    ("zed", "zed"),
];

/// The tool of a user agent such as `claude-cli/2.2.40 (external, cli)`; `None` for an unknown client.
pub(crate) fn tool_of_user_agent(user_agent: &str) -> Option<Label> {
    let product = user_agent.trim().split(['/', ' ', '(']).next()?.to_ascii_lowercase();
    CLIENTS.iter().find(|(client, _)| *client == product).map(|(_, tool)| Label::literal(tool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_clients_are_tools() {
        let tool = |text| tool_of_user_agent(text).map(|label| label.to_string());
        assert_eq!(tool("claude-cli/2.2.40 (external, cli)").as_deref(), Some("claude_code"));
        assert_eq!(tool("GeminiCLI/0.9").as_deref(), Some("gemini_cli"));
        assert_eq!(tool("python-requests/2.32"), None);
        assert_eq!(tool("CANARY-PROMPT-xyz-0001"), None);
        assert_eq!(tool(""), None);
    }
}
