//! Verdicts by kind of file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::scratch::Damage;
use super::verdict::Verdict;

/// How many verdicts of each kind there were for each kind of file.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<(String, &'static str), Counts>,
    forbidden: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    harmless: u64,
    reported: u64,
    refused: u64,
    forbidden: u64,
}

impl Tally {
    /// Counts what came of the damage of a file.
    pub fn count(&mut self, file: &Path, damage: Damage, verdict: Verdict) {
        let how = match damage {
            Damage::Flipped(_) => "flipped",
            Damage::Truncated => "halved",
            Damage::Emptied => "emptied",
            Damage::Missing => "missing",
        };
        let counts = self.kinds.entry((kind(file), how)).or_default();
        match verdict {
            Verdict::Harmless => counts.harmless += 1,
            Verdict::Reported => counts.reported += 1,
            Verdict::Refused => counts.refused += 1,
            Verdict::Forbidden(what) => {
                counts.forbidden += 1;
                self.forbidden.push(format!("{} {damage:?}: {what}", file.display()));
                println!("FORBIDDEN {}", self.forbidden[self.forbidden.len() - 1]);
            }
        }
    }

    /// Fails where something must never have come.
    pub fn expect_nothing_forbidden(&self) {
        let some: Vec<&str> = self.forbidden.iter().take(10).map(String::as_str).collect();
        assert!(some.is_empty(), "{} times:\n{}", self.forbidden.len(), some.join("\n"));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| file | damage | harmless | reported | refused | wrong, silent or deleted |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for ((kind, how), counts) in &self.kinds {
            let Counts { harmless, reported, refused, forbidden } = counts;
            writeln!(f, "| {kind} | {how} | {harmless} | {reported} | {refused} | {forbidden} |")?;
        }
        Ok(())
    }
}

/// The part of the data directory that a file belongs to.
pub fn kind(file: &Path) -> String {
    let name = file.to_string_lossy();
    match name.split_once('/') {
        Some(("models", rest)) => format!("models/{}", rest.split('/').next().unwrap_or_default()),
        Some(("grid", rest)) => format!("grid/{rest}"),
        Some((part, _)) => format!("{part}/"),
        None => name.into_owned(),
    }
}
