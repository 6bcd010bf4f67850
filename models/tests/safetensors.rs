//! What a model's weights must have in common with its configuration.

use hyprstream_models::{Architecture, ModelConfig, SafetensorsModel};
use hyprstream_models_testing::random;

#[test]
fn weights_of_another_model_than_the_configuration_describes_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let whole = random::small_config(Architecture::Qwen3);
    let path = directory.path().join("model");
    random::write_model_dir(&path, &whole, 3).unwrap();
    assert!(SafetensorsModel::open(&path, whole.clone()).is_ok());
    let shallow = ModelConfig { num_hidden_layers: whole.num_hidden_layers - 1, ..whole.clone() };
    // The norms of qwen3's heads are no part of a llama.
    let llama = ModelConfig { architecture: Architecture::Llama, ..whole };
    for other in [shallow, llama] {
        let error = SafetensorsModel::open(&path, other).unwrap_err().to_string();
        assert!(error.contains("has no place in the model"), "{error}");
    }
}
