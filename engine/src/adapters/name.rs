//! Names of adapters: `name`, `name@version`, `name@tag`, and stacks `a+b:0.5`.

use crate::error::{Error, Result};

const LONGEST_NAME: usize = 128;
const MOST_STACKED: usize = 8;

/// One adapter as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdapterReference {
    pub(crate) name: String,
    /// A version number or a tag; `None` is the latest version.
    pub(crate) selector: Option<String>,
    /// What the adapter's own scale is multiplied by.
    pub(crate) scale: f32,
}

impl AdapterReference {
    /// The reference without its scale, as errors and tables show it.
    pub(crate) fn label(&self) -> String {
        match &self.selector {
            Some(selector) => format!("{}@{selector}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Reads a stack, in the order in which it was written.
pub(crate) fn parse_stack(text: &str) -> Result<Vec<AdapterReference>> {
    let parts: Vec<&str> = text.split('+').collect();
    if parts.len() > MOST_STACKED {
        let reason = format!("{} adapters are stacked; at most {MOST_STACKED} can be", parts.len());
        return Err(Error::argument("adapter", format!("\"{text}\""), reason));
    }
    let stack = parts.into_iter().map(|part| parse_scaled(text, part)).collect::<Result<Vec<_>>>()?;
    for (index, reference) in stack.iter().enumerate() {
        if stack[..index].iter().any(|earlier| earlier.name == reference.name) {
            let reason = format!("\"{}\" is stacked twice; give it one scale instead", reference.name);
            return Err(Error::argument("adapter", format!("\"{text}\""), reason));
        }
    }
    Ok(stack)
}

/// Reads one adapter without a scale.
pub(crate) fn parse_one(text: &str) -> Result<AdapterReference> {
    if text.contains(['+', ':']) {
        let reason = "one adapter is meant here, as name, name@version or name@tag";
        return Err(Error::argument("adapter", format!("\"{text}\""), reason));
    }
    parse_reference(text, text, 1.0)
}

fn parse_scaled(whole: &str, part: &str) -> Result<AdapterReference> {
    let Some((reference, scale)) = part.split_once(':') else {
        return parse_reference(whole, part, 1.0);
    };
    match scale.trim().parse::<f32>() {
        Ok(scale) if scale.is_finite() && scale.abs() <= 100.0 => parse_reference(whole, reference, scale),
        _ => {
            let reason = format!("\"{scale}\" is not a scale between -100 and 100, as in a+b:0.5");
            Err(Error::argument("adapter", format!("\"{whole}\""), reason))
        }
    }
}

fn parse_reference(whole: &str, part: &str, scale: f32) -> Result<AdapterReference> {
    let (name, selector) = match part.split_once('@') {
        Some((name, selector)) => (name.trim(), Some(selector.trim())),
        None => (part.trim(), None),
    };
    for part in std::iter::once(name).chain(selector) {
        check_part("adapter", whole, part)?;
    }
    Ok(AdapterReference { name: name.to_owned(), selector: selector.map(str::to_owned), scale })
}

/// Refuses what an adapter or a tag cannot be named; `argument` is the name's argument in SQL.
pub(crate) fn check_name(argument: &'static str, name: &str) -> Result<()> {
    check_part(argument, name, name)
}

fn check_part(argument: &'static str, whole: &str, part: &str) -> Result<()> {
    let reason = if part.is_empty() {
        "a name is empty".to_owned()
    } else if part.len() > LONGEST_NAME {
        format!("a name of {} bytes is longer than {LONGEST_NAME}", part.len())
    } else if part.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '@' | '+' | ':' | '/'))
    {
        "names have no spaces and none of @ + : /".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::argument(argument, format!("\"{whole}\""), reason))
}

#[cfg(test)]
mod tests {
    use super::{parse_one, parse_stack};

    #[test]
    fn a_stack_is_read_with_versions_tags_and_scales() {
        let stack = parse_stack("support@3+tone@best:0.5").unwrap();
        assert_eq!(stack.len(), 2);
        assert_eq!(
            (stack[0].name.as_str(), stack[0].selector.as_deref(), stack[0].scale),
            ("support", Some("3"), 1.0)
        );
        assert_eq!(
            (stack[1].name.as_str(), stack[1].selector.as_deref(), stack[1].scale),
            ("tone", Some("best"), 0.5)
        );
        assert_eq!(stack[1].label(), "tone@best");
    }

    #[test]
    fn malformed_names_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("a+", "empty"),
            ("a@", "empty"),
            ("a:x", "scale"),
            ("a:inf", "scale"),
            ("a:1000", "scale"),
            ("a b", "spaces"),
            ("a@1@2", "none of @"),
            ("a+a:0.5", "twice"),
            ("a+b+c+d+e+f+g+h+i", "at most 8"),
        ] {
            let error = parse_stack(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(parse_one("a+b").is_err());
    }
}
