//! One row's arguments of a call, read by name and checked against their limits.

use std::fmt::Display;
use std::ops::RangeInclusive;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result as PlanResult, ScalarValue};
use hyprstream_engine::{Error, Result};

use crate::signature::function::Function;

/// The values that one call gives to the parameters of a function or procedure, in the parameters' order and already
/// of their types. NULL means the same as not given. A value that is not taken is an [`Error::Argument`].
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    function: &'a Function,
    values: &'a [ScalarValue],
}

impl<'a> Arguments<'a> {
    /// The values of one call of a function.
    pub fn new(function: &'a Function, values: &'a [ScalarValue]) -> Self {
        Self { function, values }
    }

    fn value(&self, name: &'static str) -> Option<&'a ScalarValue> {
        let value = self.function.position(name).and_then(|i| self.values.get(i))?;
        (!value.is_null()).then_some(value)
    }

    /// Whether an argument that every call must give is NULL.
    pub(crate) fn lacks_required(&self) -> bool {
        self.values.iter().take(self.function.required).any(ScalarValue::is_null)
    }

    /// A text, which may be empty.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.try_as_str().ok_or_else(|| invalid_argument(name, value, "it must be text"))
    }

    /// A name, where the empty string would only be a mistake.
    pub fn name(&self, name: &'static str) -> Result<Option<&'a str>> {
        match self.text(name)? {
            Some(text) if text.trim().is_empty() => Err(invalid_argument(name, "''", "it must not be empty")),
            text => Ok(text),
        }
    }

    /// A name that must be given.
    pub fn required_name(&self, name: &'static str) -> Result<&'a str> {
        self.name(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number that its type can hold.
    pub fn integer<T: TryFrom<i64>>(&self, name: &'static str) -> Result<Option<T>> {
        let Some(number) = self.whole_number(name)? else { return Ok(None) };
        T::try_from(number).map(Some).map_err(|_| {
            let reason = if number.is_negative() {
                "it must be at least 0".to_owned()
            } else {
                format!("it must be less than 2^{}", 8 * size_of::<T>())
            };
            invalid_argument(name, number, reason)
        })
    }

    /// A whole number that must be given.
    pub fn required_integer<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T> {
        self.integer(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number between two limits.
    pub fn integer_within(&self, name: &'static str, limits: RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(number) = self.whole_number(name)? else { return Ok(None) };
        if limits.contains(&number) {
            return Ok(Some(number));
        }
        let reason = format!("it must be between {} and {}", limits.start(), limits.end());
        Err(invalid_argument(name, number, reason))
    }

    fn whole_number(&self, name: &'static str) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) => Ok(Some(number)),
            _ => Err(invalid_argument(name, value, "it must be an integer")),
        }
    }

    /// A finite number.
    pub fn float(&self, name: &'static str) -> Result<Option<f32>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(Some(number))) if number.is_finite() => Ok(Some(number as f32)),
            _ => Err(invalid_argument(name, value, "it must be a number")),
        }
    }

    /// True or false.
    pub fn boolean(&self, name: &'static str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(ScalarValue::Boolean(value)) => Ok(*value),
            Some(value) => Err(invalid_argument(name, value, "it must be true or false")),
        }
    }

    /// The texts of a list; a single text counts as a list of one.
    pub fn texts(&self, name: &'static str) -> Result<Vec<String>> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        if let Some(text) = value.try_as_str() {
            return Ok(text.map(str::to_owned).into_iter().collect());
        }
        let texts = elements(name, value, &DataType::Utf8)?;
        Ok(texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
    }

    /// The texts of a list; a single text is split at its commas, also in the braces that Postgres writes around a
    /// list.
    pub fn separated_texts(&self, name: &'static str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let Some(Some(text)) = value.try_as_str() else { return self.texts(name).map(Some) };
        let text = text.trim();
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        Ok(Some(inner.split(',').map(|part| part.trim().to_owned()).collect()))
    }

    /// The whole numbers of a list, `None` for NULL.
    pub(crate) fn integers(&self, name: &'static str) -> Result<Vec<Option<i64>>> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        Ok(elements(name, value, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
    }
}

/// The values of each row of a call: `columns` are its arguments over `rows` rows.
pub(crate) fn rows(columns: &[ArrayRef], rows: usize) -> PlanResult<Vec<Vec<ScalarValue>>> {
    (0..rows)
        .map(|row| columns.iter().map(|column| ScalarValue::try_from_array(column, row)).collect())
        .collect()
}

/// The error for an argument with a value that is not taken.
pub fn invalid_argument(name: &'static str, value: impl Display, reason: impl Into<String>) -> Error {
    Error::Argument { name, value: value.to_string(), reason: reason.into() }
}

fn missing(name: &'static str) -> Error {
    invalid_argument(name, "NULL", "it must be given")
}

/// The elements of a list, cast to one type.
fn elements(name: &'static str, value: &ScalarValue, element: &DataType) -> Result<ArrayRef> {
    let list = value.cast_to(&DataType::new_list(element.clone(), true)).and_then(|list| list.to_array());
    match list {
        Ok(list) => Ok(list.as_list::<i32>().value(0)),
        Err(_) => Err(invalid_argument(name, value, format!("it must be an array of {element}"))),
    }
}
