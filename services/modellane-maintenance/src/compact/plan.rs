//! Which files are merged. Pure.

use crate::MaintenanceConfig;
use modellane_event::{Date, UtcTime};
use modellane_lake::DataFile;
use std::collections::BTreeMap;

/// Files that are open at once: each costs a row group of memory.
const FAN_IN: usize = 64;
/// A file joins a merge if those before it, all smaller, weigh at least a fourth of it: so a large file is not
/// written again for each small one that comes late.
const WEIGHT: u64 = 4;

/// What is worth a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Dates from here on are left to the sink.
    pub(crate) closed_before: Date,
    /// Size of a merged file in bytes, about.
    pub(crate) target: u64,
    /// Fewest files.
    pub(crate) min_files: usize,
    /// Most bytes of all merges together.
    pub(crate) budget: u64,
}

impl Rules {
    pub(crate) fn of(config: &MaintenanceConfig, now: UtcTime) -> Self {
        let days = i32::try_from(config.compact_after_days).unwrap_or(i32::MAX);
        Self {
            closed_before: Date(now.date().0.saturating_sub(days).saturating_add(1)),
            target: config.compact_target_mib << 20,
            min_files: config.compact_min_files,
            budget: config.compact_round_mib << 20,
        }
    }

    /// A partition that is no date is written by maintenance alone.
    fn is_closed(&self, partition: Option<&str>) -> bool {
        match partition.map(Date::parse) {
            Some(Ok(date)) => date < self.closed_before,
            _ => true,
        }
    }
}

/// Groups of files, each of one partition, that are merged into one file each.
pub(crate) fn plan(files: Vec<DataFile>, rules: &Rules) -> Vec<Vec<DataFile>> {
    let mut partitions: BTreeMap<Option<String>, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        let small = file.size < rules.target / 2;
        if small && rules.is_closed(file.partition.as_deref()) {
            partitions.entry(file.partition.clone()).or_default().push(file);
        }
    }
    let mut groups = Vec::new();
    let mut budget = rules.budget;
    for mut files in partitions.into_values() {
        files.sort_by(|one, other| (one.size, &one.path).cmp(&(other.size, &other.path)));
        for group in grouped(files, rules) {
            let bytes: u64 = group.iter().map(|file| file.size).sum();
            if bytes > budget {
                return groups;
            }
            budget -= bytes;
            groups.push(group);
        }
    }
    groups
}

/// Files of one partition, smallest first, cut into groups.
fn grouped(files: Vec<DataFile>, rules: &Rules) -> Vec<Vec<DataFile>> {
    let mut groups = Vec::new();
    let (mut group, mut bytes) = (Vec::new(), 0);
    for file in files {
        let full = group.len() == FAN_IN || bytes + file.size > rules.target;
        let heavy = !group.is_empty() && file.size > bytes * WEIGHT;
        if full || heavy {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes += file.size;
        group.push(file);
    }
    groups.push(group);
    groups.retain(|group| group.len() >= rules.min_files);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn file(date: &str, number: usize, size: u64) -> DataFile {
        let path = format!("event_date={date}/part-{number:05}.zstd.parquet");
        DataFile { path, size, partition: Some(date.to_owned()), rows: Some(1) }
    }

    fn rules() -> Rules {
        let config = MaintenanceConfig::default();
        Rules::of(&config, UtcTime::parse("2026-11-10T00:10:00Z").unwrap())
    }

    fn sizes(groups: &[Vec<DataFile>]) -> Vec<usize> {
        groups.iter().map(Vec::len).collect()
    }

    #[test]
    fn dates_that_the_sink_writes_to_are_left_alone() {
        let on = |date: &str| (0..10).map(|number| file(date, number, 1_000)).collect::<Vec<_>>();
        for (date, merges) in [("2026-11-08", 1), ("2026-11-09", 0), ("2026-11-10", 0), ("2026-11-11", 0)] {
            assert_eq!(plan(on(date), &rules()).len(), merges, "{date}");
        }
    }

    #[test]
    fn a_group_holds_one_partition_and_at_most_the_target() {
        let mut files: Vec<_> = (0..100).map(|number| file("2026-11-01", number, 5 * MIB)).collect();
        files.extend((0..3).map(|number| file("2026-11-02", number, 5 * MIB)));
        files.push(file("2026-11-01", 100, 200 * MIB));
        let groups = plan(files, &rules());
        // 51 files of 5 MiB are 255 MiB; the large file is large enough, three files are too few.
        assert_eq!(sizes(&groups), [51, 49]);
        assert!(groups.iter().flatten().all(|file| file.size == 5 * MIB));
    }

    #[test]
    fn a_large_file_is_not_written_again_for_a_few_small_ones() {
        let mut files: Vec<_> = (0..5).map(|number| file("2026-11-01", number, 10_000)).collect();
        files.push(file("2026-11-01", 5, 100 * MIB));
        assert_eq!(sizes(&plan(files, &rules())), [5]);
    }

    #[test]
    fn many_files_are_merged_in_steps_and_within_the_budget() {
        let files: Vec<_> = (0..1_000).map(|number| file("2026-11-01", number, 10_000)).collect();
        let groups = plan(files.clone(), &rules());
        assert!(groups.iter().all(|group| group.len() <= FAN_IN));
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 1_000);
        let tight = Rules { budget: 64 * 10_000 * 2, ..rules() };
        assert_eq!(sizes(&plan(files, &tight)), [64, 64]);
    }
}
