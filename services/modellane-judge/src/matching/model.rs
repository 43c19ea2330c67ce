//! The weights of the evidence, versioned by their content.

use super::calibration::Calibration;
use super::evidence::{Comparison, KeyLevel, Level, PerLevel};
use super::fit::MatchCounts;
use modellane_event::{Label, Share, WorkspaceKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Weights of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceModel {
    /// Bits of each level, in thousandths.
    pub bits: PerLevel<i32>,
    /// Probability that a use with candidates belongs to none of them.
    pub null_prior: Share,
    /// Keyed uses that the bits were counted on; 0 for those of the prior file.
    pub keyed_rows: u64,
    /// What the reviewed sample says; null without one that is large enough.
    pub calibration: Option<Calibration>,
}

impl SourceModel {
    /// Weights to begin with, before a source has evidence of its own: what a trial of 186,000 sessions with
    /// known truth gave, and the weaker number where that distinguished more levels.
    pub const PRIOR: Self = Self {
        bits: PerLevel([
            7_600, -5_700, 1_500, -4_600, 1_800, 1_000, 0, -2_800, -2_800, 1_200, -2_000, -8_400,
        ]),
        null_prior: match Share::new(350_000) {
            Ok(share) => share,
            Err(_) => Share::ZERO,
        },
        keyed_rows: 0,
        calibration: None,
    };

    /// Keyed uses from which a source has weights of its own.
    pub const LEAST_KEYED: u64 = 500;

    /// Whether links of this source may be labelled better than medium: weights of its own, checked against
    /// a reviewed sample.
    pub fn is_calibrated(&self) -> bool {
        let is_enough = |calibration: Calibration| calibration.reviewed >= Calibration::LEAST_REVIEWED;
        self.keyed_rows >= Self::LEAST_KEYED && self.calibration.is_some_and(is_enough)
    }
}

/// Everything that scoring reads: the context object `weights`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchModel {
    pub(super) format: u32,
    /// Sources with weights of their own; all others have [`SourceModel::PRIOR`].
    pub sources: BTreeMap<Label, SourceModel>,
    /// Bits, in thousandths, by which an equal repository says more than equal repositories do on average:
    /// positive for one that few intents declare, negative for one that nearly all do.
    pub repositories: BTreeMap<WorkspaceKey, i32>,
}

/// Greatest number of thousandths of a bit that any weight may have.
pub(super) const MOST_BITS: i32 = 40_000;

impl MatchModel {
    /// Version of the layout that this program writes and reads.
    pub const FORMAT: u32 = 1;

    /// The prior file: no source has evidence of its own.
    pub fn prior() -> Self {
        Self { format: Self::FORMAT, sources: BTreeMap::new(), repositories: BTreeMap::new() }
    }

    /// Counts the weights of every source that has enough keyed uses. Null priors and calibration are still
    /// to be found: [`super::null_prior`] and [`Self::calibrate`] need scores.
    pub fn from_counts(counts: &MatchCounts) -> Self {
        let own = counts.sources.iter().filter(|(_, counts)| counts.keyed_rows >= SourceModel::LEAST_KEYED);
        let weigh = |(source, counts): (&Label, &super::LevelCounts)| {
            let own =
                SourceModel { bits: counts.bits(), keyed_rows: counts.keyed_rows, ..SourceModel::PRIOR };
            (source.clone(), own)
        };
        Self { sources: own.map(weigh).collect(), repositories: counts.term_bits(), ..Self::prior() }
    }

    /// The weights of a source.
    pub fn source(&self, source: &Label) -> &SourceModel {
        self.sources.get(source).unwrap_or(&SourceModel::PRIOR)
    }

    /// Bits by which equality in this repository differs from equality on average.
    pub fn term_bits(&self, workspace: Option<WorkspaceKey>) -> i32 {
        workspace.and_then(|workspace| self.repositories.get(&workspace)).copied().unwrap_or(0)
    }

    /// Name of this version: the hash of its content, the same wherever it is computed.
    pub fn id(&self) -> Label {
        let hash = self.encode().map(|bytes| blake3::hash(&bytes).to_hex());
        let named = hash.ok().and_then(|hash| Label::new(&format!("match-{}", &hash[..16])).ok());
        named.unwrap_or_else(|| Label::literal("match-unnamed"))
    }
}

/// Thousandths of a bit of a ratio.
pub(super) fn millibits(ratio: f64) -> i32 {
    let limit = f64::from(MOST_BITS);
    (1_000.0 * libm::log2(ratio)).clamp(-limit, limit).round() as i32
}

/// The ratio of so many thousandths of a bit.
pub(super) fn ratio(millibits: i32) -> f64 {
    // What is left of a whole bit is looked up; a whole bit is the exponent of the number.
    let bounded = millibits.clamp(-1_000_000, 1_000_000);
    let exponent = (1_023 + i64::from(bounded.div_euclid(1_000))) as u64;
    PART_OF_A_BIT[bounded.rem_euclid(1_000) as usize] * f64::from_bits(exponent << 52)
}

/// 2^(n/1000), by `libm`, which gives the same digits on every machine.
static PART_OF_A_BIT: LazyLock<[f64; 1_000]> =
    LazyLock::new(|| std::array::from_fn(|part| libm::exp2(part as f64 / 1_000.0)));

/// Bits, in thousandths, of an equal session key: fixed, because keyed uses are what all else is counted on.
pub(super) const KEY_EQUAL: i32 = 14_000;
/// The same for session keys that differ: one session in sixteen gets a new id while the work goes on.
pub(super) const KEY_DIFFERS: i32 = -4_000;

/// Bits of one candidate against none of them, in thousandths, by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Before any comparison.
    pub prior: i32,
    /// Session keys.
    pub key: i32,
    /// Work item.
    pub work: i32,
    /// Time.
    pub time: i32,
}

impl Evidence {
    /// All of them: log2 P(j)/P(none) before calibration.
    pub fn total(&self) -> i32 {
        self.prior + self.key + self.work + self.time
    }
}

impl SourceModel {
    /// Weighs a comparison; `term` is the repository's [`MatchModel::term_bits`].
    pub(super) fn weigh(&self, prior: i32, term: i32, comparison: &Comparison) -> Evidence {
        let term = if comparison.work == Some(Level::RepoEqual) { term } else { 0 };
        Evidence {
            prior,
            key: match comparison.key {
                KeyLevel::Missing => 0,
                KeyLevel::Equal => KEY_EQUAL,
                KeyLevel::Differs => KEY_DIFFERS,
            },
            work: comparison.work.map_or(0, |level| self.bits[level] + term),
            time: self.bits[comparison.time],
        }
    }
}
