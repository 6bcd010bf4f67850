//! Any bytes as a store: an error or something that can be verified and read.
//!
//! It begins with the files of `storage/tests/golden`. The checksums of the superblocks and of the objects that they
//! lead to are put right, so that the fuzzer reaches what lies behind them.
#![no_main]

mod checksums;

use std::sync::Arc;

use hyprstream_storage::backend::MemoryBackend;
use hyprstream_storage::{GridOptions, GridStore};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut data = bytes.to_vec();
    checksums::repair(&mut data);
    let data = Arc::new(MemoryBackend::new("data", data));
    let wal = Arc::new(MemoryBackend::new("wal", Vec::new()));
    let Ok(store) = GridStore::open_backends(data, wal, &GridOptions::default()) else { return };
    let _ = store.verify();
    let snapshot = store.snapshot();
    for adapter in snapshot.adapters().unwrap_or_default() {
        for version in snapshot.versions(&adapter).unwrap_or_default() {
            for info in snapshot.matrices(&adapter, &version.version).unwrap_or_default() {
                if info.shape.rows * info.shape.cols < 1 << 20 {
                    let mut values = vec![0.0; info.shape.rows * info.shape.cols];
                    let _ = snapshot.read_matrix(&info.path, &mut values);
                }
            }
        }
    }
    let _ = snapshot.scan_metadata(b"");
});
