//! `CALL compact()`: writes the weight store anew without holes, merges the parts of tables, removes what was set aside,
//! and so gives space back.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use hyprstream_engine::CompactedStore;
use hyprstream_udfs::Function;

use crate::error::{Error, Result};
use crate::procedures::procedure::{Procedure, one};

pub(crate) static COMPACT: Procedure<CompactedStore> = Procedure {
    function: Function { name: "compact", parameters: &[], required: 0 },
    columns: |columns| {
        columns
            .bigint("bytes_before", |r| Some(r.bytes_before))
            .bigint("bytes_after", |r| Some(r.bytes_after))
    },
    run: |session, _| {
        async move {
            let database = Arc::clone(session.database());
            let merged = tokio::task::spawn_blocking(move || {
                let bytes_before = kept_bytes(database.engine().data_dir())?;
                database.tables.merge_all()?;
                Ok::<u64, Error>(bytes_before)
            });
            let bytes_before = merged.await.map_err(Error::internal)??;
            session.engine().compact().await?;
            let database = Arc::clone(session.database());
            let measured = tokio::task::spawn_blocking(move || kept_bytes(database.engine().data_dir()));
            let bytes_after = measured.await.map_err(Error::internal)??;
            Ok(one(CompactedStore { bytes_before, bytes_after }))
        }
        .boxed()
    },
};

/// The length of all files of a data directory but those of models.
fn kept_bytes(data_dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut directories = vec![data_dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().map_err(|e| Error::io("read", &directory, &e))? {
            let path = entry.map_err(|e| Error::io("read", &directory, &e))?.path();
            // A file that went meanwhile takes no space.
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            if !metadata.is_dir() {
                bytes += metadata.len();
            } else if path != data_dir.join("models") {
                directories.push(path);
            }
        }
    }
    Ok(bytes)
}
