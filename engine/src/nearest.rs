//! The nearest known name to one that is not known.

use strsim::osa_distance;

/// The known name nearest to `name`, when it is near enough to be a slip of the hand: at most an edit for every three
/// characters, and never more than three. Edits are insertions, deletions, replacements and swaps of neighbours; case
/// does not count.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (osa_distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The end of an error about an unknown name: `; did you mean "…"?`, or nothing where no name is near.
pub fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["support", "tone", "sql"];
        assert_eq!(nearest("suport", known), Some("support"));
        assert_eq!(nearest("Support", known), Some("support"));
        assert_eq!(nearest("tnoe", known), Some("tone"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("billing", ["support", "tone"]), None);
        assert_eq!(nearest("x", ["support"]), None);
    }

    #[test]
    fn up_to_three_edits_are_a_slip_of_a_long_name() {
        assert_eq!(nearest("trainign_step", ["training_steps"]), Some("training_steps"));
        assert_eq!(nearest("kitten_kitten", ["sitting_sitting"]), None);
    }
}
