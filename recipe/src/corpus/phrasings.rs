//! Lists of phrasings, kept as text files: a heading in brackets, then a phrasing a line, `\n` for a line's end.
//! What is held out stands under the same heading with ` held out` after it.

use std::collections::HashMap;

use crate::corpus::sample::Split;

/// The lists of one file.
pub struct Phrasings {
    lists: HashMap<&'static str, Vec<&'static str>>,
    headings: Vec<&'static str>,
}

impl Phrasings {
    /// Reads a file of lists.
    pub fn parse(text: &'static str) -> Self {
        let (mut lists, mut headings) = (HashMap::<_, Vec<&'static str>>::new(), Vec::new());
        let mut heading = "";
        for line in text.lines().filter(|line| !line.is_empty()) {
            // A schema may end in a bracket, but only a heading is nothing but brackets and what is in them.
            if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                heading = inner;
                if !heading.ends_with(HELD_OUT) {
                    headings.push(heading);
                }
            } else {
                // The files are few and read once for the life of the program.
                let phrasing: &'static str =
                    if line.contains("\\n") { line.replace("\\n", "\n").leak() } else { line };
                lists.entry(heading).or_default().push(phrasing);
            }
        }
        Self { lists, headings }
    }

    /// The phrasings under `heading` that `split` draws from.
    pub fn of(&self, heading: &str, split: Split) -> &[&'static str] {
        match split {
            Split::Train | Split::Varied => self.list(heading),
            Split::HeldOut => self.list(&format!("{heading}{HELD_OUT}")),
        }
    }

    /// The phrasings under `heading`.
    pub fn list(&self, heading: &str) -> &[&'static str] {
        self.lists.get(heading).map_or(&[], Vec::as_slice)
    }

    /// The headings in the order of the file, without those that are held out.
    pub fn headings(&self) -> &[&'static str] {
        &self.headings
    }
}

const HELD_OUT: &str = " held out";
