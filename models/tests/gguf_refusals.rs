//! What can be wrong with a GGUF file, one by one and in each family: refused with the file and the reason.

use std::fs;

use hyprstream_models::{Architecture, Error, ModelFiles, WeightType};
use hyprstream_models_testing::random;
use tempfile::TempDir;

const FAMILIES: [Architecture; 3] = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];

fn gguf(architecture: Architecture) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model");
    random::write_model_dir(&path, &random::small_config(architecture), 3).unwrap();
    let files = ModelFiles::open(&path).unwrap();
    fs::read(files.gguf(directory.path(), WeightType::Stored).unwrap()).unwrap()
}

/// The reason for which a file is refused; the error names it.
fn refusal(bytes: &[u8]) -> String {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    match ModelFiles::open(&path) {
        Err(Error::Invalid { file, reason }) => {
            assert_eq!(file, path, "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// Where the first occurrence of a name ends.
fn behind(bytes: &[u8], name: &str) -> usize {
    let mut windows = bytes.windows(name.len());
    windows.position(|window| window == name.as_bytes()).unwrap() + name.len()
}

fn patched(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

/// Asserts that each family is refused for a reason that contains `expected`.
fn assert_refused(damage: impl Fn(Architecture, &[u8]) -> Vec<u8>, expected: &str) {
    for architecture in FAMILIES {
        let reason = refusal(&damage(architecture, &gguf(architecture)));
        assert!(reason.contains(expected), "{architecture}: {reason}");
    }
}

#[test]
fn the_untouched_files_are_accepted() {
    for architecture in FAMILIES {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("model.gguf");
        fs::write(&path, gguf(architecture)).unwrap();
        ModelFiles::open(&path).unwrap();
    }
}

#[test]
fn a_wrong_magic() {
    assert_refused(|_, bytes| patched(bytes, 0, b"GGUG"), "does not begin with GGUF's magic");
}

#[test]
fn a_missing_tensor() {
    assert_refused(
        |_, bytes| {
            let end = behind(bytes, "blk.1.attn_q.weight");
            patched(bytes, end - "attn_q.weight".len(), b"attn_z.weight")
        },
        "lacks tensor `blk.1.attn_q.weight`",
    );
}

#[test]
fn a_number_that_is_none() {
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let float = [6u32.to_le_bytes(), value.to_le_bytes()].concat();
        assert_refused(
            |architecture, bytes| {
                let key = format!("{architecture}.attention.layer_norm_rms_epsilon");
                patched(bytes, behind(bytes, &key), &float)
            },
            &format!("rms_norm_eps is {name}"),
        );
        assert_refused(
            |architecture, bytes| {
                let key = format!("{architecture}.rope.freq_base");
                patched(bytes, behind(bytes, &key), &float)
            },
            &format!("rope_theta is {name}"),
        );
    }
}

/// Behind a tensor's name: number of dimensions (u32), two dimensions (u64), type (u32), offset (u64).
const FIRST_DIMENSION: usize = 4;
const OFFSET: usize = 4 + 16 + 4;

#[test]
fn a_tensor_past_the_end() {
    assert_refused(
        |_, bytes| {
            let at = behind(bytes, "blk.1.ffn_down.weight") + OFFSET;
            patched(bytes, at, &(1u64 << 40).to_le_bytes())
        },
        "tensor `blk.1.ffn_down.weight` lies at 1099511627776 where ",
    );
    assert_refused(
        |_, bytes| {
            let at = behind(bytes, "blk.1.ffn_down.weight") + OFFSET;
            patched(bytes, at, &u64::MAX.to_le_bytes())
        },
        "tensor `blk.1.ffn_down.weight` lies at 18446744073709551615 where ",
    );
}

#[test]
fn absurd_dimensions() {
    for dimension in [u64::MAX, 1 << 63, 1 << 62] {
        assert_refused(
            |_, bytes| {
                let at = behind(bytes, "blk.0.ffn_up.weight") + FIRST_DIMENSION;
                patched(bytes, at, &dimension.to_le_bytes())
            },
            "tensor `blk.0.ffn_up.weight` has impossible dimensions",
        );
    }
    assert_refused(
        |_, bytes| {
            let at = behind(bytes, "blk.0.ffn_up.weight") + FIRST_DIMENSION;
            patched(bytes, at, &0u64.to_le_bytes())
        },
        "tensor `blk.0.ffn_up.weight` has an empty dimension",
    );
}

#[test]
fn a_file_that_is_cut_off() {
    assert_refused(|_, _| Vec::new(), "is empty");
    for length in [3, 4, 7, 23, 24, 100, 1000, 5000] {
        assert_refused(|_, bytes| bytes[..length].to_vec(), "ends inside its tables, at byte ");
    }
    for missing in [64, 1000, 50_000] {
        assert_refused(|_, bytes| bytes[..bytes.len() - missing].to_vec(), "ends past the end of the file");
    }
}
