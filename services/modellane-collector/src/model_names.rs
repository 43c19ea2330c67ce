//! Model names: one spelling across vendors, and no way for a text that is no model name.
//!
//! A name is taken only if it starts with a known family and goes on with version numbers, known words and
//! at most one other word, such as the code name of a release. Everything else becomes null and is counted,
//! because a field that a user can fill with any text is a field that can carry a prompt. A new family is
//! one word in `FAMILIES`; a new name of a known family needs no change here.

use modellane_event::Label;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// First word of every model name that is taken.
#[rustfmt::skip] // one word a line would hide the list's shape
const FAMILIES: &[&str] = &[
    "claude", "gpt", "chatgpt", "o1", "o3", "o4", "codex", "gemini", "gemma", "composer", "cursor",
    "grok", "llama", "mistral", "mixtral", "codestral", "devstral", "magistral", "ministral", "pixtral",
    "deepseek", "qwen", "qwen2", "qwen3", "command", "nova", "titan", "kimi", "glm", "phi", "sonar",
    "raptor", "goldeneye", "granite", "jamba", "swe", "minimax", "oswe",
];

/// Words that name a size, a variant or a mode; any number of them may follow the family.
#[rustfmt::skip] // one word a line would hide the list's shape
const WORDS: &[&str] = &[
    "opus", "sonnet", "haiku", "fable", "instant", "pro", "mini", "nano", "micro", "flash", "lite", "max",
    "turbo", "preview", "thinking", "reasoning", "fast", "high", "medium", "low", "xhigh", "codex",
    "coder", "code", "chat", "instruct", "large", "small", "base", "plus", "vision", "audio", "image",
    "latest", "exp", "experimental", "premier", "maverick", "scout", "nemo", "embed", "embedding", "text",
    "oss", "ultra", "realtime", "transcribe", "tts", "search", "deep", "think", "research", "live",
    "native", "dialog", "creative", "omni", "distill", "guard", "safeguard", "beta", "alpha", "spark",
    "next", "air", "flashx",
];

/// The words that may follow a family: every record has a model, and the lists are long.
static KNOWN_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| WORDS.iter().chain(FAMILIES).copied().collect());

/// What vendors write when they hide which model ran.
#[rustfmt::skip] // one word a line would hide the list's shape
const HIDDEN: &[&str] = &[
    "default", "auto", "unknown", "other", "others", "none", "<synthetic>", "premium",
    "coding-agent-model", "code-review-model", "claude-default",
];

/// Prefixes of gateways and clouds, and who runs the model then, in the spelling of `gen_ai.provider.name`.
const PREFIXES: &[(&str, Option<&str>)] = &[
    ("anthropic", Some("anthropic")),
    ("openai", Some("openai")),
    ("azure", Some("azure.ai.openai")),
    ("azure_ai", Some("azure.ai.inference")),
    ("bedrock", Some("aws.bedrock")),
    ("bedrock_converse", Some("aws.bedrock")),
    ("converse", Some("aws.bedrock")),
    ("vertex_ai", Some("gcp.vertex_ai")),
    ("gemini", Some("gcp.gemini")),
    ("google", Some("gcp.gemini")),
    ("mistral", Some("mistral_ai")),
    ("mistralai", Some("mistral_ai")),
    ("xai", Some("x_ai")),
    ("x-ai", Some("x_ai")),
    ("groq", Some("groq")),
    ("deepseek", Some("deepseek")),
    ("cohere", Some("cohere")),
    ("perplexity", Some("perplexity")),
    ("watsonx", Some("ibm.watsonx.ai")),
    ("openrouter", None),
    ("litellm_proxy", None),
    ("models", None),
    ("meta-llama", None),
    ("meta", None),
    ("qwen", None),
    ("moonshotai", None),
    ("z-ai", None),
];

/// Makers in Bedrock's ids, as in `us.anthropic.claude-…`.
const BEDROCK_MAKERS: &[&str] =
    &["anthropic", "amazon", "meta", "mistral", "cohere", "deepseek", "qwen", "openai", "ai21", "moonshot"];
const BEDROCK_REGIONS: &[&str] = &["us", "eu", "apac", "jp", "au", "ca", "global", "us-gov"];

const CLAUDE_TIERS: &[&str] = &["opus", "sonnet", "haiku", "fable", "instant"];
const MAX_NAME: usize = 64;
const MAX_TOKENS: usize = 10;
const MAX_UNKNOWN_WORDS: usize = 1;
const MAX_UNKNOWN_WORD: usize = 12;
/// More names than an organisation uses, and few enough that a caller who invents names fills no memory.
const MAX_REMEMBERED: usize = 1_000;

thread_local! {
    /// What was read from the names seen before: an export of a million rows has a few dozen of them.
    static REMEMBERED: RefCell<HashMap<Box<str>, ModelName>> = RefCell::default();
}

/// What a vendor's model field says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelName {
    /// The one spelling; null if the vendor hides the model or the text is no model name.
    pub model: Option<Label>,
    /// As the vendor wrote it, words joined by `-`; null if the text is no model name.
    pub raw: Option<Label>,
    /// Who runs the model, if the name says so by a prefix.
    pub provider: Option<Label>,
    /// Whether the text is no model name, to be counted.
    pub unreadable: bool,
}

/// Reads a vendor's model field.
pub fn model_name(text: &str) -> ModelName {
    let text = text.trim();
    if text.is_empty() {
        return ModelName::default();
    }
    REMEMBERED.with_borrow_mut(|remembered| {
        if let Some(name) = remembered.get(text) {
            return name.clone();
        }
        // A text that is no model name may be anything, and is not kept.
        let Some(name) = read(text) else { return ModelName { unreadable: true, ..ModelName::default() } };
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(text.into(), name.clone());
        }
        name
    })
}

/// The provider that a gateway names, in the spelling of `gen_ai.provider.name`.
pub fn provider_name(text: &str) -> Option<Label> {
    let lower = text.trim().to_ascii_lowercase();
    let known = |(prefix, provider): &(&str, Option<&'static str>)| {
        provider.filter(|provider| lower == *prefix || lower == *provider)
    };
    PREFIXES.iter().find_map(known).map(Label::literal)
}

fn read(text: &str) -> Option<ModelName> {
    if text.len() > 2 * Label::MAX {
        return None;
    }
    let spelled = hyphenated(text);
    let spelled = spelled.strip_prefix("Auto:-").unwrap_or(&spelled);
    let lower = spelled.to_ascii_lowercase();
    if HIDDEN.contains(&lower.as_str()) {
        return Some(ModelName { raw: Label::new(spelled).ok(), ..ModelName::default() });
    }
    let (prefix_length, mut provider) = prefixes(&lower)?;
    let (mut raw, mut name) = (spelled, &lower[prefix_length..]);
    if lower.starts_with("arn:") {
        raw = &spelled[prefix_length..];
    }
    if let Some(rest) = bedrock(name) {
        name = rest;
        provider = provider.or(Some("aws.bedrock"));
    }
    let name = without_suffixes(name);
    if !is_model_name(name) || shouts(raw) {
        return None;
    }
    let canonical = if name.starts_with("claude") { claude(name) } else { name.to_owned() };
    Some(ModelName {
        model: Some(Label::new(&canonical).ok()?),
        raw: Label::new(raw.trim_end_matches("[1m]")).ok(),
        provider: provider.map(Label::literal),
        unreadable: false,
    })
}

/// Words joined by `-`; nearly every name is one word.
fn hyphenated(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_whitespace) {
        Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join("-"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Length of the known prefixes and who runs the model; `None` if a prefix is not known.
fn prefixes(lower: &str) -> Option<(usize, Option<&'static str>)> {
    let Some(end) = lower.rfind('/') else { return Some((0, None)) };
    if lower.starts_with("arn:aws:bedrock:") || lower.starts_with("arn:aws-us-gov:bedrock:") {
        return Some((end + 1, Some("aws.bedrock")));
    }
    let mut provider = None;
    for part in lower[..end].split('/') {
        let (_, runs) = PREFIXES.iter().find(|(prefix, _)| *prefix == part)?;
        provider = provider.or(*runs);
    }
    Some((end + 1, provider))
}

/// The name behind region and maker of a Bedrock id.
fn bedrock(name: &str) -> Option<&str> {
    let (first, rest) = name.split_once('.')?;
    if BEDROCK_MAKERS.contains(&first) {
        return Some(rest);
    }
    let (maker, rest) = rest.split_once('.')?;
    (BEDROCK_REGIONS.contains(&first) && BEDROCK_MAKERS.contains(&maker)).then_some(rest)
}

/// Drops what dates or addresses a release: `[1m]`, `-v1:0`, `@20261002`, `-2026-10-02`, `-20261002`,
/// `-latest`.
fn without_suffixes(name: &str) -> &str {
    let name = name.trim_end_matches("[1m]");
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let name = match name.rsplit_once("-v") {
        Some((rest, version)) if is_digits(&version.replace(':', "")) => rest,
        _ => name,
    };
    let name = name.strip_suffix("-latest").unwrap_or(name);
    without_date(name)
}

fn without_date(name: &str) -> &str {
    let Some((rest, last)) = name.rsplit_once('-') else { return name };
    if last.len() == 8 && is_digits(last) && last.starts_with("20") {
        return rest;
    }
    let mut parts = name.rsplitn(4, '-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(day), Some(month), Some(year), Some(rest))
            if [day, month].iter().all(|part| part.len() == 2 && is_digits(part))
                && year.len() == 4
                && is_digits(year) =>
        {
            rest
        }
        _ => name,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_model_name(name: &str) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    let mut tokens = name.split(['-', '.', '_', ':']);
    let known_family = tokens.next().is_some_and(is_family);
    let (mut count, mut unknown) = (0, 0);
    for token in tokens {
        count += 1;
        if is_version(token) || KNOWN_WORDS.contains(token) {
            continue;
        }
        unknown += 1;
        let letters = token.bytes().all(|b| b.is_ascii_lowercase());
        if !letters || token.len() > MAX_UNKNOWN_WORD {
            return false;
        }
    }
    known_family && count <= MAX_TOKENS && unknown <= MAX_UNKNOWN_WORDS
}

/// A family, alone or with its version attached, as in `llama3` or `o4`.
fn is_family(token: &str) -> bool {
    FAMILIES.contains(&token) || FAMILIES.contains(&token.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Up to four digits with at most two letters around them: `5`, `4o`, `70b`, `k2`, `v3`, `128k`.
fn is_version(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let letters = token.bytes().filter(u8::is_ascii_lowercase).count();
    (1..=4).contains(&digits) && letters <= 2 && digits + letters == token.len()
}

/// Whether a text has a word in capitals that is no abbreviation of a vendor.
fn shouts(raw: &str) -> bool {
    let words = raw.split(|c: char| !c.is_ascii_alphabetic());
    words
        .filter(|word| word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase()))
        .any(|word| !matches!(word, "GPT" | "GLM" | "SWE" | "OSS"))
}

/// `claude-5.5-sonnet`, `claude-sonnet-5.5` and `claude-sonnet-5-5` are one model: family, tier, version, rest.
fn claude(name: &str) -> String {
    let tokens = || name.split(['-', '.', '_']);
    let Some(tier) = tokens().find(|token| CLAUDE_TIERS.contains(token)) else {
        return name.replace(['.', '_'], "-");
    };
    let versions = tokens().skip(1).filter(|token| is_digits(token));
    let rest = tokens().skip(1).filter(|token| !is_digits(token) && *token != tier);
    let mut canonical = String::with_capacity(name.len());
    canonical.extend(tokens().next());
    for token in std::iter::once(tier).chain(versions).chain(rest) {
        canonical.push('-');
        canonical.push_str(token);
    }
    canonical
}

#[cfg(test)]
mod tests;
