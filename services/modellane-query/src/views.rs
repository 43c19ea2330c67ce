//! The views, embedded from `schemas/views/`.

/// One view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Name in SQL, and of the file.
    pub name: &'static str,
    /// Text of the file: a header that documents every column, then one query.
    pub sql: &'static str,
    /// Shown as a table: rows as they are stored.
    pub stored: bool,
}

macro_rules! view {
    ($name:literal, $stored:literal) => {
        View {
            name: $name,
            sql: include_str!(concat!("../../../schemas/views/", $name, ".sql")),
            stored: $stored,
        }
    };
}

/// Every view, each after those it reads.
pub(crate) const VIEWS: [View; 15] = [
    view!("usage_ledger", true),
    view!("rejects", true),
    view!("intents", true),
    view!("teams", false),
    view!("fetches", false),
    view!("usage", false),
    view!("spend", false),
    view!("spend_daily", false),
    view!("adherence", false),
    view!("adherence_by_rule", false),
    view!("unmatched", false),
    view!("unmatched_detail", false),
    view!("model_mix", false),
    view!("restatements", false),
    view!("freshness", false),
];

/// The view of that name.
pub(crate) fn view(name: &str) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_says_what_it_is() {
        for view in VIEWS {
            let first = view.sql.lines().next().unwrap_or_default();
            assert!(first.starts_with(&format!("-- {}:", view.name)), "{first}");
        }
    }
}
