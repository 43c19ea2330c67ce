//! Confidence against known truth: simulated organisations, weights counted and calibrated on their first
//! three weeks, everything measured on the two weeks after.
//!
//! `cargo run -p modellane-judge --example confidence -- --seeds 20`
//!
//! `--reviewed N` sets the reviewed uses per source, `--noise F` multiplies all noise, `--weights` prints the
//! weights of the first seed.

mod dice;
mod measures;
mod trial;
mod world;

use measures::{mean, spread};
use modellane_judge::matching::MatchModel;
use std::collections::BTreeMap;
use trial::Measures;
use world::Noise;

/// What a measure has to reach: its least and greatest value.
const TARGETS: &[(&str, f64, f64)] = &[
    ("attribution Brier", 0.0, 0.130),
    ("  below pair by pair", 0.15, 1.0),
    ("attribution ECE", 0.0, 0.015),
    ("attribution AUC", 0.89, 1.0),
    ("attribution high: precision", 0.99, 1.0),
    ("verdict ECE", 0.0, 0.010),
    ("verdict high: precision", 0.997, 1.0),
    ("verdict high: share", 0.70, 1.0),
    ("true rate in bounds, rows", 0.99, 1.0),
    ("true rate in bounds, cost", 0.99, 1.0),
    ("true rate in 90 % interval, rows", 0.88, 0.94),
    ("true rate in 90 % interval, cost", 0.88, 0.94),
];

/// The guidance that the simulated organisations live by.
pub(crate) const GUIDANCE: [(&str, &str); 4] = [
    (
        "bundle.yaml",
        r#"
id: simulated
version: "1"
effective: { from: 2026-01-01 }
owners: [nobody]
facts:
  resource:
    model_class: [standard, frontier, unlisted]
    vendor_status: [approved, unapproved]
  context:
    repo_sensitivity: [public, internal, restricted]
    work_class: [routine, review, architecture, incident, research]
"#,
    ),
    (
        "catalogue.csv",
        "pattern,model_class,vendor,vendor_status,tool_tier,reference,from,to
claude-sonnet-5-5,standard,anthropic,approved,,true,,
claude-opus-5-5,frontier,anthropic,approved,,true,,
deepseek-v4,standard,deepseek,unapproved,,,,
",
    ),
    (
        "rules.cedar",
        r#"
@id("everyday") @severity("low") @owner("x") @title("Standard models fit all work") @rationale("Good enough.")
permit (principal, action == ModelLane::Action::"use_model", resource)
when { resource.model_class == "standard" && resource.vendor_status == "approved" };
@id("hard-work") @severity("low") @owner("x") @title("Frontier models fit hard work") @rationale("It pays.")
permit (principal, action == ModelLane::Action::"use_model", resource)
when { resource.model_class == "frontier" && resource.vendor_status == "approved" &&
  ["architecture", "incident", "research"].contains(context.work_class) };
@id("easy-work") @severity("low") @owner("x") @title("Frontier models are not for easy work") @rationale("Price.") @remedy("Choose another.")
forbid (principal, action == ModelLane::Action::"use_model", resource)
when { resource.model_class == "frontier" && ["routine", "review"].contains(context.work_class) };
@id("public-code") @severity("low") @owner("x") @title("Anybody may see public code") @rationale("It is public.")
permit (principal, action == ModelLane::Action::"use_model", resource)
when { resource.model_class == "standard" && resource.vendor_status == "unapproved" &&
  context.repo_sensitivity == "public" };
@id("closed-code") @severity("high") @owner("x") @title("Closed code is for approved vendors") @rationale("No contract.") @remedy("Choose another.")
forbid (principal, action == ModelLane::Action::"use_model", resource)
when { resource.vendor_status == "unapproved" && context.repo_sensitivity != "public" };
"#,
    ),
    (
        "tests.yaml",
        "tests:
  - { name: standard, facts: { model_class: standard, vendor_status: approved }, expect: { verdict: followed } }
  - { name: hard, facts: { model_class: frontier, vendor_status: approved, work_class: incident }, expect: { verdict: followed } }
  - { name: easy, facts: { model_class: frontier, vendor_status: approved, work_class: routine }, expect: { verdict: drifted } }
  - { name: open, facts: { model_class: frontier, vendor_status: approved }, expect: { verdict: unknown, missing: [work_class] } }
  - { name: public, facts: { model_class: standard, vendor_status: unapproved, repo_sensitivity: public }, expect: { verdict: followed } }
  - { name: closed, facts: { vendor_status: unapproved, repo_sensitivity: internal }, expect: { verdict: drifted } }
",
    ),
];

struct Options {
    seeds: u64,
    reviewed: usize,
    noise: f64,
    weights: bool,
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options { seeds: 5, reviewed: 1_000, noise: 1.0, weights: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| anyhow::anyhow!("{arg} needs a value"));
        match arg.as_str() {
            "--seeds" => options.seeds = value()?.parse()?,
            "--reviewed" => options.reviewed = value()?.parse()?,
            "--noise" => options.noise = value()?.parse()?,
            "--weights" => options.weights = true,
            _ => anyhow::bail!("options are --seeds N, --reviewed N, --noise F and --weights"),
        }
    }
    Ok(options)
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    let noise = Noise::default().scaled(options.noise);
    let guidance: BTreeMap<String, Vec<u8>> =
        GUIDANCE.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let mut trials: Vec<Measures> = Vec::new();
    for seed in 0..options.seeds {
        let (measures, model) = trial::trial(seed, noise, options.reviewed, &guidance)?;
        eprintln!("seed {seed}: {} {:.4}", measures[0].0, measures[0].1);
        if options.weights && seed == 0 {
            print_weights(&model);
        }
        trials.push(measures);
    }
    println!(
        "{} seeds, {} reviewed uses a source, noise x {}",
        options.seeds, options.reviewed, options.noise
    );
    println!("{:<36}{:>12}{:>10}   {:<10}", "measure", "mean", "sd", "target");
    for (place, (name, _)) in trials[0].iter().enumerate() {
        let values: Vec<f64> = trials.iter().map(|measures| measures[place].1).collect();
        let average = mean(values.iter().copied());
        let target = match TARGETS.iter().find(|(of, ..)| of == name) {
            Some((_, least, most)) => {
                let reached = if (*least..=*most).contains(&average) { "reached" } else { "MISSED" };
                format!("{least:>6} to {most:<6} {reached}")
            }
            None => String::new(),
        };
        println!("{name:<36}{average:>12.4}{:>10.4}   {target}", spread(&values));
    }
    Ok(())
}

fn print_weights(model: &MatchModel) {
    for (source, weights) in &model.sources {
        println!("{source}: {weights:?}");
    }
}
