//! Writing GGUF: the tables first, then the tensors in their order, so that a file can be streamed.

use std::io::{self, Write};

use crate::gguf::metadata::Value;
use crate::gguf::types::GgmlType;

const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;

/// A tensor to come; the shape is in Hugging Face's order, rows first.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: GgmlType,
}

impl Tensor {
    fn bytes(&self) -> u64 {
        let shape: Vec<u64> = self.shape.iter().rev().map(|dimension| *dimension as u64).collect();
        self.kind.bytes(&shape).unwrap_or(0)
    }
}

/// Writes the tables; the caller then writes each tensor's bytes and [`pad`]s after it.
pub(crate) fn write_tables(
    out: &mut impl Write,
    metadata: &[(String, Value)],
    tensors: &[Tensor],
) -> io::Result<()> {
    let mut head = Vec::new();
    head.extend_from_slice(b"GGUF");
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    head.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        push_string(&mut head, key);
        push_value(&mut head, value);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        push_string(&mut head, &tensor.name);
        head.extend_from_slice(&(tensor.shape.len() as u32).to_le_bytes());
        for dimension in tensor.shape.iter().rev() {
            head.extend_from_slice(&(*dimension as u64).to_le_bytes());
        }
        head.extend_from_slice(&tensor.kind.id().to_le_bytes());
        head.extend_from_slice(&offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT as u64);
    }
    head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
    out.write_all(&head)
}

/// Fills up to the alignment after `written` bytes of a tensor.
pub(crate) fn pad(out: &mut impl Write, written: usize) -> io::Result<()> {
    let padding = written.next_multiple_of(ALIGNMENT) - written;
    out.write_all(&[0; ALIGNMENT][..padding])
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Integers are written in 32 bits, which is what llama.cpp expects of every key that is written here.
fn push_value(out: &mut Vec<u8>, value: &Value) {
    let mut tag = |id: u32| out.extend_from_slice(&id.to_le_bytes());
    match value {
        Value::Unsigned(value) => {
            tag(4);
            out.extend_from_slice(&(*value as u32).to_le_bytes());
        }
        Value::Signed(value) => {
            tag(5);
            out.extend_from_slice(&(*value as i32).to_le_bytes());
        }
        Value::Float(value) => {
            tag(6);
            out.extend_from_slice(&(*value as f32).to_le_bytes());
        }
        Value::Bool(value) => {
            tag(7);
            out.push(u8::from(*value));
        }
        Value::String(text) => {
            tag(8);
            push_string(out, text);
        }
        Value::Strings(texts) => {
            tag(9);
            tag(8);
            out.extend_from_slice(&(texts.len() as u64).to_le_bytes());
            for text in texts {
                push_string(out, text);
            }
        }
        Value::Integers(values) => {
            tag(9);
            tag(5);
            out.extend_from_slice(&(values.len() as u64).to_le_bytes());
            out.extend(values.iter().flat_map(|value| (*value as i32).to_le_bytes()));
        }
        Value::Floats(values) => {
            tag(9);
            tag(6);
            out.extend_from_slice(&(values.len() as u64).to_le_bytes());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
}
