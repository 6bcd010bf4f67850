//! A Hugging Face model whose weights lie in several files is the model that they would be in one.

use std::fs;
use std::path::{Path, PathBuf};

use hyprstream_models::{Architecture, Error, ModelFiles};
use hyprstream_models_testing::random;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

const INDEX: &str = "model.safetensors.index.json";

fn shard_name(shard: usize, shards: usize) -> String {
    format!("model-{:05}-of-{shards:05}.safetensors", shard + 1)
}

/// The tensors of a file: name, entry of the header, bytes.
fn tensors(path: &Path) -> Vec<(String, Value, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) = bytes[8..].split_at(length);
    let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    let part = |entry: &Value| {
        let at = |end: usize| entry["data_offsets"][end].as_u64().unwrap() as usize;
        data[at(0)..at(1)].to_vec()
    };
    header.into_iter().map(|(name, entry)| (name, entry.clone(), part(&entry))).collect()
}

fn write_shard(path: &Path, tensors: &[&(String, Value, Vec<u8>)]) {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, entry, bytes) in tensors {
        let end = data.len() + bytes.len();
        let entry =
            json!({"dtype": entry["dtype"], "shape": entry["shape"], "data_offsets": [data.len(), end]});
        header.insert(name.clone(), entry);
        data.extend_from_slice(bytes);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    fs::write(path, file).unwrap();
}

/// A model, and the same with its tensors dealt out to shards.
fn model(shards: usize) -> (TempDir, PathBuf, PathBuf) {
    let directory = TempDir::new().unwrap();
    let (whole, sharded) = (directory.path().join("whole"), directory.path().join("sharded"));
    let config = random::small_config(Architecture::Qwen3);
    for path in [&whole, &sharded] {
        random::write_model_dir(path, &config, 5).unwrap();
    }
    let file = sharded.join("model.safetensors");
    let tensors = tensors(&file);
    assert!(tensors.len() > shards);
    let mut weight_map = Map::new();
    for shard in 0..shards {
        let name = shard_name(shard, shards);
        let own: Vec<_> = tensors.iter().skip(shard).step_by(shards).collect();
        for (tensor, ..) in &own {
            weight_map.insert(tensor.clone(), json!(name));
        }
        write_shard(&sharded.join(name), &own);
    }
    fs::remove_file(file).unwrap();
    let index = json!({"metadata": {"total_size": 1}, "weight_map": weight_map});
    fs::write(sharded.join(INDEX), index.to_string()).unwrap();
    (directory, whole, sharded)
}

#[test]
fn every_tensor_of_every_shard_is_read_and_the_model_is_the_same_by_content() {
    for shards in [2, 5] {
        let (_keep, whole, sharded) = model(shards);
        let (whole, sharded) = (ModelFiles::open(&whole).unwrap(), ModelFiles::open(&sharded).unwrap());
        assert_eq!(sharded.content_hash(), whole.content_hash());
        for (name, shape) in whole.config().tensors() {
            assert_eq!(sharded.tensors().shape(&name), Some(shape.as_slice()));
            assert_eq!(
                sharded.tensors().read_f32(&name).unwrap(),
                whole.tensors().read_f32(&name).unwrap(),
                "{name}"
            );
        }
    }
}

/// The file and the reason for which a directory is refused.
fn refusal(path: &Path) -> (String, String) {
    match ModelFiles::open(path) {
        Err(Error::Invalid { file, reason }) => {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            (name, reason)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shard_that_is_missing_cut_off_or_without_its_tensor_is_refused() {
    let (_keep, _, sharded) = model(3);
    let second = sharded.join(shard_name(1, 3));
    let good = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    let (file, reason) = refusal(&sharded);
    assert_eq!(file, INDEX);
    assert!(reason.contains(&shard_name(1, 3)), "{reason}");

    fs::write(&second, &good[..good.len() - 1]).unwrap();
    assert_eq!(refusal(&sharded).0, shard_name(1, 3));

    let left = tensors_but_the_first(&good, &second);
    let (_, reason) = refusal(&sharded);
    assert!(reason.contains(&left), "{reason}");

    fs::write(&second, good).unwrap();
    ModelFiles::open(&sharded).expect("the untouched shards are accepted");
}

/// Writes a shard without its first tensor, and names that.
fn tensors_but_the_first(shard: &[u8], path: &Path) -> String {
    fs::write(path, shard).unwrap();
    let all = tensors(path);
    write_shard(path, &all.iter().skip(1).collect::<Vec<_>>());
    all[0].0.clone()
}
