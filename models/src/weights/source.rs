//! Where weights come from, whatever file they lie in.

use crate::config::ModelConfig;
use crate::error::Result;

/// A model's weights under Hugging Face's tensor names and in Hugging Face's layout.
///
/// Both kinds of files answer alike: a GGUF file's names are mapped back, llama's query and key rows are put
/// back in order, and quantised blocks are dequantised.
pub trait TensorSource: Send + Sync {
    /// The configuration that the tensors were validated against.
    fn config(&self) -> &ModelConfig;

    /// The shape of a tensor, rows first, or `None` if the model has none of that name.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// All values of a tensor in row-major order.
    fn read_f32(&self, name: &str) -> Result<Vec<f32>>;
}
