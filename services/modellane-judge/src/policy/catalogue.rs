//! `catalogue.csv`: which model and which tool is what.

use super::facts::Fact;
use crate::Period;
use crate::problem::Problems;
use crate::reader::{check_order, parse_time};
use globset::{GlobBuilder, GlobMatcher};
use modellane_event::{Label, UtcTime};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

const COLUMNS: [&str; 8] =
    ["pattern", "model_class", "vendor", "vendor_status", "tool_tier", "reference", "from", "to"];
const TOOL: &str = "tool:";
/// Most model names whose rows are remembered. An organisation uses some dozens; the limit bounds the
/// memory if a feed invents names.
const REMEMBERED: usize = 4_096;

/// Models and tools, looked up by name and time.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// The most specific pattern first.
    models: Vec<Row>,
    tools: HashMap<Label, Vec<Row>>,
    /// Order of the values of `vendor_status`, the least wanted last.
    statuses: Vec<Label>,
    /// Positions in `models` of the rows whose pattern a name matches.
    matching: RwLock<HashMap<Label, Arc<[usize]>>>,
}

#[derive(Debug)]
struct Row {
    pattern: Label,
    matcher: Option<GlobMatcher>,
    model_class: Option<Label>,
    vendor_status: Option<Label>,
    tool_tier: Option<Label>,
    reference: bool,
    period: Period,
    line: u64,
}

/// What the catalogue says of one use; null where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing<'a> {
    /// A stated model that no row matches is listed nowhere.
    pub(crate) model_listed: bool,
    pub(crate) model_class: Option<&'a Label>,
    pub(crate) vendor_status: Option<&'a Label>,
    pub(crate) tool_tier: Option<&'a Label>,
}

impl Catalogue {
    pub(crate) fn read(text: &str, facts: &[Fact], problems: &mut Problems) -> Self {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let mut catalogue = Self { statuses: values(facts, "vendor_status"), ..Self::default() };
        let Ok(headers) = reader.headers().cloned() else { return catalogue };
        if text.trim().is_empty() {
            return catalogue;
        }
        for (column, header) in headers.iter().enumerate() {
            if !COLUMNS.contains(&header) {
                let what = format!("an unknown column; known are {}", COLUMNS.join(","));
                problems.add(format!("line 1, column {}", column + 1), what);
            }
        }
        if !headers.iter().any(|header| header == "pattern") {
            problems.add("line 1", "has no column `pattern`");
            return catalogue;
        }
        for record in reader.records() {
            match record {
                Ok(record) => catalogue.add(&headers, &record, facts, problems),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    problems.add(format!("line {line}"), "not readable as CSV");
                }
            }
        }
        // The pattern that spells out most of the name wins, whatever the order of the lines.
        catalogue.models.sort_by_key(|row| (std::cmp::Reverse(literal_chars(&row.pattern)), row.line));
        catalogue.check_references(problems);
        catalogue
    }

    fn add(
        &mut self,
        headers: &csv::StringRecord,
        record: &csv::StringRecord,
        facts: &[Fact],
        problems: &mut Problems,
    ) {
        let line = record.position().map_or(0, csv::Position::line);
        let place = |column: &str| format!("line {line}, {column}");
        if record.len() > headers.len() {
            problems.add(format!("line {line}"), "has more cells than the first line has columns");
            return;
        }
        let cell = |column: &str| {
            let position = headers.iter().position(|header| header == column)?;
            record.get(position).filter(|text| !text.is_empty())
        };
        let mut fact = |column: &str| {
            let value = Label::new(cell(column)?).ok();
            let allowed = facts.iter().find(|fact| fact.name.as_str() == column);
            let fits = |value: &Label| allowed.is_none_or(|fact| fact.position(value.as_str()).is_some());
            let fitting = value.filter(fits);
            if fitting.is_none() {
                problems.add(place(column), "is no value that bundle.yaml lists for this fact");
            }
            fitting
        };
        let (model_class, vendor_status, tool_tier) =
            (fact("model_class"), fact("vendor_status"), fact("tool_tier"));
        let reference = match cell("reference").map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "no" | "0") => false,
            Some("true" | "yes" | "1" | "x") => true,
            Some(_) => {
                problems.add(place("reference"), "must be true, false or empty");
                false
            }
        };
        let mut time = |column: &str| {
            let parsed = parse_time(cell(column)?);
            if parsed.is_none() {
                problems.add(place(column), "must be a day, such as 2026-01-31");
            }
            parsed
        };
        let period = Period { from: time("from"), to: time("to") };
        check_order(&period, &format!("line {line}"), problems);
        let Some(pattern) = cell("pattern") else {
            problems.add(place("pattern"), "is empty");
            return;
        };
        let row = |pattern: Label, matcher| Row {
            pattern,
            matcher,
            model_class,
            vendor_status,
            tool_tier,
            reference,
            period,
            line,
        };
        match pattern.strip_prefix(TOOL).map(Label::new) {
            Some(Ok(tool)) => self.tools.entry(tool.clone()).or_default().push(row(tool, None)),
            Some(Err(_)) => problems.add(place("pattern"), "needs a short name after `tool:`"),
            None => match model_pattern(pattern) {
                Some((label, matcher)) => self.models.push(row(label, Some(matcher))),
                None => problems.add(place("pattern"), "is no model name with * or ? in it"),
            },
        }
    }

    fn check_references(&self, problems: &mut Problems) {
        let references: Vec<&Row> = self.models.iter().filter(|row| row.reference).collect();
        for (i, row) in references.iter().enumerate() {
            let rival =
                |other: &&&Row| other.model_class == row.model_class && other.period.overlaps(&row.period);
            if let Some(other) = references[..i].iter().find(rival) {
                let (first, second) = (row.line.min(other.line), row.line.max(other.line));
                problems.add(
                    format!("line {second}, reference"),
                    format!("line {first} is the reference of the same class at the same time; keep one"),
                );
            }
        }
    }

    /// What is listed of a model and a tool at a moment.
    ///
    /// The class comes from the model's row, for a hidden model from the tool's. The tier comes from the
    /// tool's row, else the model's. Where both state a vendor's status, the one that stands later in the
    /// bundle's order counts: an approved model in a tool that is not approved is not approved use.
    pub(crate) fn look_up(&self, model: Option<&Label>, tool: Option<&Label>, at: UtcTime) -> Listing<'_> {
        let mut by_model = Listing::default();
        if let Some(model) = model {
            for row in self.rows_of(model).iter().map(|row| &self.models[*row]) {
                if row.period.contains(at) {
                    by_model.model_listed = true;
                    by_model.fill(row);
                }
            }
        }
        let mut by_tool = Listing::default();
        let rows = tool.and_then(|tool| self.tools.get(tool)).map_or(&[][..], Vec::as_slice);
        rows.iter().filter(|row| row.period.contains(at)).for_each(|row| by_tool.fill(row));
        let class_of_tool = if model.is_none() || by_model.model_listed { by_tool.model_class } else { None };
        let rank = |status: &&Label| self.statuses.iter().position(|known| known == *status);
        Listing {
            model_listed: by_model.model_listed,
            model_class: by_model.model_class.or(class_of_tool),
            vendor_status: by_model.vendor_status.into_iter().chain(by_tool.vendor_status).max_by_key(rank),
            tool_tier: by_tool.tool_tier.or(by_model.tool_tier),
        }
    }

    /// Rows whose pattern matches a name, the most specific first, whenever they hold.
    fn rows_of(&self, model: &Label) -> Arc<[usize]> {
        if let Some(rows) = self.matching.read().unwrap_or_else(PoisonError::into_inner).get(model) {
            return Arc::clone(rows);
        }
        let fits = |row: &Row| row.matcher.as_ref().is_some_and(|matcher| matcher.is_match(model.as_str()));
        let rows = self.models.iter().enumerate().filter(|(_, row)| fits(row)).map(|(position, _)| position);
        let rows: Arc<[usize]> = rows.collect();
        let mut matching = self.matching.write().unwrap_or_else(PoisonError::into_inner);
        if matching.len() < REMEMBERED {
            matching.insert(model.clone(), Arc::clone(&rows));
        }
        rows
    }

    /// The reference model of a class at a moment. A glob names no model that could be priced.
    pub(crate) fn reference(&self, class: &str, at: UtcTime) -> Option<&Label> {
        let fits = |row: &&Row| {
            row.reference
                && row.period.contains(at)
                && row.model_class.as_ref().is_some_and(|c| c.as_str() == class)
                && literal_chars(&row.pattern) == row.pattern.as_str().len()
        };
        self.models.iter().find(fits).map(|row| &row.pattern)
    }
}

impl<'a> Listing<'a> {
    /// Cells that an earlier row has filled stay.
    fn fill(&mut self, row: &'a Row) {
        self.model_class = self.model_class.or(row.model_class.as_ref());
        self.vendor_status = self.vendor_status.or(row.vendor_status.as_ref());
        self.tool_tier = self.tool_tier.or(row.tool_tier.as_ref());
    }
}

fn values(facts: &[Fact], name: &str) -> Vec<Label> {
    facts.iter().find(|fact| fact.name.as_str() == name).map(|fact| fact.values.clone()).unwrap_or_default()
}

/// A pattern, kept as text for the order of specificity and for references.
fn model_pattern(pattern: &str) -> Option<(Label, GlobMatcher)> {
    // `*` and `?` are no characters of a label, so the label holds their place with `#`, which no model has.
    let label = Label::new(&pattern.replace(['*', '?'], "#")).ok()?;
    let matcher = GlobBuilder::new(pattern).case_insensitive(true).build().ok()?.compile_matcher();
    Some((label, matcher))
}

fn literal_chars(pattern: &Label) -> usize {
    pattern.as_str().bytes().filter(|b| *b != b'#').count()
}
