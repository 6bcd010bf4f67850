//! Stop texts across token boundaries: what may still become one is held back.

/// The text of an answer so far, of which a part may not be shown yet.
#[derive(Debug)]
pub(super) struct StopText {
    stops: Vec<String>,
    text: String,
    shown: usize,
}

impl StopText {
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, text: String::new(), shown: 0 }
    }

    /// Adds a piece. Returns what can be shown now, and whether a stop text ended the answer.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.text.push_str(piece);
        let unseen = &self.text[self.shown..];
        if let Some(at) = self.stops.iter().filter_map(|stop| unseen.find(stop.as_str())).min() {
            self.text.truncate(self.shown + at);
            return (self.flush(), true);
        }
        let held = self.stops.iter().map(|stop| overlap(unseen, stop)).max().unwrap_or(0);
        let end = self.text.len() - held;
        let shown = self.text[self.shown..end].to_owned();
        self.shown = end;
        (shown, false)
    }

    /// What was held back: the answer ended without a stop text.
    pub(super) fn flush(&mut self) -> String {
        let rest = self.text[self.shown..].to_owned();
        self.shown = self.text.len();
        rest
    }

    /// The whole answer.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Length of the longest end of `text` that `stop` begins with.
fn overlap(text: &str, stop: &str) -> usize {
    let lengths = stop.char_indices().map(|(index, _)| index).skip(1);
    lengths.filter(|&length| text.ends_with(&stop[..length])).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::StopText;

    fn feed(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool, String) {
        let mut text = StopText::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut shown = Vec::new();
        for piece in pieces {
            let (piece, stopped) = text.push(piece);
            shown.push(piece);
            if stopped {
                return (shown, true, text.into_text());
            }
        }
        shown.push(text.flush());
        (shown, false, text.into_text())
    }

    #[test]
    fn a_stop_text_over_three_tokens_is_never_shown() {
        let (shown, stopped, text) = feed(&["\nUser:"], &["Hi", "\nUs", "er", ": more"]);
        assert_eq!((shown.concat().as_str(), stopped, text.as_str()), ("Hi", true, "Hi"));
        assert_eq!(shown[1], "");
    }

    #[test]
    fn text_that_only_began_like_a_stop_text_is_shown_in_the_end() {
        let (shown, stopped, text) = feed(&["###"], &["a#", "#", "b", "##"]);
        assert_eq!((shown.concat().as_str(), stopped, text.as_str()), ("a##b##", false, "a##b##"));
        assert_eq!(shown[2], "##b");
    }

    #[test]
    fn the_earliest_of_several_stop_texts_ends_the_answer() {
        let (_, stopped, text) = feed(&["c", "b"], &["abc"]);
        assert_eq!((stopped, text.as_str()), (true, "a"));
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        let (shown, stopped, text) = feed(&["é✓"], &["né", "e é", "✓"]);
        assert_eq!((shown.concat().as_str(), stopped, text.as_str()), ("née ", true, "née "));
    }
}
