//! The arguments of a CALL, by name.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use hyprstream_udfs::Function;

use crate::error::{Error, ErrorKind, Result};

/// The values of a procedure's parameters, in their order; NULL is not given.
#[derive(Debug)]
pub(crate) struct Arguments {
    function: &'static Function,
    values: Vec<ScalarValue>,
}

impl Arguments {
    pub(crate) fn new(function: &'static Function, values: Vec<ScalarValue>) -> Self {
        Self { function, values }
    }

    fn value(&self, name: &str) -> Option<&ScalarValue> {
        let value = self.function.position(name).and_then(|i| self.values.get(i))?;
        (!value.is_null()).then_some(value)
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&str> {
        match self.text(name) {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(self.invalid(name, "''", "it must not be empty")),
            None => {
                let message = format!("procedure {} needs the argument \"{name}\"", self.function.name);
                Err(Error::new(ErrorKind::InvalidParameter, message))
            }
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| value.try_as_str().flatten())
    }

    /// A number that fits the type that is asked for.
    pub(super) fn integer<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>> {
        let Some(ScalarValue::Int64(Some(number))) = self.value(name) else {
            return Ok(None);
        };
        let fitting = T::try_from(*number);
        fitting.map(Some).map_err(|_| {
            let reason = if number.is_negative() {
                "it must be at least 0".to_owned()
            } else {
                format!("it must be less than 2^{}", 8 * size_of::<T>())
            };
            self.invalid(name, &number.to_string(), &reason)
        })
    }

    /// A number.
    pub(super) fn float(&self, name: &str) -> Result<Option<f32>> {
        let Some(ScalarValue::Float64(Some(number))) = self.value(name) else {
            return Ok(None);
        };
        if number.is_finite() {
            Ok(Some(*number as f32))
        } else {
            Err(self.invalid(name, &number.to_string(), "it must be a number"))
        }
    }

    /// True or false.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(ScalarValue::Boolean(value)) => *value,
            _ => None,
        }
    }

    /// A list of texts; a single text is split at its commas, also in the braces that Postgres writes around a list.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        if let Some(Some(text)) = value.try_as_str() {
            let list = text.trim();
            let inner = list.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let parts = inner.unwrap_or(list).split(',');
            return Ok(Some(parts.map(|part| part.trim().to_owned()).collect()));
        }
        let list = value
            .cast_to(&DataType::new_list(DataType::Utf8, true))
            .and_then(|list| list.to_array())
            .map_err(|_| self.invalid(name, &value.to_string(), "it must be a list of texts"))?;
        let texts = list.as_list::<i32>().value(0);
        Ok(Some(texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect()))
    }

    pub(super) fn invalid(&self, name: &str, value: &str, reason: &str) -> Error {
        let message = format!("invalid {name} {value} for procedure {}: {reason}", self.function.name);
        Error::new(ErrorKind::InvalidParameter, message)
    }
}
