use super::*;

fn canonical(text: &str) -> Option<String> {
    model_name(text).model.map(|label| label.to_string())
}

#[test]
fn spellings_of_one_model_are_one_name() {
    for text in [
        "claude-sonnet-5-5",
        "claude-5.5-sonnet",
        "claude-sonnet-5.5",
        "Claude Sonnet 5.5",
        "Auto: Claude Sonnet 5.5",
        "anthropic/claude-sonnet-5-5",
        "claude-sonnet-5-5-20261002",
        "claude-sonnet-5-5@20261002",
        "claude-sonnet-5-5[1m]",
        "us.anthropic.claude-sonnet-5-5-20261002-v1:0",
        "bedrock/eu.anthropic.claude-sonnet-5-5-20261002-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-5-5-v1:0",
        "openrouter/anthropic/claude-5.5-sonnet",
    ] {
        assert_eq!(canonical(text).as_deref(), Some("claude-sonnet-5-5"), "{text}");
    }
    assert_eq!(canonical("Claude Opus 4.6").as_deref(), Some("claude-opus-4-6"));
    assert_eq!(canonical("claude-4-sonnet-thinking").as_deref(), Some("claude-sonnet-4-thinking"));
    assert_eq!(canonical("gpt-6.1-sol-2026-10-02").as_deref(), Some("gpt-6.1-sol"));
}

#[test]
fn names_of_known_families_are_taken() {
    for text in [
        "gpt-6.1-sol",
        "gpt-6-astra",
        "gpt-5.3-codex",
        "gpt-4o",
        "o4-mini",
        "gemini-3.1-pro-preview",
        "composer-2.5",
        "claude-fable-5-1",
        "grok-4-fast",
        "raptor-mini",
        "goldeneye",
        "kimi-k2",
        "qwen3-coder",
        "deepseek-r1",
        "llama3-70b",
        "glm-4.6",
    ] {
        assert_eq!(canonical(text).as_deref(), Some(text));
        assert_eq!(model_name(text).raw.map(|raw| raw.to_string()).as_deref(), Some(text));
    }
    assert_eq!(canonical("GPT-5.3-Codex").as_deref(), Some("gpt-5.3-codex"));
}

#[test]
fn a_prefix_names_who_runs_the_model() {
    let provider = |text| model_name(text).provider.map(|label| label.to_string());
    assert_eq!(provider("anthropic/claude-sonnet-5-5").as_deref(), Some("anthropic"));
    assert_eq!(provider("azure/gpt-6.1-sol").as_deref(), Some("azure.ai.openai"));
    assert_eq!(provider("us.anthropic.claude-sonnet-5-5-v1:0").as_deref(), Some("aws.bedrock"));
    assert_eq!(provider("claude-sonnet-5-5"), None);
    assert_eq!(provider_name("bedrock"), Some(Label::literal("aws.bedrock")));
    assert_eq!(provider_name("anthropic"), Some(Label::literal("anthropic")));
    assert_eq!(provider_name("CANARY-PROMPT-xyz-0001"), None);
}

#[test]
fn a_hidden_model_is_unknown_and_keeps_its_spelling() {
    for (text, raw) in [
        ("default", Some("default")),
        ("Auto", Some("Auto")),
        ("others", Some("others")),
        ("Unknown", Some("Unknown")),
        ("Coding Agent model", Some("Coding-Agent-model")),
        ("<synthetic>", None),
    ] {
        let name = model_name(text);
        assert_eq!((name.model, name.unreadable), (None, false), "{text}");
        assert_eq!(name.raw.as_ref().map(Label::as_str), raw, "{text}");
    }
    assert_eq!(model_name(" "), ModelName::default());
}

#[test]
fn a_text_that_is_no_model_name_leaves_nothing() {
    for text in [
        "CANARY-PROMPT-xyz-0001",
        "claude-sonnet-5-5-CANARY-PROMPT-xyz-0001",
        "CANARY-PROMPT-xyz-0001/claude-sonnet-5-5",
        "claude-CANARY",
        "gpt-please-fix-the-login",
        "gpt-6-secret-project",
        "openai/lab-unknown-9",
        "Lab Internal X1",
        "lab-internal-x1",
        "claude please fix the login page of payments",
        "gpt-secretsecretsecret",
    ] {
        let name = model_name(text);
        assert_eq!(name, ModelName { unreadable: true, ..ModelName::default() }, "{text}");
    }
}

#[test]
fn what_is_remembered_of_names_is_bounded_and_never_free_text() {
    let first = model_name("claude-5.5-sonnet");
    assert_eq!(model_name("claude-5.5-sonnet"), first, "read again");
    assert!(model_name("please rewrite this function").unreadable);
    assert!(model_name("please rewrite this function").unreadable, "again");
    for version in 0..2 * MAX_REMEMBERED {
        let text = format!("gpt-{}-{}", version / 100, version % 100);
        assert_eq!(canonical(&text), Some(text.clone()));
    }
    REMEMBERED.with_borrow(|remembered| {
        assert_eq!(remembered.len(), MAX_REMEMBERED);
        assert!(remembered.values().all(|name| !name.unreadable));
    });
}
