//! The structure of a GGUF file, every number of it checked before it is used.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, ErrorKind, Read};
use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use crate::gguf::metadata::{Metadata, Value};
use crate::gguf::types::GgmlType;

/// llama.cpp's limit on tensor names, its terminating NUL included.
const MAX_NAME: usize = 64;
/// The most entries of either table; real files have hundreds.
const MAX_ENTRIES: u64 = 65_536;
/// The alignment of tensors that llama.cpp's processor backend needs.
const ALIGNMENT: u64 = 32;

/// A tensor of the file: its type, its shape in Hugging Face's order (rows first), and the range of its bytes.
#[derive(Clone, Debug)]
pub(crate) struct TensorInfo {
    pub(crate) kind: GgmlType,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Range<u64>,
}

pub(crate) struct Contents<'a> {
    pub(crate) metadata: Metadata<'a>,
    pub(crate) tensors: HashMap<String, TensorInfo>,
    /// Bytes of the tables at the head of the file.
    pub(crate) tables: u64,
}

/// Reads the tables of a file of `length` bytes; afterwards every tensor lies inside it, without overlap.
pub(crate) fn read<'a>(data: &mut dyn BufRead, length: u64, file: &'a Path) -> Result<Contents<'a>> {
    let mut cursor = Cursor { data, length, at: 0, file };
    if cursor.array()? != *b"GGUF" {
        return Err(cursor.refuse("does not begin with GGUF's magic"));
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(cursor.refuse(format!("is GGUF version {version}; 2 and 3 are read")));
    }
    let tensors = cursor.u64()?;
    let pairs = cursor.u64()?;
    if tensors > MAX_ENTRIES || pairs > MAX_ENTRIES {
        return Err(cursor.refuse(format!("claims {tensors} tensors and {pairs} metadata entries")));
    }
    let metadata = read_metadata(&mut cursor, pairs, file)?;
    let alignment = match metadata.get("general.alignment") {
        None => ALIGNMENT,
        Some(Value::Unsigned(n)) if n.is_power_of_two() && (ALIGNMENT..=1 << 20).contains(n) => *n,
        Some(_) => return Err(cursor.refuse("general.alignment is not a power of two from 32 to 2^20")),
    };
    let tensors = read_tensors(&mut cursor, tensors, alignment)?;
    Ok(Contents { metadata, tensors, tables: cursor.at })
}

fn read_metadata<'a>(cursor: &mut Cursor<'_, '_>, pairs: u64, file: &'a Path) -> Result<Metadata<'a>> {
    let mut values = HashMap::new();
    for _ in 0..pairs {
        let key = cursor.string()?;
        if key.is_empty() {
            return Err(cursor.refuse("has an empty metadata key"));
        }
        let kind = cursor.u32()?;
        let value = cursor.value(kind)?;
        if values.contains_key(&key) {
            return Err(cursor.refuse(format!("has metadata `{key}` twice")));
        }
        values.insert(key, value);
    }
    Ok(Metadata { values, file })
}

fn read_tensors(
    cursor: &mut Cursor<'_, '_>,
    count: u64,
    alignment: u64,
) -> Result<HashMap<String, TensorInfo>> {
    let mut entries = Vec::new();
    let mut names = HashSet::new();
    // llama.cpp requires the tensors to follow each other in the order of the table.
    let mut expected = 0u64;
    for _ in 0..count {
        let name = cursor.string()?;
        if name.is_empty() || name.len() >= MAX_NAME {
            return Err(cursor.refuse("has a tensor name that is empty or longer than 63 bytes"));
        }
        if !names.insert(name.clone()) {
            return Err(cursor.refuse(format!("has tensor `{name}` twice")));
        }
        let dimensions = cursor.u32()?;
        if !(1..=4).contains(&dimensions) {
            return Err(cursor.refuse(format!("tensor `{name}` has {dimensions} dimensions")));
        }
        let shape = (0..dimensions).map(|_| cursor.u64()).collect::<Result<Vec<_>>>()?;
        if shape.contains(&0) {
            return Err(cursor.refuse(format!("tensor `{name}` has an empty dimension: {shape:?}")));
        }
        let id = cursor.u32()?;
        let Some(kind) = GgmlType::from_id(id) else {
            return Err(Error::Unsupported(format!(
                "{}: tensor `{name}` of storage type {id}",
                cursor.file.display()
            )));
        };
        let size = kind
            .bytes(&shape)
            .ok_or_else(|| cursor.refuse(format!("tensor `{name}` has impossible dimensions {shape:?}")))?;
        let offset = cursor.u64()?;
        if offset != expected {
            return Err(cursor.refuse(format!("tensor `{name}` lies at {offset} where {expected} was due")));
        }
        expected = size
            .checked_next_multiple_of(alignment)
            .and_then(|size| size.checked_add(expected))
            .ok_or_else(|| cursor.refuse(format!("tensor `{name}` has impossible dimensions {shape:?}")))?;
        entries.push((name, kind, shape, offset, size));
    }
    let start = cursor.at.next_multiple_of(alignment);
    let length = cursor.length;
    let mut tensors = HashMap::new();
    for (name, kind, shape, offset, size) in entries {
        let begin = start.checked_add(offset);
        let end = begin.and_then(|begin| begin.checked_add(size));
        let (Some(begin), Some(end)) = (begin, end.filter(|end| *end <= length)) else {
            return Err(cursor.refuse(format!("tensor `{name}` ends past the end of the file")));
        };
        let shape = shape.into_iter().rev().map(|dimension| dimension as usize).collect();
        tensors.insert(name, TensorInfo { kind, shape, bytes: begin..end });
    }
    Ok(tensors)
}

struct Cursor<'d, 'a> {
    data: &'d mut dyn BufRead,
    length: u64,
    at: u64,
    file: &'a Path,
}

impl Cursor<'_, '_> {
    fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::invalid(self.file, reason)
    }

    /// Counts bytes that are about to be read, which the file must have.
    fn advance(&mut self, length: u64) -> Result<()> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.length);
        self.at =
            end.ok_or_else(|| self.refuse(format!("ends inside its tables, at byte {}", self.length)))?;
        Ok(())
    }

    fn failed(&self, error: std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.refuse("became shorter while it was read"),
            _ => Error::io("read", self.file)(error),
        }
    }

    fn take(&mut self, length: u64) -> Result<Vec<u8>> {
        self.advance(length)?;
        let mut bytes = Vec::new();
        let read =
            (&mut *self.data).take(length).read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        if read as u64 == length { Ok(bytes) } else { Err(self.failed(ErrorKind::UnexpectedEof.into())) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.data.read_exact(&mut bytes).map_err(|error| self.failed(error))?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Result<String> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        if bytes.contains(&0) {
            return Err(self.refuse("has a string with a NUL byte"));
        }
        String::from_utf8(bytes).map_err(|_| self.refuse("has a string that is not UTF-8"))
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(self.refuse(format!("has a flag of value {other}"))),
        }
    }

    fn unsigned(&mut self, kind: u32) -> Result<Option<u64>> {
        Ok(Some(match kind {
            0 => u64::from(self.array::<1>()?[0]),
            2 => u64::from(u16::from_le_bytes(self.array()?)),
            4 => u64::from(self.u32()?),
            10 => self.u64()?,
            _ => return Ok(None),
        }))
    }

    fn signed(&mut self, kind: u32) -> Result<Option<i64>> {
        Ok(Some(match kind {
            1 => i64::from(i8::from_le_bytes(self.array()?)),
            3 => i64::from(i16::from_le_bytes(self.array()?)),
            5 => i64::from(i32::from_le_bytes(self.array()?)),
            11 => i64::from_le_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn float(&mut self, kind: u32) -> Result<Option<f64>> {
        Ok(Some(match kind {
            6 => f64::from(f32::from_le_bytes(self.array()?)),
            12 => f64::from_le_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, kind: u32) -> Result<Value> {
        if let Some(value) = self.unsigned(kind)? {
            return Ok(Value::Unsigned(value));
        }
        if let Some(value) = self.signed(kind)? {
            return Ok(Value::Signed(value));
        }
        if let Some(value) = self.float(kind)? {
            return Ok(Value::Float(value));
        }
        match kind {
            7 => self.boolean().map(Value::Bool),
            8 => self.string().map(Value::String),
            9 => self.values(),
            _ => Err(self.refuse(format!("has metadata of unknown type {kind}"))),
        }
    }

    /// An array. Memory grows with what was read, never with what was claimed.
    fn values(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        let count = self.u64()?;
        if count > self.length {
            return Err(self.refuse(format!("claims an array of {count} values")));
        }
        match kind {
            8 => (0..count).map(|_| self.string()).collect::<Result<_>>().map(Value::Strings),
            7 => {
                (0..count).map(|_| self.boolean().map(i64::from)).collect::<Result<_>>().map(Value::Integers)
            }
            0 | 2 | 4 | 10 => (0..count)
                .map(|_| self.unsigned(kind).map(|value| value.unwrap_or_default() as i64))
                .collect::<Result<_>>()
                .map(Value::Integers),
            1 | 3 | 5 | 11 => (0..count)
                .map(|_| self.signed(kind).map(Option::unwrap_or_default))
                .collect::<Result<_>>()
                .map(Value::Integers),
            6 | 12 => (0..count)
                .map(|_| self.float(kind).map(|value| value.unwrap_or_default() as f32))
                .collect::<Result<_>>()
                .map(Value::Floats),
            _ => Err(self.refuse(format!("has an array of unknown type {kind}"))),
        }
    }
}
