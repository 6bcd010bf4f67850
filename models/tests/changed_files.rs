//! What a model answers is what its hash names, whatever happens to its files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyprstream_models::{
    Architecture, Batch, CacheType, ContentHash, ContextOptions, Error, LlamaContext, LlamaModel,
    LoadOptions, ModelFiles, WeightType, remove_leftovers, verify_converted,
};
use hyprstream_models_testing::random;
use tempfile::TempDir;

const OPTIONS: LoadOptions = LoadOptions { repack: false };

/// The bytes of a GGUF file of random weights; those of all seeds are equally long.
fn gguf(seed: u64) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model");
    random::write_model_dir(&path, &random::small_config(Architecture::Qwen3), seed).unwrap();
    let files = ModelFiles::open(&path).unwrap();
    fs::read(files.gguf(directory.path(), WeightType::Stored).unwrap()).unwrap()
}

/// A Hugging Face directory of random weights.
fn directory() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model");
    random::write_model_dir(&path, &random::small_config(Architecture::Llama), 3).unwrap();
    (directory, path)
}

fn logits(model: &Arc<LlamaModel>) -> Vec<u32> {
    let options = ContextOptions { kv_type: CacheType::F32, threads: 1, ..Default::default() };
    let mut context =
        LlamaContext::try_new(model, &ContextOptions { flash_attention: false, ..options }).unwrap();
    let mut batch = Batch::new(8);
    for (position, token) in [1, 70, 300].into_iter().enumerate() {
        batch.add(token, position as u32, 0, position == 2).unwrap();
    }
    context.decode(&batch).unwrap();
    context.logits(2).unwrap().iter().map(|value| value.to_bits()).collect()
}

/// Writes over a file without making another one, as `cp` does.
fn overwrite(path: &Path, bytes: &[u8]) {
    File::options().write(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    overwrite(path, &bytes);
}

#[test]
fn a_loaded_model_answers_the_same_whatever_happens_to_its_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, gguf(1)).unwrap();
    let files = ModelFiles::open(&path).unwrap();
    let model = files.load(directory.path(), WeightType::Stored, &OPTIONS).unwrap();
    let expected = logits(&model);
    overwrite(&path, &gguf(2));
    assert!(!files.is_current());
    assert_eq!(logits(&model), expected);
    overwrite(&path, b"GGUF");
    assert_eq!(logits(&model), expected);
    fs::remove_file(&path).unwrap();
    assert_eq!(logits(&model), expected);
    let tokens = files.tokenizer().encode("the cat", false).unwrap();
    assert_eq!(files.tokenizer().decode(&tokens, false).unwrap(), "the cat");
}

#[test]
fn what_was_opened_is_not_loaded_or_read_from_a_file_that_has_changed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.gguf");
    let good = gguf(1);
    let mut flipped = good.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for other in [gguf(2), flipped, good[..good.len() - 100].to_vec()] {
        overwrite(&path_of(&path), &good);
        let files = ModelFiles::open(&path).unwrap();
        overwrite(&path, &other);
        let refused = |error: Error| {
            assert!(matches!(&error, Error::Invalid { file, .. } if *file == path), "{error}");
            assert!(error.to_string().contains("has changed since it was opened"), "{error}");
        };
        refused(files.load(directory.path(), WeightType::Stored, &OPTIONS).unwrap_err());
        let names = files.config().tensors();
        let mut read = names.iter().map(|(name, _)| files.tensors().read_f32(name));
        refused(read.find_map(Result::err).unwrap());
    }
    // A file that takes its name leaves the opened one as it was.
    overwrite(&path, &good);
    let files = ModelFiles::open(&path).unwrap();
    fs::write(directory.path().join("other"), gguf(2)).unwrap();
    fs::rename(directory.path().join("other"), &path).unwrap();
    assert!(!files.is_current());
    let model = files.load(directory.path(), WeightType::Stored, &OPTIONS).unwrap();
    overwrite(&path, &good);
    assert_eq!(logits(&model), logits(&LlamaModel::load(&path, &OPTIONS).unwrap()));
}

/// Makes the file, so that it can be written over.
fn path_of(path: &Path) -> PathBuf {
    if !path.exists() {
        fs::write(path, b"").unwrap();
    }
    path.to_path_buf()
}

#[test]
fn weights_of_a_directory_that_changed_are_neither_converted_nor_read() {
    let (directory, path) = directory();
    let cache = directory.path().join("cache");
    let weights = path.join("model.safetensors");
    let good = fs::read(&weights).unwrap();
    for change in [
        |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2),
    ] {
        overwrite(&weights, &good);
        let files = ModelFiles::open(&path).unwrap();
        assert!(files.is_current());
        let mut other = good.clone();
        change(&mut other);
        overwrite(&weights, &other);
        assert!(!files.is_current());
        let error = files.gguf(&cache, WeightType::F32).unwrap_err().to_string();
        assert!(error.contains("has changed since it was opened"), "{error}");
        let names = files.config().tensors();
        assert!(names.iter().any(|(name, _)| files.tensors().read_f32(name).is_err()));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0, "a draft is left");
    }
}

#[test]
fn every_file_of_a_directory_that_decides_an_answer_is_in_its_hash() {
    let (_keep, path) = directory();
    let open = || ModelFiles::open(&path).unwrap();
    let first = open();
    let mut hashes = BTreeSet::from([first.content_hash()]);
    let edit = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(path.join(name)).unwrap();
        assert!(text.contains(from), "{name} has {from}");
        fs::write(path.join(name), text.replace(from, to)).unwrap();
    };
    // What the former hash did not cover.
    let mut same_before = |change: &dyn Fn()| {
        let before = open().hash_before_templates();
        change();
        assert!(hashes.insert(open().content_hash()), "the change is not in the hash");
        assert_eq!(open().hash_before_templates(), before);
    };
    same_before(&|| edit("tokenizer_config.json", "assistant", "machine"));
    same_before(&|| edit("tokenizer_config.json", "\"add_bos_token\":false", "\"add_bos_token\":true"));
    same_before(&|| edit("tokenizer_config.json", "{\"", "{\"bos_token\":\"<|endoftext|>\",\""));
    same_before(&|| fs::write(path.join("chat_template.jinja"), "{{ messages[0].content }}").unwrap());
    // What it did.
    let mut other_before = |change: &dyn Fn()| {
        let before = open().hash_before_templates();
        change();
        assert!(hashes.insert(open().content_hash()), "the change is not in the hash");
        assert_ne!(open().hash_before_templates(), before);
    };
    other_before(&|| {
        fs::write(path.join("generation_config.json"), "{\"eos_token_id\": [7, 511]}").unwrap();
    });
    other_before(&|| edit("config.json", "\"rope_theta\": 10000.0", "\"rope_theta\": 10001.0"));
    other_before(&|| edit("tokenizer.json", "\"version\":\"1.0\"", "\"version\": \"1.0\""));
    other_before(&|| flip(&path.join("model.safetensors"), 40_000));
    // A setting that decides nothing.
    let hash = open().content_hash();
    edit("tokenizer_config.json", "\"pad_token\":\"<|endoftext|>\"", "\"pad_token\":\"<|im_end|>\"");
    assert_eq!(open().content_hash(), hash);
}

#[test]
fn a_model_goes_by_the_hash_that_it_had_before() {
    // As the version before chat templates were covered printed it.
    let before = "debca4f4b01dd72ae26f1c079ee67eb642704adb00a334e15bfa792209833435";
    let bundled = ModelFiles::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bundled")).unwrap();
    assert_eq!(bundled.hash_before_templates().to_string(), before);
    assert_ne!(bundled.content_hash(), bundled.hash_before_templates());
    for hash in [bundled.content_hash(), bundled.hash_before_templates()] {
        assert!(bundled.has_hash(&hash));
    }
    assert!(!bundled.has_hash(&ContentHash::of(b"another model")));
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, gguf(1)).unwrap();
    let file = ModelFiles::open(&path).unwrap();
    assert_eq!(file.content_hash(), ContentHash::of(&gguf(1)));
    assert_eq!(file.hash_before_templates(), file.content_hash());
}

#[test]
fn a_converted_file_with_any_flipped_bit_is_made_anew() {
    let (directory, path) = directory();
    let cache = directory.path().join("cache");
    let files = ModelFiles::open(&path).unwrap();
    let converted = files.gguf(&cache, WeightType::Q8_0).unwrap();
    let whole = fs::read(&converted).unwrap();
    let expected = logits(&files.load(&cache, WeightType::Q8_0, &OPTIONS).unwrap());
    assert_eq!(verify_converted(&cache), []);
    for step in 0..200 {
        let at = step * (whole.len() - 1) / 199;
        flip(&converted, at);
        let found = verify_converted(&cache);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, converted);
        assert!(found[0].1.contains("does not hold what it held"), "{}", found[0].1);
        // Now and then through llama.cpp.
        if step % 20 == 0 {
            let model = files.load(&cache, WeightType::Q8_0, &OPTIONS).unwrap();
            assert_eq!(logits(&model), expected, "byte {at}");
        }
        assert_eq!(files.gguf(&cache, WeightType::Q8_0).unwrap(), converted);
        assert!(fs::read(&converted).unwrap() == whole, "byte {at}");
    }
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(&converted, &whole[..length]).unwrap();
        assert_eq!(files.gguf(&cache, WeightType::Q8_0).unwrap(), converted);
        assert!(fs::read(&converted).unwrap() == whole, "cut at {length}");
    }
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn a_converted_file_that_proves_nothing_is_not_used() {
    let (directory, path) = directory();
    let cache = directory.path().join("cache");
    let files = ModelFiles::open(&path).unwrap();
    fs::create_dir(&cache).unwrap();
    let former = cache.join(format!("{}-f32.gguf", files.hash_before_templates()));
    for unproven in [former.clone(), cache.join(format!("{}-f32.gguf", files.content_hash()))] {
        fs::write(unproven, gguf(2)).unwrap();
    }
    assert_eq!(verify_converted(&cache).len(), 2);
    fs::write(format!("{}.partial-12-0", former.display()), b"GG").unwrap();
    fs::write(cache.join("x-12-0.draft"), b"GG").unwrap();
    fs::write(cache.join("someone's.gguf"), b"GG").unwrap();
    let converted = files.gguf(&cache, WeightType::F32).unwrap();
    assert_eq!(ModelFiles::open(&converted).unwrap().config().architecture, Architecture::Llama);
    remove_leftovers(&cache);
    let mut left: Vec<PathBuf> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [converted, cache.join("someone's.gguf")]);
    assert_eq!(verify_converted(&cache.join("absent")), []);
}

#[test]
fn copies_of_a_model_that_are_converted_at_once_give_one_file() {
    let (directory, path) = directory();
    let cache = directory.path().join("cache");
    random::write_model_dir(&directory.path().join("copy"), &random::small_config(Architecture::Llama), 3)
        .unwrap();
    let models = [path, directory.path().join("copy")].map(|path| ModelFiles::open(&path).unwrap());
    let paths = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|at| {
                let (model, cache) = (&models[at % 2], &cache);
                scope.spawn(move || model.gguf(cache, WeightType::F16).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<BTreeSet<_>>()
    });
    assert_eq!(paths.len(), 1);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    assert_eq!(verify_converted(&cache), []);
}
