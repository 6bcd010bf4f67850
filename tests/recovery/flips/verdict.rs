//! What comes of damage: nothing, a report, a start that is refused, or something that must never be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::database::{Answers, MODELS, PEOPLE, SETTINGS, VECTORS};

/// What was seen of a damaged data directory.
#[derive(Debug, Default)]
pub struct Seen {
    /// Why it did not start.
    pub refusal: Option<String>,
    /// What `verify_store` found, or why it could not look.
    pub damages: Vec<String>,
    /// What was read.
    pub answers: Answers,
    /// Lines of the log from warnings up.
    pub logged: Vec<String>,
    /// Threads that panicked.
    pub panics: Vec<String>,
    /// Files that are gone or shorter, and not in `lost+found`.
    pub deleted: Vec<PathBuf>,
    /// What salvage made of it, where that was tried.
    pub salvaged: Option<Salvaged>,
}

/// What salvage made of a damaged data directory.
#[derive(Debug)]
pub enum Salvaged {
    /// Nothing, and why.
    Refused(String),
    /// A new directory.
    Made {
        /// What it says that is lost.
        lost: Vec<String>,
        /// What is read of the new directory.
        answers: Answers,
    },
    /// A directory that does not open.
    Unusable(String),
}

/// What came of damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was and nothing was said.
    Harmless,
    /// What is wrong was said, and everything else is right.
    Reported,
    /// The directory was not opened, and the reason was said.
    Refused,
    /// What must never be.
    Forbidden(String),
}

/// Compares what was seen with what there is.
pub fn judge(expected: &Answers, seen: &Seen, damaged: &Path) -> Verdict {
    let forbidden = |what: &str, details: String| Verdict::Forbidden(format!("{what}: {details}"));
    if !seen.panics.is_empty() {
        return forbidden("a panic", seen.panics.join("; "));
    }
    if !seen.deleted.is_empty() {
        return forbidden("deleted", format!("{:?}", seen.deleted));
    }
    if let Some(Err(wrong)) =
        seen.salvaged.as_ref().map(|salvaged| judge_salvaged(expected, salvaged, damaged))
    {
        return forbidden("salvage", wrong);
    }
    if let Some(refusal) = &seen.refusal {
        let says_why = !refusal.trim().is_empty();
        return if says_why { Verdict::Refused } else { forbidden("the start", "no reason".to_owned()) };
    }
    let said = !seen.damages.is_empty() || !seen.logged.is_empty();
    let context = || format!("damages {:?}\n    logged {:?}", seen.damages, seen.logged);
    match compare(expected, &seen.answers, said, damaged) {
        Err(wrong) => forbidden("read", format!("{wrong}\n    {}", context())),
        Ok(Compared::Same) if !said => Verdict::Harmless,
        Ok(_) => Verdict::Reported,
    }
}

fn judge_salvaged(expected: &Answers, salvaged: &Salvaged, damaged: &Path) -> Result<(), String> {
    match salvaged {
        Salvaged::Refused(reason) if reason.trim().is_empty() => Err("no reason".to_owned()),
        Salvaged::Refused(_) => Ok(()),
        Salvaged::Unusable(reason) => Err(format!("what it made does not open: {reason}")),
        Salvaged::Made { lost, answers } => match compare(expected, answers, !lost.is_empty(), damaged) {
            Ok(Compared::Errors(errors)) if lost.is_empty() => {
                Err(format!("it says that nothing is lost, but {errors:?}"))
            }
            Ok(_) => Ok(()),
            Err(wrong) => Err(format!("{wrong}\n    it said {lost:?}")),
        },
    }
}

/// How what was read differs from what there is.
enum Compared {
    Same,
    /// Something is missing or another, and that was said.
    Less,
    /// These cannot be read.
    Errors(Vec<String>),
}

/// An error for what is wrong and may not be.
fn compare(expected: &Answers, answers: &Answers, said: bool, damaged: &Path) -> Result<Compared, String> {
    let is_other_model = damaged.starts_with("models/tiny") && answers.get(MODELS) != expected.get(MODELS);
    let (mut less, mut errors) = (false, Vec::new());
    for (name, rows) in answers {
        // The file of an external table is its owner's, and nothing says what was in it.
        if *name == PEOPLE && damaged.starts_with("files") {
            continue;
        }
        let expected = expected[name].as_ref().expect("whole, everything can be read");
        let rows = match rows {
            Ok(rows) if rows == expected => continue,
            Ok(rows) => rows,
            Err(reason) if reason.trim().is_empty() => {
                return Err(format!("{name}: an error without a reason"));
            }
            Err(reason) => {
                errors.push(format!("{name}: {reason}"));
                continue;
            }
        };
        less = true;
        // The model's files are its owner's to change: it is another model then, and its hash says so.
        if is_other_model && (*name == MODELS || name.starts_with("answer")) {
            continue;
        }
        let may_differ =
            [SETTINGS, MODELS].contains(name) || *name == VECTORS && is_without_vectors(rows, expected);
        if !(said && (is_part(rows, expected) || may_differ)) {
            let strange: Vec<_> = rows.iter().filter(|row| !expected.contains(row)).take(3).collect();
            return Err(format!(
                "{name} has {} rows of {}, others are {strange:?}; said: {said}",
                rows.len(),
                expected.len()
            ));
        }
    }
    Ok(match (errors.is_empty(), less) {
        (false, _) => Compared::Errors(errors),
        (true, true) => Compared::Less,
        (true, false) => Compared::Same,
    })
}

/// Whether these are some of the rows that there are, each at most as often.
fn is_part(rows: &[String], expected: &[String]) -> bool {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for row in expected {
        *left.entry(row).or_default() += 1;
    }
    rows.iter().all(|row| {
        left.get_mut(row.as_str()).is_some_and(|count| {
            let is_left = *count > 0;
            *count = count.saturating_sub(1);
            is_left
        })
    })
}

/// Whether only vectors are missing, which are computed again.
fn is_without_vectors(rows: &[String], expected: &[String]) -> bool {
    rows.iter().all(|row| expected.contains(row) || row.ends_with("|NULL"))
}
