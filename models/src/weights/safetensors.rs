//! Weights in Hugging Face's safetensors files, one or sharded, memory-mapped.
//!
//! Everything is checked on opening: after that every tensor of the configuration lies whole inside its file,
//! has the configured shape and a type that can be read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::weights::memory_map::MappedFile;
use crate::weights::source::TensorSource;

/// The file of an unsharded model.
pub(crate) const SINGLE_FILE: &str = "model.safetensors";
/// The file that says which shard holds which tensor.
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";

/// How a tensor's values are stored in a safetensors file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredType {
    F32,
    F16,
    Bf16,
}

impl StoredType {
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Decodes little-endian bytes into as many values as `out` holds.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => {
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f16::from_le_bytes(*bytes).to_f32();
                }
            }
            Self::Bf16 => {
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *value = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
        }
    }
}

#[derive(Debug)]
struct Tensor {
    shard: usize,
    stored: StoredType,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    data: MappedFile,
}

/// A Hugging Face model's weights, mapped and validated against its configuration.
#[derive(Debug)]
pub struct SafetensorsModel {
    config: ModelConfig,
    shards: Vec<Shard>,
    tensors: HashMap<String, Tensor>,
}

impl SafetensorsModel {
    /// Opens `model.safetensors`, or the shards of `model.safetensors.index.json`, in `dir`.
    pub fn open(dir: &Path, config: ModelConfig) -> Result<Self> {
        let single = dir.join(SINGLE_FILE);
        let index = dir.join(INDEX_FILE);
        let files = if single.is_file() {
            vec![single]
        } else if index.is_file() {
            shard_files(dir, &index)?
        } else {
            return Err(Error::invalid(dir, format!("holds neither {SINGLE_FILE} nor {INDEX_FILE}")));
        };
        let mut model = Self { config, shards: Vec::new(), tensors: HashMap::new() };
        let wanted: HashMap<String, Vec<usize>> = model.config.tensors().into_iter().collect();
        for file in files {
            model.add_shard(file, &wanted)?;
        }
        let mut missing: Vec<_> = wanted.keys().filter(|name| !model.tensors.contains_key(*name)).collect();
        missing.sort();
        if let Some(first) = missing.first() {
            return Err(Error::invalid(
                dir,
                format!("lacks {} of its configuration's tensors, `{first}` the first", missing.len()),
            ));
        }
        Ok(model)
    }

    fn add_shard(&mut self, path: PathBuf, wanted: &HashMap<String, Vec<usize>>) -> Result<()> {
        let data = MappedFile::open(&path)?;
        let (header, metadata) = SafeTensors::read_metadata(&data)
            .map_err(|error| Error::invalid(&path, format!("is not a whole safetensors file: {error}")))?;
        let start = header + size_of::<u64>();
        let tensors: BTreeMap<String, _> = metadata.tensors().into_iter().collect();
        for (name, info) in tensors {
            // Files carry buffers that the computation does not need, such as rotary tables.
            let Some(shape) = wanted.get(&name) else {
                expect_buffer(&path, &name)?;
                continue;
            };
            if info.shape != *shape {
                return Err(Error::invalid(
                    &path,
                    format!(
                        "tensor `{name}` has shape {:?} where the configuration says {shape:?}",
                        info.shape
                    ),
                ));
            }
            let stored = match info.dtype {
                Dtype::F32 => StoredType::F32,
                Dtype::F16 => StoredType::F16,
                Dtype::BF16 => StoredType::Bf16,
                other => {
                    return Err(Error::Unsupported(format!(
                        "{}: tensor `{name}` of type {other:?}; F32, F16 and BF16 are read",
                        path.display()
                    )));
                }
            };
            let bytes = start + info.data_offsets.0..start + info.data_offsets.1;
            if bytes.end > data.len() {
                return Err(Error::invalid(&path, format!("tensor `{name}` ends past the end of the file")));
            }
            let tensor = Tensor { shard: self.shards.len(), stored, shape: info.shape.clone(), bytes };
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(Error::invalid(&path, format!("tensor `{name}` stands in two shards")));
            }
        }
        self.shards.push(Shard { path, data });
        Ok(())
    }

    /// The files that the weights lie in.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// A tensor's stored bytes.
    pub(crate) fn stored(&self, name: &str) -> Option<(StoredType, &[u8])> {
        let tensor = self.tensors.get(name)?;
        let shard = self.shards.get(tensor.shard)?;
        Some((tensor.stored, shard.data.get(tensor.bytes.clone())?))
    }
}

impl TensorSource for SafetensorsModel {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let (stored, bytes) =
            self.stored(name).ok_or_else(|| Error::Argument(format!("the model has no tensor `{name}`")))?;
        let mut values = vec![0.0; bytes.len() / stored.size()];
        stored.decode(bytes, &mut values);
        Ok(values)
    }
}

/// Refuses a weight that the configuration's model does not have: it belongs to a model that would answer otherwise.
/// Buffers are passed over.
fn expect_buffer(path: &Path, name: &str) -> Result<()> {
    let is_weight = matches!(name.rsplit('.').next(), Some("weight" | "bias"));
    // A tied head is stored by some, and is the embedding.
    if is_weight && name != "lm_head.weight" {
        let reason = format!("tensor `{name}` has no place in the model that config.json describes");
        return Err(Error::invalid(path, reason));
    }
    Ok(())
}

/// The shards that an index names: plain files beside it, never elsewhere.
fn shard_files(dir: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let bytes = std::fs::read(index).map_err(Error::io("read", index))?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::invalid(index, format!("is not valid JSON: {error}")))?;
    let map = value
        .get("weight_map")
        .and_then(Value::as_object)
        .ok_or_else(|| Error::invalid(index, "has no weight_map object"))?;
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for file in map.values() {
        let Some(name) = file.as_str() else {
            return Err(Error::invalid(index, format!("weight_map names {file}, not a file")));
        };
        if seen.insert(name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| {
            let mut parts = Path::new(name).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            let path = dir.join(name);
            if !plain || name.contains('\0') {
                Err(Error::invalid(
                    index,
                    format!("weight_map names `{name}`, which is not a file beside it"),
                ))
            } else if path.is_file() {
                Ok(path)
            } else {
                Err(Error::invalid(index, format!("weight_map names `{name}`, which is not there")))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_and_a_tied_head_are_passed_over() {
        let path = Path::new("model.safetensors");
        assert!(expect_buffer(path, "model.layers.0.self_attn.rotary_emb.inv_freq").is_ok());
        assert!(expect_buffer(path, "lm_head.weight").is_ok());
    }
}
