//! Prints the figures of the workspace, crate by crate.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hyprstream_architecture::error::Result;
use hyprstream_architecture::figures::{Figures, product};
use hyprstream_architecture::tree::Tree;

const HELP: &str = "\
Prints the figures of the workspace, a row a crate.

  scripts/figures               of this checkout
  scripts/figures --root DIR    of another one

lines      source: what the crate is compiled from, blank lines and comments included, except
           what is compiled for tests alone; tests: that, wherever it stands, and fuzz targets
files      that the crate is compiled from
functions  outside tests; lines from `fn` to the closing brace
folders    Rust files directly in a folder, tests and benches included
circles    sets of files that import each other in a circle
arrows     pairs of files of which one names something that the other defines; `pub use` is
           followed, and method calls are not seen
back up    arrows that run against the order of the rooms of a folder (its files and subfolders).
           In each circle of rooms, one that points to no other goes to the bottom, one that none
           points to goes to the top, and else the one that points most more than it is pointed to
           goes to the top: few arrows are left, not always the fewest
public     names that other crates can import from the library
unused     dependencies that no source of the crate names

The product is the program and all crates that it depends on, those for tests and benches left out.";

const HEADER: [&str; 17] = [
    "crate",
    "source",
    "tests",
    "benches",
    "files",
    "functions",
    "median",
    "p90",
    "p99",
    "max",
    "folder median",
    "folder max",
    "circles",
    "arrows",
    "back up",
    "public",
    "unused",
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let root = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => PathBuf::from("."),
        (Some("--root"), Some(root), None) => PathBuf::from(root),
        (Some("--help" | "-h"), None, _) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match table(&root) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            ExitCode::FAILURE
        }
    }
}

fn table(root: &Path) -> Result<String> {
    let tree = Tree::read(root)?;
    let product = product(&tree);
    let mut crates = Vec::new();
    for package in &tree.packages {
        crates.push((package.name.as_str(), Figures::of(&tree, package)?));
    }
    crates.sort_by_key(|(name, _)| (!product.contains(name), *name));
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(crates.iter().map(|(name, figures)| row(name, figures)));
    let of_product = crates.iter().filter(|(name, _)| product.contains(name)).map(|(_, figures)| figures);
    rows.push(row("the product", &Figures::sum(of_product)));
    rows.push(row("everything", &Figures::sum(crates.iter().map(|(_, figures)| figures))));
    let mut table = layout(&rows);
    for (name, figures) in crates.iter().filter(|(_, figures)| !figures.unused.is_empty()) {
        table.push_str(&format!("\nunused in {name}: {}", figures.unused.join(", ")));
    }
    Ok(table)
}

fn row(name: &str, figures: &Figures) -> [String; 17] {
    let percent = 100.0 * figures.backward as f64 / figures.arrows.max(1) as f64;
    let function = |percent| percentile(&figures.functions, percent).to_string();
    let folder = |percent| percentile(&figures.folders, percent).to_string();
    [
        name.to_owned(),
        figures.source_lines.to_string(),
        figures.test_lines.to_string(),
        figures.bench_lines.to_string(),
        figures.files.to_string(),
        figures.functions.len().to_string(),
        function(50),
        function(90),
        function(99),
        function(100),
        folder(50),
        folder(100),
        figures.circles.to_string(),
        figures.arrows.to_string(),
        format!("{} ({percent:.1} %)", figures.backward),
        figures.public.to_string(),
        figures.unused.len().to_string(),
    ]
}

/// The smallest value that at least so many percent of all do not exceed; 0 of none.
fn percentile(values: &[usize], percent: usize) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Columns under each other, names to the left and figures to the right.
fn layout(rows: &[[String; 17]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let line = |row: &[String; 17]| {
        let figures = row.iter().enumerate().skip(1);
        let figures = figures.map(|(column, figure)| format!("  {figure:>width$}", width = width(column)));
        format!("{:width$}{}", row[0], figures.collect::<String>(), width = width(0))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_occurs() {
        let values: Vec<usize> = (1..=200).rev().collect();
        assert_eq!([50, 90, 99, 100].map(|percent| percentile(&values, percent)), [100, 180, 198, 200]);
        assert_eq!(percentile(&[], 50), 0);
    }
}
