//! Hugging Face's tensor names and row orders against GGUF's.

use crate::config::Architecture;

/// The GGUF name of a Hugging Face tensor.
pub(crate) fn gguf_name(name: &str) -> Option<String> {
    let whole = match name {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => {
            let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
            let (module, kind) = rest.rsplit_once('.')?;
            let module = match module {
                "self_attn.q_proj" => "attn_q",
                "self_attn.k_proj" => "attn_k",
                "self_attn.v_proj" => "attn_v",
                "self_attn.o_proj" => "attn_output",
                "self_attn.q_norm" => "attn_q_norm",
                "self_attn.k_norm" => "attn_k_norm",
                "mlp.gate_proj" => "ffn_gate",
                "mlp.up_proj" => "ffn_up",
                "mlp.down_proj" => "ffn_down",
                "input_layernorm" => "attn_norm",
                "post_attention_layernorm" => "ffn_norm",
                _ => return None,
            };
            return Some(format!("blk.{layer}.{module}.{kind}"));
        }
    };
    Some(whole.to_owned())
}

/// Whether a tensor's rows are stored in another order in GGUF: llama's queries and keys, whose rotary pairs
/// Hugging Face keeps half a head apart and GGUF side by side.
pub(crate) fn is_permuted(architecture: Architecture, name: &str) -> bool {
    architecture == Architecture::Llama
        && (name.ends_with(".q_proj.weight") || name.ends_with(".k_proj.weight"))
}

/// The Hugging Face row that stands in row `row` of a permuted GGUF tensor.
pub(crate) const fn permuted_row(row: usize, head_dim: usize) -> usize {
    let (head, within) = (row / head_dim, row % head_dim);
    head * head_dim + (within % 2) * (head_dim / 2) + within / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_a_head_interleaves_its_halves() {
        let rows: Vec<_> = (0..16).map(|row| permuted_row(row, 8)).collect();
        assert_eq!(rows, [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]);
    }

    #[test]
    fn names_of_every_kind_are_mapped() {
        for (hugging_face, gguf) in [
            ("lm_head.weight", "output.weight"),
            ("model.layers.3.self_attn.q_proj.bias", "blk.3.attn_q.bias"),
            ("model.layers.12.post_attention_layernorm.weight", "blk.12.ffn_norm.weight"),
        ] {
            assert_eq!(gguf_name(hugging_face).as_deref(), Some(gguf));
        }
        assert_eq!(gguf_name("model.layers.0.rotary_emb.inv_freq"), None);
    }
}
