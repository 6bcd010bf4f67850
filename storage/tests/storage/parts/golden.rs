//! A record of encoding 1 that is checked in decodes, and is what is encoded.

use std::path::{Path, PathBuf};

use hyprstream_storage::{Error, PartRecord};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/part.record")
}

fn record() -> PartRecord {
    PartRecord {
        name: "019a0b1c2d3e-0000001f-ba7816bf8f01cfea414140de5dae2223.parquet".to_owned(),
        bytes: 131_073,
        blocks: vec![0x0102_0304, 0xfffe_fdfc, 0x8000_0001],
    }
}

#[test]
fn the_golden_record_is_what_is_written_and_read() {
    let bytes = std::fs::read(golden()).unwrap();
    assert_eq!(PartRecord::decode(&bytes).unwrap(), record());
    assert_eq!(record().encode(), bytes);
}

#[test]
fn a_record_of_a_later_encoding_is_refused_as_such() {
    let mut bytes = record().encode();
    bytes[0] = 2;
    let content = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.to_le_bytes());
    let refused = PartRecord::decode(&bytes).unwrap_err();
    assert!(matches!(refused, Error::UnsupportedVersion { found: 2, supported: 1, .. }), "{refused}");
}

#[test]
fn a_record_that_describes_no_file_is_damaged_even_under_a_right_checksum() {
    let wrong_name = PartRecord { name: "../grid/grid.data".to_owned(), ..record() };
    let no_name = PartRecord { name: String::new(), ..record() };
    let too_many = PartRecord { bytes: 131_072, ..record() };
    let too_few = PartRecord { bytes: 196_609, ..record() };
    let endless = PartRecord { bytes: u64::MAX, ..record() };
    for wrong in [wrong_name, no_name, too_many, too_few, endless] {
        let refused = PartRecord::decode(&wrong.encode()).unwrap_err();
        assert!(matches!(refused, Error::Corrupt { .. }), "{wrong:?}: {refused}");
    }
}

/// Writes the golden record; run by hand when there is a new encoding.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_record() {
    std::fs::write(golden(), record().encode()).unwrap();
}
