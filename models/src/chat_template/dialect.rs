//! Templates as Jinja2 reads them, in the words of minijinja.
//!
//! The two languages differ in a few things that chat templates use: newlines are Unix's and one at the end is
//! dropped, `{% generation %}` marks what is trained, slices are Python's, `%` formats a text, and texts have
//! Python's escapes. Each is written so that minijinja does what Jinja2 does; comments and raw blocks stay as
//! they are.

use crate::chat_template::expression;

/// A template for minijinja, which has to keep a newline at its end.
pub(super) fn translate(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = source.strip_suffix('\n').unwrap_or(&source);
    let mut out = String::with_capacity(rest.len() + 64);
    while let Some(at) = next_tag(rest) {
        let (text, tag) = rest.split_at(at);
        out.push_str(text);
        rest = translate_tag(tag, &mut out);
    }
    out.push_str(rest);
    out
}

/// Where the next comment, block or expression begins.
fn next_tag(text: &str) -> Option<usize> {
    let mut braces = text.match_indices('{').map(|(at, _)| at);
    braces.find(|at| matches!(text.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// Writes the tag that a text begins with, and returns what stands behind it.
fn translate_tag<'t>(text: &'t str, out: &mut String) -> &'t str {
    let (length, written) = if text.starts_with("{#") {
        (text.find("#}").map_or(text.len(), |end| end + 2), None)
    } else if text.starts_with("{{") {
        expression::translate(text, "}}")
    } else {
        match tag_name(text) {
            Some(("raw", length)) => (raw_length(text, length), None),
            // A block of its own scope, as Jinja2's is.
            Some((name @ "generation", length)) => (length, Some(text[..length].replace(name, "with"))),
            Some((name @ "endgeneration", length)) => (length, Some(text[..length].replace(name, "endwith"))),
            _ => expression::translate(text, "%}"),
        }
    };
    let (tag, rest) = text.split_at(length);
    out.push_str(written.as_deref().unwrap_or(tag));
    rest
}

/// Of a block that has nothing but a name, the name, and the length of the tag.
fn tag_name(tag: &str) -> Option<(&str, usize)> {
    let inner = tag.strip_prefix("{%")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_start();
    let name = &inner[..inner.find(|c: char| !c.is_alphanumeric() && c != '_')?];
    let behind = inner[name.len()..].trim_start();
    let behind = behind.strip_prefix(['-', '+']).unwrap_or(behind).strip_prefix("%}")?;
    Some((name, tag.len() - behind.len()))
}

/// The length of a raw block whose first tag has a length of `opening`.
fn raw_length(text: &str, opening: usize) -> usize {
    let tags = text[opening..].match_indices("{%").map(|(at, _)| opening + at);
    let mut ends = tags.filter_map(|at| match tag_name(&text[at..]) {
        Some(("endraw", length)) => Some(at + length),
        _ => None,
    });
    ends.next().unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn newlines_are_unixs_and_one_at_the_end_is_dropped() {
        assert_eq!(translate("a\r\nb\rc\n\n"), "a\nb\nc\n");
        assert_eq!(translate("{{ x }}\r\n"), "{{ x }}");
        assert_eq!(translate("\n"), "");
    }

    #[test]
    fn a_generation_block_keeps_its_whitespace_control() {
        assert_eq!(
            translate("{%- generation -%} x {%+ endgeneration +%}{%generation%}{% endgeneration%}"),
            "{%- with -%} x {%+ endwith +%}{%with%}{% endwith%}"
        );
    }

    #[test]
    fn comments_raw_blocks_and_texts_are_left_alone() {
        for source in [
            "{# {% generation %} [1:2] #}",
            "{%- raw %}{% generation %}{{ a[1:2] }}{% endgeneration %}{% endraw -%}",
            "{{ '{% generation %} a[1:2]' }}",
            "generation {% set generation = 1 %}{{ generation }} a[1:2]",
            "{% raw %}never ends {{ a[1:2] }}",
            "{# never ends {{ a[1:2] }}",
        ] {
            assert_eq!(translate(source), source);
        }
    }
}
