//! The room that adapters take: rotation of versions, compression of cold ones, compaction of the store.

use std::str::FromStr;

use hyprstream_storage::{Compression, Recoded};

use crate::adapter_name::{check_name, parse_one};
use crate::adapter_store::{published_adapters, resolve, version_key};
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::nearest::nearest;
use crate::runtime::blocking;

/// The level at which zstd gains nearly all that it can on weights.
const ZSTD_LEVEL: i32 = 3;

/// How a frozen version is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrozenFormat {
    /// Small.
    #[default]
    Zstd,
    /// Larger, and read faster.
    Lz4,
}

impl FromStr for FrozenFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "zstd" => Ok(Self::Zstd),
            "lz4" => Ok(Self::Lz4),
            _ => Err(Error::argument("compression", format!("'{name}'"), "it is zstd or lz4")),
        }
    }
}

impl FrozenFormat {
    fn compression(self) -> Compression {
        match self {
            Self::Zstd => Compression::Zstd(ZSTD_LEVEL),
            Self::Lz4 => Compression::Lz4,
        }
    }
}

/// What freezing or thawing a version did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecodedAdapter {
    /// The adapter.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Chunks that were stored anew.
    pub chunks: u64,
    /// Chunks left as they are because other versions share them.
    pub shared_chunks: u64,
    /// Bytes of the chunks stored anew, before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes_after: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactedStore {
    /// Length of the store's file before.
    pub bytes_before: u64,
    /// Its length now.
    pub bytes_after: u64,
}

impl Engine {
    /// Drops the versions of an adapter but the newest `keep_last` and, with `keep_tagged`, those that have a tag. What
    /// is known of a dropped version goes with it; checkpoints stay. Says which went, newest first.
    pub fn rotate_adapter(&self, name: &str, keep_last: usize, keep_tagged: bool) -> Result<Vec<String>> {
        check_name(name).map_err(|reason| Error::argument("name", format!("\"{name}\""), reason))?;
        if keep_last == 0 {
            let reason = "at least one version stays; drop_adapter drops all";
            return Err(Error::argument("keep_last", 0, reason));
        }
        let known = published_adapters(&self.adapter_store.snapshot())?;
        if !known.iter().any(|known| known == name) {
            return Err(Error::UnknownAdapter {
                name: name.to_owned(),
                nearest: nearest(name, known.iter().map(String::as_str)),
            });
        }
        self.adapter_store.write(|transaction| {
            let dropped = transaction.rotate_versions(name, keep_last, keep_tagged)?;
            for version in &dropped {
                transaction.remove_metadata(&version_key(name, version))?;
            }
            Ok(dropped)
        })
    }

    /// Compresses what a version alone holds; it answers as before and is read more slowly. What is frozen in another
    /// format already is frozen anew.
    pub async fn freeze_adapter(&self, name: &str, format: FrozenFormat) -> Result<RecodedAdapter> {
        self.recode_adapter(name, Some(format.compression())).await
    }

    /// Takes back [`Engine::freeze_adapter`].
    pub async fn thaw_adapter(&self, name: &str) -> Result<RecodedAdapter> {
        self.recode_adapter(name, None).await
    }

    async fn recode_adapter(&self, name: &str, compression: Option<Compression>) -> Result<RecodedAdapter> {
        let adapter = resolve(&self.adapter_store.snapshot(), &parse_one(name)?)?;
        let store = self.adapter_store.clone();
        blocking(move || {
            let Recoded { chunks, shared, bytes_before, bytes_after } = store.write(|transaction| {
                Ok(match compression {
                    Some(compression) => {
                        transaction.freeze_version(&adapter.name, &adapter.version, compression)?
                    }
                    None => transaction.thaw_version(&adapter.name, &adapter.version)?,
                })
            })?;
            Ok(RecodedAdapter {
                version: adapter.version.parse().unwrap_or(0),
                name: adapter.name,
                chunks,
                shared_chunks: shared,
                bytes_before,
                bytes_after,
            })
        })
        .await
    }

    /// Writes the weight store anew without holes and gives the rest of its space back. Writes wait meanwhile; what
    /// answers goes on.
    pub async fn compact(&self) -> Result<CompactedStore> {
        let store = self.adapter_store.clone();
        blocking(move || {
            let compacted = store.grid().compact()?;
            Ok(CompactedStore { bytes_before: compacted.bytes_before, bytes_after: compacted.bytes_after })
        })
        .await
    }
}
