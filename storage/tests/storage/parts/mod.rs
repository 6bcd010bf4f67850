//! Files that never change, under checksums.

mod directory;
mod golden;
mod properties;

use std::io::Write;

use hyprstream_storage::{PartDirectory, PartRecord};

fn write_part(parts: &PartDirectory, content: &[u8]) -> PartRecord {
    let mut writer = parts.begin().unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}
