//! A GGUF model: its configuration, tokenizer presence and tensors, validated against each other.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::ModelConfig;
use crate::content_hash::ContentHash;
use crate::error::{Error, Result};
use crate::gguf::config::read_config;
use crate::gguf::names::{gguf_name, is_permuted, permuted_row};
use crate::gguf::reader::{self, TensorInfo};
use crate::gguf::types::GgmlType;
use crate::gguf::vocabulary::{self, SpecialTokens};
use crate::weights::{CheckedRange, SourceFile, TensorSource};

/// The tables are read in steps of this many bytes.
const READ: usize = 1 << 20;

/// A validated GGUF file; tensors are read under Hugging Face's names and in its order.
#[derive(Debug)]
pub struct GgufModel {
    path: PathBuf,
    data: CheckedRange,
    hash: ContentHash,
    /// Bytes of the tables at the head of the file.
    tables: u64,
    config: ModelConfig,
    /// By Hugging Face's name.
    tensors: HashMap<String, TensorInfo>,
    chat_template: Option<String>,
    special_tokens: SpecialTokens,
}

impl GgufModel {
    /// Reads and validates a file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = SourceFile::open(path)?;
        let mut hash = Sha256::new();
        let mut first = BufReader::with_capacity(READ, file.first_read(0..file.length(), &mut hash));
        let contents = reader::read(&mut first, file.length(), path)?;
        let data = first.into_inner().finish()?;
        let reader::Contents { metadata, mut tensors, tables } = contents;
        let config = read_config(&metadata, &tensors, &data)?;
        vocabulary::validate(&metadata, &config)?;
        let mut named = HashMap::new();
        for (name, shape) in config.tensors() {
            let gguf = gguf_name(&name).unwrap_or_default();
            let Some(info) = tensors.remove(&gguf) else {
                return Err(Error::invalid(path, format!("lacks tensor `{gguf}`")));
            };
            if info.shape != shape {
                return Err(Error::invalid(
                    path,
                    format!("tensor `{gguf}` has shape {:?} where its metadata says {shape:?}", info.shape),
                ));
            }
            if shape.len() == 1 && info.kind != GgmlType::F32 {
                return Err(Error::invalid(
                    path,
                    format!("tensor `{gguf}` is a vector and not stored as F32"),
                ));
            }
            named.insert(name, info);
        }
        tensors.remove("rope_freqs.weight");
        if let Some(name) = tensors.keys().min() {
            return Err(Error::Unsupported(format!(
                "{}: tensor `{name}` in a {} model",
                path.display(),
                config.architecture
            )));
        }
        let chat_template = metadata.string("tokenizer.chat_template").ok().map(str::to_owned);
        let special_tokens = vocabulary::special_tokens(&metadata);
        Ok(Self {
            path: path.to_path_buf(),
            data,
            hash: ContentHash::from_bytes(hash.finalize().into()),
            tables,
            config,
            tensors: named,
            chat_template,
            special_tokens,
        })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 of the whole file.
    pub const fn content_hash(&self) -> ContentHash {
        self.hash
    }

    /// The length of the whole file, in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.data.length()
    }

    /// The whole file, piece by piece, as it was when it was hashed.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Result<Vec<u8>>> + '_ {
        self.data.pieces(0..self.length())
    }

    /// The tables at the head of the file, piece by piece.
    pub(crate) fn table_pieces(&self) -> impl Iterator<Item = Result<Vec<u8>>> + '_ {
        self.data.pieces(0..self.tables)
    }

    /// The chat template's source, if the file carries one.
    pub(crate) fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// The texts of the tokens that begin and end a text.
    pub(crate) const fn special_tokens(&self) -> &SpecialTokens {
        &self.special_tokens
    }
}

impl TensorSource for GgufModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let info = self
            .tensors
            .get(name)
            .ok_or_else(|| Error::Argument(format!("the model has no tensor `{name}`")))?;
        let values = info.kind.dequantise(self.data.read(info.bytes.clone())?)?;
        if !is_permuted(self.config.architecture, name) {
            return Ok(values);
        }
        let width = info.shape.last().copied().unwrap_or(1);
        let mut ordered = vec![0.0; values.len()];
        for (row, stored) in values.chunks_exact(width).enumerate() {
            let at = permuted_row(row, self.config.head_dim) * width;
            ordered[at..at + width].copy_from_slice(stored);
        }
        Ok(ordered)
    }
}
