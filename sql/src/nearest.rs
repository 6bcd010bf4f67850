//! The name that someone probably meant.

use strsim::osa_distance;

/// The candidate nearest to `name`, when it is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let found = candidates
        .into_iter()
        .map(|candidate| (osa_distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    found.map(|(_, candidate)| candidate)
}

/// `; did you mean "…"?`, or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map(did_you_mean).unwrap_or_default()
}

pub(crate) fn did_you_mean(name: &str) -> String {
    format!("; did you mean \"{name}\"?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_different_word_finds_none() {
        let names = ["support", "tone", "summaries"];
        assert_eq!(nearest("suport", names), Some("support"));
        assert_eq!(nearest("SUPPORT", names), Some("support"));
        assert_eq!(nearest("tnoe", names), Some("tone"));
        assert_eq!(nearest("weather", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn a_suggestion_reads_as_the_end_of_an_error() {
        assert_eq!(suggestion("ton", ["tone"]), "; did you mean \"tone\"?");
        assert_eq!(suggestion("zebra", ["tone"]), "");
    }
}
