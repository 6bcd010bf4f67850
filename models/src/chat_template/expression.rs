//! Expressions of Jinja2: slices, `%` on a text, what a loop runs over, and the escapes of texts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::Chars;

use crate::chat_template::python::{FORMAT, ITERATED, SLICE};

/// A piece of an expression; together they are the expression.
struct Token<'t> {
    kind: Kind,
    text: Cow<'t, str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Text,
    Word,
    Sign,
}

/// A pair of brackets, and the colons between them.
struct Brackets {
    open: usize,
    colons: Vec<usize>,
    close: usize,
}

/// Of a tag that ends with `end`: its length, and how minijinja has to read it.
pub(super) fn translate(tag: &str, end: &str) -> (usize, Option<String>) {
    let Some((opening, inner)) = tag.split_at_checked(2) else {
        return (tag.len(), None);
    };
    let (mut tokens, length) = tokens(inner, end);
    let brackets = brackets(&tokens);
    rewrite_formats(&mut tokens, &brackets);
    rewrite_slices(&mut tokens, &brackets);
    if end == "%}" {
        rewrite_loop(&mut tokens);
    }
    let written = std::iter::once(opening).chain(tokens.iter().map(|token| token.text.as_ref())).collect();
    (opening.len() + length, Some(written))
}

/// The tokens of an expression up to and with its end, and how long they are together.
fn tokens<'t>(text: &'t str, end: &str) -> (Vec<Token<'t>>, usize) {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut depth = 0usize;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if depth == 0 && rest.starts_with(end) {
            tokens.push(Token { kind: Kind::Sign, text: Cow::Borrowed(&rest[..end.len()]) });
            at += end.len();
            break;
        }
        let (kind, length) = match first {
            '\'' | '"' => (Kind::Text, text_length(rest, first)),
            _ if first.is_whitespace() => (Kind::Space, run(rest, char::is_whitespace)),
            _ if first.is_alphanumeric() || first == '_' => {
                (Kind::Word, run(rest, |c| c.is_alphanumeric() || c == '_'))
            }
            _ => (Kind::Sign, sign_length(rest, first)),
        };
        match first {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let token = &rest[..length];
        let text = if kind == Kind::Text { python_text(token) } else { Cow::Borrowed(token) };
        tokens.push(Token { kind, text });
        at += length;
    }
    (tokens, at)
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn sign_length(text: &str, first: char) -> usize {
    let double = ["//", "**", "==", "!=", "<=", ">="].iter().any(|sign| text.starts_with(sign));
    if double { 2 } else { first.len_utf8() }
}

fn text_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn brackets(tokens: &[Token<'_>]) -> Vec<Brackets> {
    let mut pairs = Vec::new();
    let mut open: Vec<Brackets> = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Sign) {
        match token.text.as_ref() {
            "(" | "[" | "{" => open.push(Brackets { open: at, colons: Vec::new(), close: at }),
            ")" | "]" | "}" => pairs.extend(open.pop().map(|pair| Brackets { close: at, ..pair })),
            ":" => {
                if let Some(pair) = open.last_mut() {
                    pair.colons.push(at);
                }
            }
            _ => {}
        }
    }
    pairs
}

/// Writes slices as calls.
fn rewrite_slices(tokens: &mut [Token<'_>], brackets: &[Brackets]) {
    for pair in brackets
        .iter()
        .filter(|pair| !pair.colons.is_empty() && tokens[pair.open].text == "[")
        .collect::<Vec<_>>()
    {
        let mut from = pair.open;
        for &to in pair.colons.iter().chain([&pair.close]) {
            let is_absent = tokens[from + 1..to].iter().all(|token| token.kind == Kind::Space);
            let sign = if from == pair.open { format!(".{SLICE}(") } else { ",".to_owned() };
            tokens[from].text = Cow::Owned(if is_absent { sign + "none" } else { sign });
            from = to;
        }
        let close = tokens[pair.close].text.replacen(']', ")", 1);
        tokens[pair.close].text = Cow::Owned(close);
    }
}

/// Writes `'…' % values` as a call.
fn rewrite_formats(tokens: &mut [Token<'_>], brackets: &[Brackets]) {
    let closing: HashMap<usize, usize> = brackets.iter().map(|pair| (pair.open, pair.close)).collect();
    for at in 0..tokens.len() {
        let percent = skip_space(tokens, at + 1);
        let is_format = tokens[at].kind == Kind::Text
            && tokens.get(percent).is_some_and(|token| token.kind == Kind::Sign && token.text == "%");
        if !is_format {
            continue;
        }
        let first = skip_space(tokens, percent + 1);
        let Some(last) = operand_end(tokens, &closing, first) else { continue };
        let is_tuple = tokens[first].text == "("
            && closing.get(&first) == Some(&last)
            && has_comma(&tokens[first + 1..last]);
        if is_tuple {
            tokens[percent].text = Cow::Owned(format!(".{FORMAT}"));
        } else {
            tokens[percent].text = Cow::Owned(format!(".{FORMAT}("));
            tokens[last].text.to_mut().push(')');
        }
    }
}

/// Passes what a loop runs over through a filter.
fn rewrite_loop(tokens: &mut [Token<'_>]) {
    let mut depth = 0usize;
    let mut words = Vec::new();
    let last = tokens.len().saturating_sub(1);
    for (at, token) in tokens.iter().enumerate().take(last).filter(|(_, token)| token.kind != Kind::Space) {
        if token.kind == Kind::Sign {
            depth += token.text.matches(['(', '[', '{']).count();
            depth = depth.saturating_sub(token.text.matches([')', ']', '}']).count());
        } else if token.kind == Kind::Word && depth == 0 {
            words.push((at, token.text.as_ref()));
        }
    }
    if words.first().is_none_or(|(_, word)| *word != "for") {
        return;
    }
    let Some(&(begin, _)) = words.iter().find(|(_, word)| *word == "in") else { return };
    let end = words.iter().find(|(at, word)| *at > begin && matches!(*word, "if" | "recursive"));
    let end = end.map_or_else(
        || last - usize::from(last > 0 && matches!(tokens[last - 1].text.as_ref(), "-" | "+")),
        |(at, _)| *at,
    );
    tokens[begin].text = Cow::Borrowed("in (");
    tokens[end].text = Cow::Owned(format!(")|{ITERATED} {}", tokens[end].text));
}

fn skip_space(tokens: &[Token<'_>], from: usize) -> usize {
    let spaces = tokens.iter().skip(from).take_while(|token| token.kind == Kind::Space);
    from + spaces.count()
}

/// The last token of a value with its signs, attributes, subscripts, calls and filters.
fn operand_end(tokens: &[Token<'_>], closing: &HashMap<usize, usize>, first: usize) -> Option<usize> {
    let sign = |at: usize| match tokens.get(at) {
        Some(Token { kind: Kind::Sign, text }) => text.as_ref(),
        _ => "",
    };
    let mut at = first;
    while matches!(sign(at), "-" | "+") {
        at = skip_space(tokens, at + 1);
    }
    let mut last = match tokens.get(at)?.kind {
        Kind::Sign => *closing.get(&at)?,
        _ => at,
    };
    loop {
        let next = skip_space(tokens, last + 1);
        last = match sign(next) {
            "." | "|" => skip_space(tokens, next + 1),
            "(" | "[" => *closing.get(&next)?,
            _ => return Some(last),
        };
        tokens.get(last)?;
    }
}

/// Whether there is a comma outside of brackets.
fn has_comma(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0usize;
    tokens.iter().filter(|token| token.kind == Kind::Sign).any(|token| {
        match token.text.as_ref() {
            "[" | "(" | "{" => depth += 1,
            "]" | ")" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text == ","
    })
}

/// A text with Python's escapes, in quotes, as minijinja has to read it.
fn python_text(quoted: &str) -> Cow<'_, str> {
    let quote = quoted.chars().next().unwrap_or('"');
    let inner = quoted.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let Some(inner) = inner.filter(|inner| inner.contains('\\')) else {
        return Cow::Borrowed(quoted);
    };
    let mut out = String::with_capacity(quoted.len() + 8);
    out.push(quote);
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        let meant = if character == '\\' { unescaped(&mut rest) } else { Some(character) };
        if let Some(meant) = meant {
            if meant == '\\' || meant == quote {
                out.push('\\');
            }
            out.push(meant);
        }
    }
    out.push(quote);
    Cow::Owned(out)
}

/// What an escape stands for behind its backslash, which is itself where Python knows no such escape.
fn unescaped(rest: &mut Chars<'_>) -> Option<char> {
    let mut ahead = rest.clone();
    let number = |rest: &mut Chars<'_>, radix, least: usize, most: usize| {
        let digits: String = rest.clone().take(most).take_while(|c| c.is_digit(radix)).collect();
        let value = u32::from_str_radix(&digits, radix).ok().filter(|_| digits.len() >= least)?;
        rest.nth(digits.len() - 1)?;
        char::from_u32(value)
    };
    let meant = match ahead.next()? {
        '\n' => {
            *rest = ahead;
            return None;
        }
        same @ ('\\' | '\'' | '"') => Some(same),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        'x' => number(&mut ahead, 16, 2, 2),
        'u' => number(&mut ahead, 16, 4, 4),
        'U' => number(&mut ahead, 16, 8, 8),
        '0'..='7' => {
            ahead = rest.clone();
            number(&mut ahead, 8, 1, 3)
        }
        _ => None,
    };
    if meant.is_some() {
        *rest = ahead;
    }
    meant.or(Some('\\'))
}

#[cfg(test)]
mod tests {
    use super::translate;

    fn translated(expression: &str) -> String {
        let tag = format!("{{{{{expression}}}}} behind");
        let (length, written) = translate(&tag, "}}");
        assert_eq!(&tag[length..], " behind");
        written.unwrap().trim_start_matches("{{").trim_end_matches("}}").to_owned()
    }

    #[test]
    fn slices_become_calls() {
        for (source, expected) in [
            ("m[1:]", "m.slice__(1,none)"),
            ("m[ : -1 ][::-1][0]", "m.slice__(none , -1 ).slice__(none,none,-1)[0]"),
            ("a[b[1:2]:c]", "a.slice__(b.slice__(1,2),c)"),
            ("{'a': [1, 2], 'b': c[x]}", "{'a': [1, 2], 'b': c[x]}"),
            ("a[{'x': 1}['x']]", "a[{'x': 1}['x']]"),
        ] {
            assert_eq!(translated(source), expected);
        }
    }

    #[test]
    fn a_percent_sign_behind_a_text_becomes_a_call() {
        for (source, expected) in [
            ("'%s' % a.b[0] | upper if c", "'%s' .format__( a.b[0] | upper) if c"),
            ("'%s-%d'%(a, [1, 2])~b", "'%s-%d'.format__(a, [1, 2])~b"),
            ("'%s' % (a(1, 2)) % 3", "'%s' .format__( (a(1, 2))) % 3"),
            ("'%s' % -a[1:]", "'%s' .format__( -a.slice__(1,none))"),
            ("loop.index0 % 2 == 0", "loop.index0 % 2 == 0"),
            ("a['b'] % 2", "a['b'] % 2"),
        ] {
            assert_eq!(translated(source), expected);
        }
    }

    #[test]
    fn a_loop_runs_over_what_is_filtered() {
        for (source, expected) in [
            ("{% for m in messages[1:] -%}", "{% for m in ( messages.slice__(1,none) )|iterated__ -%}"),
            (
                "{%- for a, b in (x if y in z else w) if b recursive %}",
                "{%- for a, b in ( (x if y in z else w) )|iterated__ if b recursive %}",
            ),
            ("{% if a in b %}", "{% if a in b %}"),
        ] {
            assert_eq!(translate(source, "%}").1.unwrap(), expected);
        }
    }

    #[test]
    fn escapes_are_pythons() {
        for (source, expected) in [
            (r"'\n\''", "'\n\\''"),
            (r"'\d\/\\'", r"'\\d\\/\\'"),
            (r"'\x41\u00e9\U0001F642\101'", "'Aé🙂A'"),
            ("'a\\\nb'", "'ab'"),
            (r"'\xZ'", r"'\\xZ'"),
        ] {
            assert_eq!(translated(source), expected);
        }
    }
}
