//! One row's arguments of a call, read by name and checked against their limits.

use std::ops::RangeInclusive;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};

use crate::error;
use crate::parameters::Function;

/// The values that one row gives to a function's parameters, in the parameters' order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a> {
    function: &'a Function,
    values: &'a [ScalarValue],
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(function: &'a Function, values: &'a [ScalarValue]) -> Self {
        Self { function, values }
    }

    /// The value of an argument; `None` when it is not given or NULL, which mean the same.
    fn value(&self, name: &'static str) -> Option<&'a ScalarValue> {
        let value = self.function.position(name).and_then(|i| self.values.get(i))?;
        (!value.is_null()).then_some(value)
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&'a str>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        if let Some(text) = value.try_as_str() {
            Ok(text)
        } else {
            exec_err!("{}: argument {name} is not text", self.function.name)
        }
    }

    pub(crate) fn owned_text(&self, name: &'static str) -> Result<Option<String>> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// A name, where the empty string would only be a mistake.
    pub(crate) fn name(&self, name: &'static str) -> Result<Option<String>> {
        match self.text(name)? {
            Some(text) if text.trim().is_empty() => Err(error::argument(name, "''", "it must not be empty")),
            text => Ok(text.map(str::to_owned)),
        }
    }

    pub(crate) fn integer(&self, name: &'static str, limits: RangeInclusive<i64>) -> Result<Option<i64>> {
        let value = match self.value(name) {
            None => return Ok(None),
            Some(value) => value.cast_to(&DataType::Int64)?,
        };
        let ScalarValue::Int64(Some(number)) = value else {
            return exec_err!("{}: argument {name} is not an integer", self.function.name);
        };
        if limits.contains(&number) {
            return Ok(Some(number));
        }
        let reason = format!("it must be between {} and {}", limits.start(), limits.end());
        Err(error::argument(name, number, reason))
    }

    pub(crate) fn float(&self, name: &'static str, limits: RangeInclusive<f64>) -> Result<Option<f64>> {
        let value = match self.value(name) {
            None => return Ok(None),
            Some(value) => value.cast_to(&DataType::Float64)?,
        };
        let ScalarValue::Float64(Some(number)) = value else {
            return exec_err!("{}: argument {name} is not a number", self.function.name);
        };
        if limits.contains(&number) {
            return Ok(Some(number));
        }
        let reason = format!("it must be between {} and {}", limits.start(), limits.end());
        Err(error::argument(name, number, reason))
    }

    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(ScalarValue::Boolean(value)) => Ok(*value),
            Some(_) => exec_err!("{}: argument {name} is not a boolean", self.function.name),
        }
    }

    /// A list of texts; a single text counts as a list of one.
    pub(crate) fn texts(&self, name: &'static str) -> Result<Vec<String>> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        if let Some(text) = value.try_as_str() {
            return Ok(text.map(str::to_owned).into_iter().collect());
        }
        let elements = elements(value, &DataType::Utf8)?;
        Ok(elements.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
    }

    /// A list of whole numbers.
    pub(crate) fn integers(&self, name: &'static str) -> Result<Vec<Option<i64>>> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        let elements = elements(value, &DataType::Int64)?;
        Ok(elements.as_primitive::<Int64Type>().iter().collect())
    }
}

/// The elements of a list, cast to one type.
fn elements(value: &ScalarValue, element: &DataType) -> Result<ArrayRef> {
    let list = value.cast_to(&DataType::new_list(element.clone(), true))?.to_array()?;
    Ok(list.as_list::<i32>().value(0))
}

/// The values of each row: `columns` are a call's arguments over `rows` rows.
pub(crate) fn rows(columns: &[ArrayRef], rows: usize) -> impl Iterator<Item = Result<Vec<ScalarValue>>> {
    (0..rows).map(move |row| columns.iter().map(|column| ScalarValue::try_from_array(column, row)).collect())
}

/// True when every column that a call must give is NULL in no row; used to skip work over empty input.
pub(crate) fn is_null_row(values: &[ScalarValue], required: usize) -> bool {
    values.iter().take(required).any(ScalarValue::is_null)
}
