//! Compression of versions that are seldom read.

use std::str::FromStr;

use hyprstream_storage::{Compression, Recoded};

use crate::adapters::name::parse_one;
use crate::adapters::record::version_number;
use crate::adapters::resolve::resolve;
use crate::adapters::store::AdapterStore;
use crate::blocking::blocking;
use crate::error::{Error, Result};

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
            _ => Err(Error::text_argument("compression", name, "it is zstd or lz4")),
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

/// A version that was frozen or thawed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecodedAdapter {
    /// The adapter.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Chunks that were rewritten.
    pub chunks: u64,
    /// Chunks left as they are because other versions share them.
    pub shared_chunks: u64,
    /// Bytes of the rewritten chunks before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes_after: u64,
}

pub(crate) async fn freeze(store: &AdapterStore, name: &str, format: FrozenFormat) -> Result<RecodedAdapter> {
    recode(store, name, Some(format.compression())).await
}

pub(crate) async fn thaw(store: &AdapterStore, name: &str) -> Result<RecodedAdapter> {
    recode(store, name, None).await
}

async fn recode(
    store: &AdapterStore,
    name: &str,
    compression: Option<Compression>,
) -> Result<RecodedAdapter> {
    let adapter = resolve(&store.snapshot(), &parse_one(name)?)?;
    let store = store.clone();
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
            version: version_number(&adapter.version)?,
            name: adapter.name,
            chunks,
            shared_chunks: shared,
            bytes_before,
            bytes_after,
        })
    })
    .await
}
