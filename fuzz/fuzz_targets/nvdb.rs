//! Any bytes as a NanoVDB file: an error or a grid. It begins with the files of `storage/tests/golden`.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = hyprstream_storage::parse_nvdb(Path::new("input"), bytes);
});
