//! What the author of guidance may not have meant, although it compiles.

use super::Bundle;
use modellane_event::{Label, UtcTime};
use std::fmt;

/// Something that is allowed and is seldom meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// No possible combination of facts is decided by this rule.
    NeverDecides {
        /// Its `@id`.
        rule: Label,
    },
    /// No evidence says what value this fact has, so it is unknown of every use.
    NotSupplied {
        /// Its name.
        fact: Label,
    },
    /// No bundle is in force for a time between others.
    Hole {
        /// When the bundle before ends.
        from: UtcTime,
        /// When the next one begins.
        to: UtcTime,
    },
    /// Two bundles are in force at once; the one that took effect last decides.
    Overlap {
        /// Version of the one that gives way.
        before: Label,
        /// Version of the one that decides.
        after: Label,
        /// When the second begins.
        from: UtcTime,
        /// When the first ends; null if it does not.
        to: Option<UtcTime>,
    },
    /// Two bundles have one id and version, so the one that is published last replaces the other.
    SameVersion {
        /// Their version.
        version: Label,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverDecides { rule } => write!(
                f,
                "rule {rule} decides no combination of facts: another rule always overrides it, or its conditions \
                 exclude each other"
            ),
            Self::NotSupplied { fact } => write!(
                f,
                "nothing supplies the fact {fact}, so it is unknown of every use; leave it out, or the verdicts \
                 that need it stay unknown"
            ),
            Self::Hole { from, to } => write!(
                f,
                "no bundle is in force from {from} to {to}; uses of that time are unmatched (NO_GUIDANCE)"
            ),
            Self::Overlap { before, after, from, to } => {
                write!(f, "{before} and {after} are both in force from {from} ")?;
                match to {
                    Some(to) => write!(f, "to {to}")?,
                    None => write!(f, "on")?,
                }
                write!(f, "; {after} decides. End {before} there")
            }
            Self::SameVersion { version } => {
                write!(
                    f,
                    "two bundles have the id and version {version}; the one published last replaces the other"
                )
            }
        }
    }
}

/// Holes and overlaps in the time for which bundles are in force.
pub fn remarks_on_dates(bundles: &[Bundle]) -> Vec<Remark> {
    let mut ordered: Vec<&Bundle> = bundles.iter().collect();
    ordered.sort_by_key(|bundle| bundle.effective().from);
    let mut remarks: Vec<Remark> = ordered
        .iter()
        .enumerate()
        .filter(|(place, bundle)| ordered[..*place].iter().any(|other| is_replaced(other, bundle)))
        .map(|(_, bundle)| Remark::SameVersion { version: bundle.version().clone() })
        .collect();
    // The one of those before that ends last.
    let mut before: Option<&Bundle> = None;
    for after in ordered {
        let (Some(known), Some(from)) = (before.replace(after), after.effective().from) else { continue };
        match known.effective().to {
            Some(to) if to < from => remarks.push(Remark::Hole { from: to, to: from }),
            Some(to) if to == from => {}
            to => remarks.push(Remark::Overlap {
                before: known.version().clone(),
                after: after.version().clone(),
                from,
                to: [to, after.effective().to].into_iter().flatten().min(),
            }),
        }
        before = [known, after].into_iter().max_by_key(|bundle| end(bundle));
    }
    remarks
}

fn is_replaced(one: &Bundle, other: &Bundle) -> bool {
    one.id() == other.id() && one.version() == other.version()
}

/// Ordered as times are; a bundle that does not end ends after all others.
fn end(bundle: &Bundle) -> (bool, Option<UtcTime>) {
    let to = bundle.effective().to;
    (to.is_none(), to)
}
