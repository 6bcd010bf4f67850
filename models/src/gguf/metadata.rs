//! The key-value pairs at the head of a GGUF file.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    String(String),
    Strings(Vec<String>),
    Integers(Vec<i64>),
    Floats(Vec<f32>),
}

/// All metadata of a file, with the file's name in every complaint.
#[derive(Clone, Debug)]
pub(crate) struct Metadata<'a> {
    pub(crate) values: HashMap<String, Value>,
    pub(crate) file: &'a Path,
}

impl Metadata<'_> {
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    fn wrong(&self, key: &str, kind: &str) -> Error {
        Error::invalid(self.file, format!("metadata `{key}` is missing or not {kind}"))
    }

    pub(crate) fn string(&self, key: &str) -> Result<&str> {
        match self.get(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.wrong(key, "a string")),
        }
    }

    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Unsigned(value)) => {
                usize::try_from(*value).map(Some).map_err(|_| self.wrong(key, "a size"))
            }
            Some(Value::Signed(value)) => {
                usize::try_from(*value).map(Some).map_err(|_| self.wrong(key, "a size"))
            }
            Some(_) => Err(self.wrong(key, "a size")),
        }
    }

    pub(crate) fn size(&self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| self.wrong(key, "a size"))
    }

    pub(crate) fn optional_float(&self, key: &str) -> Result<Option<f64>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Float(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong(key, "a float")),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong(key, "a flag")),
        }
    }

    pub(crate) fn strings(&self, key: &str) -> Result<&[String]> {
        match self.get(key) {
            Some(Value::Strings(values)) => Ok(values),
            _ => Err(self.wrong(key, "an array of strings")),
        }
    }

    pub(crate) fn integers(&self, key: &str) -> Result<&[i64]> {
        match self.get(key) {
            Some(Value::Integers(values)) => Ok(values),
            _ => Err(self.wrong(key, "an array of integers")),
        }
    }

    pub(crate) fn floats(&self, key: &str) -> Result<&[f32]> {
        match self.get(key) {
            Some(Value::Floats(values)) => Ok(values),
            _ => Err(self.wrong(key, "an array of floats")),
        }
    }
}
