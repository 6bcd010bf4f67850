//! The name that someone probably meant.

/// The candidate nearest to `name`, when it is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let found = candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    found.map(|(_, candidate)| candidate)
}

/// `; did you mean "…"?`, or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            current[j] = replaced.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
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
