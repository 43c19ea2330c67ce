//! The sample organisation of `deploy/demo`, written from a seed.
//!
//! A model of the world comes first ([`world`]): people work in stints and make requests. Each vendor file is
//! a view of it, with the vendor's own restatements, repetitions and oddities. Beside them the generator
//! keeps, by feed, what is true ([`truth`]), so that a test can compare the product's totals with figures
//! that no part of the product has touched.

mod behaviour;
mod calendar;
mod claude_code;
mod copilot;
mod copilot_billing;
mod copilot_user_day;
mod cursor;
mod dice;
mod files;
mod gen_ai;
mod intents;
mod litellm;
mod litellm_rows;
mod models;
mod number;
mod organisation;
mod otlp;
mod people;
#[cfg(test)]
mod tests;
mod truth;
mod world;

pub use files::Files;
pub use litellm_rows::{RowTotals, litellm_rows};

use truth::{Organisation, Truth};
use world::World;

/// Seed of the folder in the repository.
pub const DEFAULT_SEED: u64 = 20_261_012;

/// The folder and what is true of it.
pub struct SampleOrg {
    /// Files of the organisation folder.
    pub files: Files,
    /// Totals by feed, a JSON document that explains its own fields.
    pub totals: String,
}

impl SampleOrg {
    /// The same seed gives the same bytes, on any machine.
    pub fn generate(seed: u64) -> Self {
        let world = World::new(seed);
        let mut files = Files::default();
        let mut truth = Truth::default();
        let policy_bundles = organisation::export(&mut files);
        let intents = intents::export(&world, seed, &mut files);
        copilot_user_day::export(&world, &mut files, &mut truth);
        copilot_billing::export(&world, seed, &mut files, &mut truth);
        cursor::export(&world, seed, &mut files, &mut truth);
        claude_code::export(&world, seed, &mut files, &mut truth);
        gen_ai::export(&world, seed, &mut files, &mut truth);
        litellm::export(&world, seed, &mut files, &mut truth);
        let totals = truth.document(&Organisation {
            seed,
            people: people::PEOPLE.len(),
            service_accounts: organisation::SERVICE_ACCOUNTS,
            teams: people::TEAMS.len() + 1,
            workspaces: people::WORKSPACES.len(),
            intents,
            policy_bundles,
        });
        Self { files, totals }
    }
}
