//! A GGUF model: its configuration, tokenizer presence and tensors, validated against each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::gguf::config::read_config;
use crate::gguf::names::{gguf_name, is_permuted, permuted_row};
use crate::gguf::reader::{self, TensorInfo};
use crate::gguf::types::GgmlType;
use crate::gguf::vocabulary::{self, SpecialTokens};
use crate::weights::{MappedFile, TensorSource};

/// A validated GGUF file, mapped; tensors are read under Hugging Face's names and in its order.
#[derive(Debug)]
pub struct GgufModel {
    path: PathBuf,
    data: MappedFile,
    config: ModelConfig,
    /// By Hugging Face's name.
    tensors: HashMap<String, TensorInfo>,
    chat_template: Option<String>,
    special_tokens: SpecialTokens,
}

impl GgufModel {
    /// Maps and validates a file.
    pub fn open(path: &Path) -> Result<Self> {
        let data = MappedFile::open(path)?;
        let reader::Contents { metadata, mut tensors } = reader::read(&data, path)?;
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
        Ok(Self { path: path.to_path_buf(), data, config, tensors: named, chat_template, special_tokens })
    }

    /// The file that is mapped.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.data
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
        let bytes = self
            .data
            .get(info.bytes.clone())
            .ok_or_else(|| Error::Internal(format!("tensor `{name}` left its file")))?;
        let values = info.kind.dequantise(bytes)?;
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
