//! Writing a low-rank adapter as the GGUF file that llama.cpp loads.

use std::io::{self, Write};

use crate::config::ModelConfig;
use crate::gguf::metadata::Value;
use crate::gguf::names::{is_permuted, permuted_row};
use crate::gguf::types::GgmlType;
use crate::gguf::writer::{Tensor, pad, write_tables};
use crate::weights::{LoraWeights, Module};

/// Writes an adapter as llama.cpp loads it; the weights were validated against the configuration.
pub(crate) fn write_adapter(
    out: &mut impl Write,
    config: &ModelConfig,
    weights: &LoraWeights,
) -> io::Result<()> {
    let string = |text: &str| Value::String(text.to_owned());
    // llama.cpp reads an alpha of 0 as "scale 1", so such an adapter is written with B = 0.
    let silent = weights.alpha == 0.0;
    let alpha = if silent { 1.0 } else { weights.alpha };
    let metadata = [
        ("general.type".to_owned(), string("adapter")),
        ("general.architecture".to_owned(), string(config.architecture.name())),
        ("adapter.type".to_owned(), string("lora")),
        ("adapter.lora.alpha".to_owned(), Value::Float(alpha.into())),
    ];
    let rank = weights.rank;
    let mut tensors = Vec::new();
    for matrix in &weights.layers {
        let (outputs, inputs) = matrix.module.shape(config);
        let name = format!("blk.{}.{}.weight", matrix.layer, gguf_module(matrix.module));
        tensors.push(Tensor {
            name: format!("{name}.lora_a"),
            shape: vec![rank, inputs],
            kind: GgmlType::F32,
        });
        tensors.push(Tensor {
            name: format!("{name}.lora_b"),
            shape: vec![outputs, rank],
            kind: GgmlType::F32,
        });
    }
    write_tables(out, &metadata, &tensors)?;
    for matrix in &weights.layers {
        write_values(out, &matrix.a)?;
        pad(out, size_of_val(matrix.a.as_slice()))?;
        if silent {
            write_values(out, &vec![0.0; matrix.b.len()])?;
        } else if is_permuted(config.architecture, &matrix.module.tensor_name(matrix.layer)) {
            for row in 0..matrix.b.len() / rank {
                let at = permuted_row(row, config.head_dim) * rank;
                write_values(out, &matrix.b[at..at + rank])?;
            }
        } else {
            write_values(out, &matrix.b)?;
        }
        pad(out, size_of_val(matrix.b.as_slice()))?;
    }
    Ok(())
}

fn write_values(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    let mut bytes = [0; 4096];
    for chunk in values.chunks(bytes.len() / 4) {
        for (target, value) in bytes.as_chunks_mut().0.iter_mut().zip(chunk) {
            *target = value.to_le_bytes();
        }
        out.write_all(&bytes[..chunk.len() * 4])?;
    }
    Ok(())
}

const fn gguf_module(module: Module) -> &'static str {
    match module {
        Module::QProj => "attn_q",
        Module::KProj => "attn_k",
        Module::VProj => "attn_v",
        Module::OProj => "attn_output",
        Module::GateProj => "ffn_gate",
        Module::UpProj => "ffn_up",
        Module::DownProj => "ffn_down",
    }
}
