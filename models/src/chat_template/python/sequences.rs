//! Slices, and the methods of lists.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error as JinjaError, ErrorKind, Value};

use crate::chat_template::python::bounds::refused;

/// The longest list that is copied.
const LONGEST: usize = 1 << 20;

/// `value[start:stop:step]` of a text or a list.
pub(super) fn slice(value: &Value, args: &[Value]) -> Result<Value, JinjaError> {
    let (start, stop, step): (Option<i64>, Option<i64>, Option<i64>) = from_args(args)?;
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(refused("the step of a slice is not 0"));
    }
    let chosen = |length: usize| indices(length as i64, start, stop, step);
    if let Some(text) = value.as_str() {
        let characters: Vec<char> = text.chars().collect();
        let chosen = chosen(characters.len()).filter_map(|index| characters.get(index));
        return Ok(Value::from(chosen.collect::<String>()));
    }
    match value.kind() {
        ValueKind::None => Ok(Value::UNDEFINED),
        ValueKind::Undefined => Err(JinjaError::from(ErrorKind::UndefinedError)),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = items(value)?;
            Ok(chosen(items.len()).filter_map(|index| items.get(index).cloned()).collect())
        }
        kind => Err(refused(format!("a value of type {kind} has no slices"))),
    }
}

/// The positions that a slice chooses, as Python's `slice.indices` has them.
fn indices(length: i64, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound =
        |bound: i64| if bound < 0 { bound.saturating_add(length).max(lowest) } else { bound.min(highest) };
    let (first, end) = if step > 0 {
        (start.map_or(0, bound), stop.map_or(length, bound))
    } else {
        (start.map_or(length - 1, bound), stop.map_or(-1, bound))
    };
    let is_within = move |index: &i64| if step > 0 { *index < end } else { *index > end };
    let next = move |index: &i64| index.checked_add(step).filter(is_within);
    std::iter::successors(Some(first).filter(is_within), next).map(|index| index as usize)
}

fn items(value: &Value) -> Result<Vec<Value>, JinjaError> {
    let items: Vec<Value> = value.try_iter()?.take(LONGEST + 1).collect();
    if items.len() > LONGEST { Err(refused("the list is too long")) } else { Ok(items) }
}

/// What a loop runs over, as a list wherever the library does not know its length: a loop knows its last round.
pub(in crate::chat_template) fn iterated(value: Value) -> Result<Value, JinjaError> {
    match value.kind() {
        ValueKind::String => Ok(items(&value)?.into()),
        ValueKind::Iterable if value.len().is_none() => Ok(items(&value)?.into()),
        _ => Ok(value),
    }
}

/// A method of a list.
pub(super) fn method(list: &Value, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    match method {
        "copy" => Ok(items(list)?.into()),
        "count" => {
            let (item,): (&Value,) = from_args(args)?;
            Ok(Value::from(items(list)?.iter().filter(|other| *other == item).count()))
        }
        "index" => {
            let (item,): (&Value,) = from_args(args)?;
            let at = items(list)?.iter().position(|other| other == item);
            at.map(Value::from).ok_or_else(|| refused(format!("{item} is not in the list")))
        }
        _ => Err(JinjaError::from(ErrorKind::UnknownMethod)),
    }
}

#[cfg(test)]
mod tests {
    use super::indices;

    #[test]
    fn slices_choose_what_python_chooses() {
        let chosen = |length, start, stop, step| indices(length, start, stop, step).collect::<Vec<_>>();
        assert_eq!(chosen(4, None, None, 1), [0, 1, 2, 3]);
        assert_eq!(chosen(4, Some(1), Some(-1), 1), [1, 2]);
        assert_eq!(chosen(4, Some(-9), Some(9), 2), [0, 2]);
        assert_eq!(chosen(4, None, None, -1), [3, 2, 1, 0]);
        assert_eq!(chosen(4, Some(2), Some(0), -1), [2, 1]);
        assert_eq!(chosen(4, Some(9), Some(-9), -3), [3, 0]);
        assert_eq!(chosen(4, Some(0), Some(2), -1), [0usize; 0]);
        assert_eq!(chosen(0, None, None, -1), [0usize; 0]);
        assert_eq!(chosen(4, Some(i64::MIN), Some(i64::MAX), i64::MAX), [0]);
    }
}
