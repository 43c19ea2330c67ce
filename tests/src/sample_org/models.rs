//! Models, their names in each vendor's spelling, and their list prices.

use super::calendar::NOVEMBER;
use super::number::Nano;
use modellane_event::Date;

/// How much a model can do, as the sample's catalogue sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Light,
    Standard,
    Frontier,
    /// In no catalogue.
    Unlisted,
    /// Catalogued, but from a vendor that is not approved.
    Unapproved,
}

/// Billionths of a dollar per token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) cache_read: i64,
    pub(crate) cache_write: i64,
}

/// One model. An empty name means that the tool does not offer it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) id: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) tier: Tier,
    pub(crate) price: Price,
    /// What `prices.yaml` says; a model outside it still costs what the tool charges.
    pub(crate) listed: bool,
    pub(crate) copilot: &'static str,
    pub(crate) copilot_bill: &'static str,
    pub(crate) cursor: &'static str,
    pub(crate) litellm: &'static str,
}

/// Tokens of one request; the four counts are disjoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) uncached: i64,
    pub(crate) cache_read: i64,
    pub(crate) cache_write: i64,
    pub(crate) output: i64,
}

impl Tokens {
    /// Input as OpenTelemetry counts it, cached parts included.
    pub(crate) fn input(&self) -> i64 {
        self.uncached + self.cache_read + self.cache_write
    }

    /// Everything.
    pub(crate) fn total(&self) -> i64 {
        self.input() + self.output
    }
}

impl Model {
    /// Price on a day: one model became cheaper in November.
    pub(crate) fn price_on(&self, day: Date) -> Price {
        if self.id == CHEAPER_IN_NOVEMBER && day < NOVEMBER { BEFORE_NOVEMBER } else { self.price }
    }

    /// What the tokens cost on a day.
    pub(crate) fn cost(&self, tokens: &Tokens, day: Date) -> Nano {
        let price = self.price_on(day);
        Nano(
            tokens.uncached * price.input
                + tokens.cache_read * price.cache_read
                + tokens.cache_write * price.cache_write
                + tokens.output * price.output,
        )
    }

    /// The same at `prices.yaml`, or nothing.
    pub(crate) fn list_cost(&self, tokens: &Tokens, day: Date) -> Option<Nano> {
        self.listed.then(|| self.cost(tokens, day))
    }

    /// Whether writing to the cache is priced; the others cache by themselves, for free.
    pub(crate) fn writes_cache(&self) -> bool {
        self.price.cache_write > 0
    }
}

const fn price(input: i64, output: i64, cache_read: i64, cache_write: i64) -> Price {
    Price { input, output, cache_read, cache_write }
}

/// The model whose price falls on 2026-11-01.
pub(crate) const CHEAPER_IN_NOVEMBER: &str = "gemini-3.8-flash";
/// Its price before.
pub(crate) const BEFORE_NOVEMBER: Price = price(900, 4_500, 90, 0);

/// Every model of the sample.
pub(crate) const MODELS: &[Model] = &[
    Model {
        id: "claude-haiku-5-5",
        provider: "anthropic",
        tier: Tier::Light,
        price: price(100, 500, 10, 125),
        listed: true,
        copilot: "claude-haiku-5.5",
        copilot_bill: "Claude Haiku 5.5",
        cursor: "claude-5.5-haiku",
        litellm: "anthropic/claude-haiku-5-5",
    },
    Model {
        id: "gemini-3.8-flash",
        provider: "gcp.gemini",
        tier: Tier::Light,
        price: price(750, 3_750, 75, 0),
        listed: true,
        copilot: "gemini-3.8-flash",
        copilot_bill: "Gemini 3.8 Flash",
        cursor: "gemini-3.8-flash",
        litellm: "gemini/gemini-3.8-flash",
    },
    Model {
        id: "composer-2.5",
        provider: "cursor",
        tier: Tier::Light,
        price: price(500, 2_500, 50, 0),
        listed: false,
        copilot: "",
        copilot_bill: "",
        cursor: "composer-2.5",
        litellm: "",
    },
    Model {
        id: "claude-sonnet-5-5",
        provider: "anthropic",
        tier: Tier::Standard,
        price: price(2_000, 10_000, 100, 2_500),
        listed: true,
        copilot: "claude-sonnet-5.5",
        copilot_bill: "Claude Sonnet 5.5",
        cursor: "claude-5.5-sonnet",
        litellm: "anthropic/claude-sonnet-5-5",
    },
    Model {
        id: "gpt-6.1-sol",
        provider: "openai",
        tier: Tier::Standard,
        price: price(2_000, 10_000, 100, 2_500),
        listed: true,
        copilot: "gpt-6.1-sol",
        copilot_bill: "GPT-6.1 Sol",
        cursor: "gpt-6.1-sol",
        litellm: "openai/gpt-6.1-sol",
    },
    Model {
        id: "gpt-5.3-codex",
        provider: "openai",
        tier: Tier::Standard,
        price: price(1_750, 14_000, 175, 0),
        listed: true,
        copilot: "gpt-5.3-codex",
        copilot_bill: "GPT-5.3 Codex",
        cursor: "gpt-5.3-codex",
        litellm: "openai/gpt-5.3-codex",
    },
    Model {
        id: "claude-opus-5-5",
        provider: "anthropic",
        tier: Tier::Frontier,
        price: price(4_000, 20_000, 200, 5_000),
        listed: true,
        copilot: "claude-opus-5.5",
        copilot_bill: "Claude Opus 5.5",
        cursor: "claude-5.5-opus",
        litellm: "anthropic/claude-opus-5-5",
    },
    Model {
        id: "gpt-6-astra",
        provider: "openai",
        tier: Tier::Frontier,
        price: price(10_000, 50_000, 1_000, 12_500),
        listed: true,
        copilot: "gpt-6-astra",
        copilot_bill: "GPT-6 Astra",
        cursor: "gpt-6-astra",
        litellm: "openai/gpt-6-astra",
    },
    Model {
        id: "gpt-7-preview",
        provider: "openai",
        tier: Tier::Unlisted,
        price: price(3_000, 15_000, 300, 0),
        listed: false,
        copilot: "gpt-7-preview",
        copilot_bill: "GPT-7 Preview",
        cursor: "gpt-7-preview",
        litellm: "openai/gpt-7-preview",
    },
    Model {
        id: "deepseek-v4",
        provider: "deepseek",
        tier: Tier::Unapproved,
        price: price(400, 1_600, 40, 0),
        listed: false,
        copilot: "",
        copilot_bill: "",
        cursor: "",
        litellm: "deepseek/deepseek-v4",
    },
];

/// A model by its id. The generator only asks for its own.
pub(crate) fn model(id: &str) -> &'static Model {
    MODELS.iter().find(|model| model.id == id).expect("a model of the sample")
}
