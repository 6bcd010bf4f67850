//! The name that someone probably meant.

use hyprstream_engine::nearest;

/// `; did you mean "…"?`, or nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    hyprstream_engine::suggestion(nearest(name, candidates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_reads_as_the_end_of_an_error() {
        assert_eq!(suggestion("ton", ["tone"]), "; did you mean \"tone\"?");
        assert_eq!(suggestion("zebra", ["tone"]), "");
    }
}
