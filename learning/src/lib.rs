//! LoRA and full-parameter training: pure algorithms over models and data.
