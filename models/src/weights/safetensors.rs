//! Weights in Hugging Face's safetensors files, one or sharded.
//!
//! Everything is checked on opening: after that every tensor of the configuration lies whole inside its file,
//! has the configured shape and a type that can be read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::ModelConfig;
use crate::content_hash::hash_part;
use crate::error::{Error, Result};
use crate::weights::checked_range::{CheckedRange, SourceFile};
use crate::weights::source::TensorSource;

/// The file of an unsharded model.
pub(crate) const SINGLE_FILE: &str = "model.safetensors";
/// The file that says which shard holds which tensor.
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";
/// A file begins with the length of its header.
const HEADER_START: u64 = 8;
/// The longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

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

/// A tensor as a file stores it.
#[derive(Debug)]
pub(crate) struct StoredTensor {
    pub(crate) kind: StoredType,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: CheckedRange,
}

/// Where a tensor lies, before its bytes were read.
struct FoundTensor {
    shard: Arc<SourceFile>,
    kind: StoredType,
    shape: Vec<usize>,
    bytes: Range<u64>,
}

/// A Hugging Face model's weights, read and validated against its configuration.
#[derive(Debug)]
pub struct SafetensorsModel {
    config: ModelConfig,
    tensors: HashMap<String, StoredTensor>,
}

impl SafetensorsModel {
    /// Opens `model.safetensors`, or the shards of `model.safetensors.index.json`, in `dir`.
    pub fn open(dir: &Path, config: ModelConfig) -> Result<Self> {
        Self::open_hashed(dir, config, &mut Sha256::new())
    }

    /// Opens the weights and feeds the names, types and bytes of all tensors to a hash, in the configuration's order.
    pub(crate) fn open_hashed(dir: &Path, config: ModelConfig, hash: &mut Sha256) -> Result<Self> {
        let single = dir.join(SINGLE_FILE);
        let index = dir.join(INDEX_FILE);
        let files = if single.is_file() {
            vec![single]
        } else if index.is_file() {
            shard_files(dir, &index)?
        } else {
            return Err(Error::invalid(dir, format!("holds neither {SINGLE_FILE} nor {INDEX_FILE}")));
        };
        let wanted: HashMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut found = HashMap::new();
        for file in files {
            find_tensors(&file, &wanted, &mut found)?;
        }
        let mut missing: Vec<_> = wanted.keys().filter(|name| !found.contains_key(*name)).collect();
        missing.sort();
        if let Some(first) = missing.first() {
            return Err(Error::invalid(
                dir,
                format!("lacks {} of its configuration's tensors, `{first}` the first", missing.len()),
            ));
        }
        let mut tensors = HashMap::new();
        for (name, _) in config.tensors() {
            if let Some(tensor) = found.remove(&name) {
                tensors.insert(name.clone(), tensor.read(&name, hash)?);
            }
        }
        Ok(Self { config, tensors })
    }

    /// A tensor as it is stored.
    pub(crate) fn stored(&self, name: &str) -> Option<&StoredTensor> {
        self.tensors.get(name)
    }
}

impl FoundTensor {
    fn read(self, name: &str, hash: &mut Sha256) -> Result<StoredTensor> {
        hash_part(hash, name.as_bytes());
        hash_part(hash, &[self.kind.size() as u8, self.kind as u8]);
        hash.update((self.bytes.end - self.bytes.start).to_le_bytes());
        let bytes = self.shard.first_read(self.bytes, hash).finish()?;
        Ok(StoredTensor { kind: self.kind, shape: self.shape, bytes })
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
        let StoredTensor { kind, bytes, .. } =
            self.stored(name).ok_or_else(|| Error::Argument(format!("the model has no tensor `{name}`")))?;
        let bytes = bytes.read(0..bytes.length())?;
        let mut values = vec![0.0; bytes.len() / kind.size()];
        kind.decode(&bytes, &mut values);
        Ok(values)
    }
}

/// Adds the wanted tensors of a file to `found`.
fn find_tensors(
    path: &Path,
    wanted: &HashMap<String, Vec<usize>>,
    found: &mut HashMap<String, FoundTensor>,
) -> Result<()> {
    let shard = SourceFile::open(path)?;
    let (start, metadata) = read_header(&shard)?;
    let tensors: BTreeMap<String, _> = metadata.tensors().into_iter().collect();
    for (name, info) in tensors {
        // Files carry buffers that the computation does not need, such as rotary tables.
        let Some(shape) = wanted.get(&name) else {
            expect_buffer(path, &name)?;
            continue;
        };
        if info.shape != *shape {
            return Err(Error::invalid(
                path,
                format!("tensor `{name}` has shape {:?} where the configuration says {shape:?}", info.shape),
            ));
        }
        let kind = match info.dtype {
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
        let bytes = start + info.data_offsets.0 as u64..start + info.data_offsets.1 as u64;
        let tensor = FoundTensor { shard: Arc::clone(&shard), kind, shape: info.shape.clone(), bytes };
        if found.insert(name.clone(), tensor).is_some() {
            return Err(Error::invalid(path, format!("tensor `{name}` stands in two shards")));
        }
    }
    Ok(())
}

/// The header of a file whose tensors fill the rest of it, and where they begin.
fn read_header(shard: &SourceFile) -> Result<(u64, Metadata)> {
    let refuse =
        |reason: &str| Error::invalid(shard.path(), format!("is not a whole safetensors file: {reason}"));
    if shard.length() < HEADER_START {
        return Err(refuse("it is too short for a header"));
    }
    let mut length = [0; HEADER_START as usize];
    length.copy_from_slice(&shard.read(0..HEADER_START)?);
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || HEADER_START + length > shard.length() {
        return Err(refuse("its header is longer than it may be"));
    }
    let start = HEADER_START + length;
    let header = shard.read(HEADER_START..start)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| refuse(&format!("its header says nothing: {error}")))?;
    if start.checked_add(metadata.data_len() as u64) != Some(shard.length()) {
        return Err(refuse("its length is not the one that its header gives"));
    }
    Ok((start, metadata))
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
pub(crate) fn shard_files(dir: &Path, index: &Path) -> Result<Vec<PathBuf>> {
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
