//! One table of everything measured, with a verdict on each target.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How a row's numbers are read.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    /// Criterion's median, in nanoseconds.
    Time,
    /// The same, and beside it how fast 64 MiB went by.
    Rate,
    /// Bytes an active value.
    Bytes,
    /// A ratio.
    Times,
    /// Bytes of memory.
    Memory,
}

/// What is measured; `id` is criterion's group.
pub struct Row {
    pub id: &'static str,
    title: &'static str,
    unit: Unit,
    /// Nanoseconds, bytes or a ratio that must not be exceeded; of a rate, the share of memcpy's that must be reached.
    limit: Option<f64>,
}

const fn row(id: &'static str, title: &'static str, unit: Unit, limit: Option<f64>) -> Row {
    Row { id, title, unit, limit }
}

/// Who is judged by the targets.
pub const OURS: &str = "hyprstream";

pub const ROWS: [Row; 20] = [
    row("memcpy", "memcpy of 64 MiB", Unit::Rate, None),
    row("fdatasync", "write of 4 KiB and fdatasync", Unit::Time, None),
    row(
        "update_1000_visible",
        "1,000 scattered updates, visible (no product path yet)",
        Unit::Time,
        Some(0.5e6),
    ),
    row(
        "update_84000_visible",
        "84,000 scattered updates, visible (no product path yet)",
        Unit::Time,
        Some(3e6),
    ),
    row(
        "update_1000_durable",
        "1,000 scattered updates, durable (no product path yet)",
        Unit::Time,
        Some(2e6),
    ),
    row(
        "update_84000_durable",
        "84,000 scattered updates, durable (no product path yet)",
        Unit::Time,
        Some(5e6),
    ),
    row("snapshot", "snapshot", Unit::Time, Some(1e6)),
    row("branch", "branch of an adapter", Unit::Time, Some(1e6)),
    row("restore", "restore of a version", Unit::Time, Some(1e6)),
    row("random_hit", "random hit in a sparse leaf", Unit::Time, Some(50.0)),
    row("scan_64x64", "decode of 64 MiB, 4096 × 4096", Unit::Rate, Some(0.7)),
    row("scan_rows", "decode of 64 MiB, 16 columns", Unit::Rate, Some(0.7)),
    row("bytes_f32", "bytes an active value at 1 %, f32", Unit::Bytes, Some(6.5)),
    row("bytes_f16", "the same, f16", Unit::Bytes, Some(4.5)),
    row("bytes_f32_cold", "the same, f32, compressed", Unit::Bytes, Some(5.3)),
    row("bytes_f16_cold", "the same, f16, compressed", Unit::Bytes, None),
    row("open_1000", "opening a store of 1,000 adapters", Unit::Time, Some(10e6)),
    row("open_10_memory", "memory while a store of 10 adapters is open", Unit::Memory, None),
    row("open_1000_memory", "memory while a store of 1,000 adapters is open", Unit::Memory, None),
    row("checkpoints", "100 checkpoints, 1 % changed each, over the size of one", Unit::Times, Some(3.0)),
];

/// Numbers that criterion does not measure, and where it left the others.
pub struct Table {
    criterion: PathBuf,
    numbers: HashMap<(&'static str, &'static str), f64>,
}

impl Table {
    pub fn new(criterion: &Path) -> Self {
        Self { criterion: criterion.to_owned(), numbers: HashMap::new() }
    }

    pub fn set(&mut self, row: &'static str, contender: &'static str, number: f64) {
        self.numbers.insert((row, contender), number);
    }

    fn number(&self, row: &Row, contender: &'static str) -> Option<f64> {
        match row.unit {
            Unit::Time | Unit::Rate => self.median(row.id, contender),
            Unit::Bytes | Unit::Times | Unit::Memory => self.numbers.get(&(row.id, contender)).copied(),
        }
    }

    /// The median that criterion wrote down, in nanoseconds.
    fn median(&self, group: &str, contender: &str) -> Option<f64> {
        let path = self.criterion.join(group).join(contender).join("new/estimates.json");
        let json = std::fs::read_to_string(path).ok()?;
        let (_, median) = json.split_once("\"median\":")?;
        let (_, number) = median.split_once("\"point_estimate\":")?;
        number.split([',', '}']).next()?.trim().parse().ok()
    }

    /// The fastest of criterion's samples, in nanoseconds: what a machine that others use too comes closest to.
    fn fastest(&self, group: &str, contender: &str) -> Option<f64> {
        let path = self.criterion.join(group).join(contender).join("new/sample.json");
        let json = std::fs::read_to_string(path).ok()?;
        let (counts, times) = (array(&json, "iters")?, array(&json, "times")?);
        let each = times.iter().zip(counts).map(|(time, count)| time / count);
        each.min_by(f64::total_cmp)
    }

    fn cell(&self, row: &Row, contender: &'static str) -> String {
        let Some(number) = self.number(row, contender) else {
            return "–".to_owned();
        };
        match self.fastest(row.id, contender) {
            Some(fastest) => format!("{} ({})", show(row.unit, number), show(row.unit, fastest)),
            None => show(row.unit, number),
        }
    }

    /// The table, in Markdown: medians, and in brackets the fastest samples.
    pub fn render(&self, contenders: &[&'static str]) -> String {
        let mut text = String::from("| |");
        for contender in contenders {
            let _ = write!(text, " {contender} |");
        }
        text.push_str(" target | |\n|---|");
        text.push_str(&"---|".repeat(contenders.len() + 2));
        text.push('\n');
        let memcpy = self.median("memcpy", OURS);
        for row in &ROWS {
            let _ = write!(text, "| {} |", row.title);
            for contender in contenders {
                let _ = write!(text, " {} |", self.cell(row, contender));
            }
            let (target, verdict) = judge(row, self.number(row, OURS), memcpy);
            let _ = writeln!(text, " {target} | {verdict} |");
        }
        text
    }
}

/// The numbers of an array in a flat JSON object.
fn array(json: &str, name: &str) -> Option<Vec<f64>> {
    let (_, rest) = json.split_once(&format!("\"{name}\":["))?;
    let (numbers, _) = rest.split_once(']')?;
    numbers.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn judge(row: &Row, number: Option<f64>, memcpy: Option<f64>) -> (String, &'static str) {
    let (Some(limit), Some(number)) = (row.limit, number) else {
        return (String::new(), "");
    };
    if row.unit == Unit::Rate {
        let share = memcpy.unwrap_or(f64::NAN) / number;
        return (format!("≥ {limit} of memcpy, is {share:.2}"), verdict(share >= limit));
    }
    (format!("≤ {}", show(row.unit, limit)), verdict(number <= limit))
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn show(unit: Unit, number: f64) -> String {
    match unit {
        Unit::Bytes => format!("{number:.2}"),
        Unit::Times => format!("{number:.2} ×"),
        Unit::Memory => format!("{:.0} kB", number / 1024.0),
        Unit::Rate => format!("{:.1} GB/s", f64::from(64 << 20) / number),
        Unit::Time if number < 1e3 => format!("{number:.0} ns"),
        Unit::Time if number < 1e5 => format!("{:.1} µs", number / 1e3),
        Unit::Time => format!("{:.2} ms", number / 1e6),
    }
}
