//! A model from its files to its answers through llama.cpp.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyprstream_models::{
    Architecture, Batch, CacheType, ContextOptions, Error, LlamaAdapter, LlamaContext, LlamaModel,
    LoadOptions, ModelConfig, ModelFiles, Module, Pooling, Sampler, SamplingOptions, WeightType,
};
use hyprstream_models_testing::random;
use tempfile::TempDir;

fn write(directory: &Path, config: &ModelConfig) -> ModelFiles {
    random::write_model_dir(&directory.join("model"), config, 1).unwrap();
    ModelFiles::open(&directory.join("model")).unwrap()
}

fn load(directory: &Path, architecture: Architecture) -> (ModelFiles, Arc<LlamaModel>) {
    let files = write(directory, &random::small_config(architecture));
    let gguf = files.gguf(&directory.join("cache"), WeightType::F32).unwrap();
    let model = LlamaModel::load(&gguf, &LoadOptions::default()).unwrap();
    (files, model)
}

fn options() -> ContextOptions {
    ContextOptions { kv_type: CacheType::F32, flash_attention: false, threads: 2, ..Default::default() }
}

fn sequence(context: &mut LlamaContext, sequence: u32, tokens: &[u32]) -> Vec<f32> {
    let mut batch = Batch::new(512);
    let last = tokens.len() - 1;
    for (i, token) in tokens.iter().enumerate() {
        batch.add(*token, i as u32, sequence, i == last).unwrap();
    }
    context.decode(&batch).unwrap();
    context.logits(last).unwrap().to_vec()
}

#[test]
fn sequences_decoded_together_answer_as_alone() {
    let directory = TempDir::new().unwrap();
    let (files, model) = load(directory.path(), Architecture::Qwen3);
    let tokenizer = files.tokenizer();
    let texts = ["hello there", "what is the capital of France?", "a"];
    let tokens: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text, true).unwrap()).collect();
    for unified_kv in [false, true] {
        let mut context =
            LlamaContext::try_new(&model, &ContextOptions { max_sequences: 4, unified_kv, ..options() })
                .unwrap();
        let alone: Vec<_> = tokens
            .iter()
            .map(|tokens| {
                context.clear();
                sequence(&mut context, 0, tokens)
            })
            .collect();
        context.clear();
        let mut batch = Batch::new(512);
        let mut rows = Vec::new();
        for (i, tokens) in tokens.iter().enumerate() {
            for (position, token) in tokens.iter().enumerate() {
                let row = batch.add(*token, position as u32, i as u32, position + 1 == tokens.len()).unwrap();
                if position + 1 == tokens.len() {
                    rows.push(row);
                }
            }
        }
        context.decode(&batch).unwrap();
        for (row, alone) in rows.iter().zip(&alone) {
            let together = context.logits(*row).unwrap();
            let worst = together.iter().zip(alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "unified {unified_kv}: {worst}");
        }
        assert!(context.logits(0).is_err(), "a row without output has no logits");
        assert_eq!(context.max_position(2), Some(tokens[2].len() as u32 - 1));
        assert_eq!(context.max_position(3), None);
    }
}

#[test]
fn a_copied_prefix_continues_like_the_original() {
    let directory = TempDir::new().unwrap();
    let (_, model) = load(directory.path(), Architecture::Llama);
    for unified_kv in [false, true] {
        let mut context =
            LlamaContext::try_new(&model, &ContextOptions { max_sequences: 2, unified_kv, ..options() })
                .unwrap();
        let whole = sequence(&mut context, 0, &[5, 6, 7, 8]);
        context.clear();
        sequence(&mut context, 0, &[5, 6, 7]);
        context.copy(0, 1).unwrap();
        context.remove(0).unwrap();
        let mut batch = Batch::new(1);
        batch.add(8, 3, 1, true).unwrap();
        context.decode(&batch).unwrap();
        let copied = context.logits(0).unwrap();
        let worst = whole.iter().zip(copied).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "unified {unified_kv}: {worst}");
        assert_eq!((context.max_position(0), context.max_position(1)), (None, Some(3)));
    }
}

#[test]
fn a_moved_sequence_continues_bit_for_bit_and_leaves_its_number_free() {
    let directory = TempDir::new().unwrap();
    for (architecture, unified_kv, flash_attention) in [
        (Architecture::Llama, false, false),
        (Architecture::Qwen3, false, true),
        (Architecture::Qwen2, true, false),
    ] {
        let (_, model) = load(&directory.path().join(architecture.name()), architecture);
        let mut context = LlamaContext::try_new(
            &model,
            &ContextOptions { max_sequences: 3, unified_kv, flash_attention, ..options() },
        )
        .unwrap();
        let mut after = |moved: bool| {
            context.clear();
            sequence(&mut context, 2, &[5, 6, 7]);
            sequence(&mut context, 0, &[9, 10]);
            let number = if moved {
                context.move_sequence(2, 0).unwrap();
                0
            } else {
                2
            };
            let mut batch = Batch::new(1);
            batch.add(8, 3, number, true).unwrap();
            context.decode(&batch).unwrap();
            assert_eq!(context.max_position(number), Some(3));
            assert_eq!(context.max_position(2 - number), (!moved).then_some(1));
            context.logits(0).unwrap().to_vec()
        };
        let (stayed, moved) = (after(false), after(true));
        let worst = stayed.iter().zip(&moved).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let limit = if unified_kv { 1e-4 } else { 0.0 };
        assert!(worst <= limit, "{architecture:?}: {worst}");
        assert!(context.move_sequence(0, 3).is_err());
        context.move_sequence(0, 0).unwrap();
        assert_eq!(context.max_position(0), Some(3));
    }
}

#[test]
fn an_adapter_with_zero_b_is_bit_identical_and_others_are_not() {
    let directory = TempDir::new().unwrap();
    let (files, model) = load(directory.path(), Architecture::Qwen3);
    let lora = |zero_b| {
        let weights = random::lora_weights(model.config(), files.content_hash(), &Module::ALL, 4, zero_b, 9);
        LlamaAdapter::try_new(&model, &weights).unwrap()
    };
    let (zero, other) = (lora(true), lora(false));
    let mut context = LlamaContext::try_new(&model, &options()).unwrap();
    let mut answer = |adapters: &[(Arc<LlamaAdapter>, f32)]| {
        context.clear();
        context.set_adapters(adapters).unwrap();
        sequence(&mut context, 0, &[1, 2, 3, 4, 5])
    };
    let base = answer(&[]);
    let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&base), bits(&answer(&[(zero, 1.0)])));
    let adapted = answer(&[(other.clone(), 1.0)]);
    assert_ne!(base, adapted);
    let doubled = answer(&[(other.clone(), 0.5), (other, 0.5)]);
    assert_eq!(bits(&adapted), bits(&doubled), "naming an adapter twice adds its scales");
    assert_eq!(bits(&base), bits(&answer(&[])), "adapters are gone once unset");
}

#[test]
fn an_abort_flag_stops_decoding_and_the_context_stays_usable() {
    let directory = TempDir::new().unwrap();
    let (_, model) = load(directory.path(), Architecture::Qwen2);
    let mut context = LlamaContext::try_new(&model, &options()).unwrap();
    let before = sequence(&mut context, 0, &[1, 2, 3]);
    context.clear();
    context.abort_flag().store(true, Ordering::Relaxed);
    let mut batch = Batch::new(3);
    for (position, token) in [1, 2, 3].into_iter().enumerate() {
        batch.add(token, position as u32, 0, position == 2).unwrap();
    }
    assert!(matches!(context.decode(&batch), Err(Error::Cancelled)));
    context.abort_flag().store(false, Ordering::Relaxed);
    context.clear();
    assert_eq!(before, sequence(&mut context, 0, &[1, 2, 3]));
}

#[test]
fn impossible_batches_are_refused_and_the_context_stays_usable() {
    let directory = TempDir::new().unwrap();
    let (_, model) = load(directory.path(), Architecture::Qwen3);
    let settings = ContextOptions { max_sequences: 2, batch: 8, micro_batch: 8, ..options() };
    let mut context = LlamaContext::try_new(&model, &settings).unwrap();
    let batch = |tokens: &[(u32, u32, u32)]| {
        let mut batch = Batch::new(64);
        for (token, position, sequence) in tokens {
            batch.add(*token, *position, *sequence, true).unwrap();
        }
        batch
    };
    let nine: Vec<_> = (0..9).map(|i| (1, i, 0)).collect();
    for refused in [&[][..], &[(512, 0, 0)], &[(1, 0, 2)], &[(1, 0, 0), (1, 5, 0)], &nine] {
        assert!(matches!(context.decode(&batch(refused)), Err(Error::Argument(_))), "{refused:?}");
    }
    context.decode(&batch(&[(1, 0, 0)])).unwrap();
    assert!(matches!(context.decode(&batch(&[(1, 3, 0)])), Err(Error::Argument(_))), "a gap in positions");
    let tiny = ContextOptions { context_length: 256, batch: 512, ..options() };
    let mut context = LlamaContext::try_new(&model, &tiny).unwrap();
    let mut large = Batch::new(300);
    let fill = |batch: &mut Batch, positions: std::ops::Range<u32>| {
        batch.clear();
        positions.for_each(|position| _ = batch.add(1, position, 0, false).unwrap());
    };
    fill(&mut large, 0..300);
    assert!(matches!(context.decode(&large), Err(Error::Argument(_))), "longer than the cache");
    fill(&mut large, 0..200);
    context.decode(&large).unwrap();
    fill(&mut large, 200..300);
    assert!(matches!(context.decode(&large), Err(Error::Resource(_))), "the cache is full");
    assert_eq!(context.max_position(0), Some(199), "a refused batch leaves nothing behind");
    fill(&mut large, 0..300);
    assert!(LlamaContext::try_new(&model, &ContextOptions { max_sequences: 257, ..options() }).is_err());
    assert!(large.add(1, 0, 0, false).is_err(), "a full batch takes no more");
}

#[test]
fn pooled_embeddings_do_not_depend_on_their_company() {
    let directory = TempDir::new().unwrap();
    let (_, model) = load(directory.path(), Architecture::Qwen3);
    let pooled = ContextOptions { pooling: Pooling::Mean, unified_kv: true, max_sequences: 8, ..options() };
    let mut context = LlamaContext::try_new(&model, &pooled).unwrap();
    let texts: [&[u32]; 3] = [&[1, 2, 3], &[9; 40], &[7, 8]];
    let mut embed = |which: &[usize]| {
        context.clear();
        let mut batch = Batch::new(512);
        for (sequence, text) in which.iter().enumerate() {
            for (position, token) in texts[*text].iter().enumerate() {
                batch.add(*token, position as u32, sequence as u32, true).unwrap();
            }
        }
        context.decode(&batch).unwrap();
        (0..which.len()).map(|s| context.sequence_embedding(s as u32).unwrap().to_vec()).collect::<Vec<_>>()
    };
    let together = embed(&[0, 1, 2]);
    for (text, together) in together.iter().enumerate() {
        let alone = &embed(&[text])[0];
        let worst = together.iter().zip(alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "text {text}: {worst}");
    }
    assert!(context.sequence_embedding(5).is_err());
    assert!(context.logits(0).is_err());
    assert!(LlamaContext::try_new(&model, &ContextOptions { unified_kv: false, ..pooled }).is_err());
}

#[test]
fn contexts_and_adapters_of_one_model_are_created_from_many_threads() {
    let directory = TempDir::new().unwrap();
    let (files, model) = load(directory.path(), Architecture::Qwen3);
    let answers: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let weights =
                        random::lora_weights(model.config(), files.content_hash(), &Module::ALL, 2, false, 3);
                    let adapter = LlamaAdapter::try_new(&model, &weights).unwrap();
                    let settings = ContextOptions { threads: 1, ..options() };
                    let mut context = LlamaContext::try_new(&model, &settings).unwrap();
                    context.set_adapters(&[(adapter, 1.0)]).unwrap();
                    sequence(&mut context, 0, &[3, 1, 4, 1, 5])
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_conversation_is_rendered_tokenised_answered_and_decoded() {
    let directory = TempDir::new().unwrap();
    let (files, model) = load(directory.path(), Architecture::Qwen3);
    let tokenizer = files.tokenizer();
    let template = files.chat_template().unwrap();
    let text = template.render(&[hyprstream_models::ChatMessage::new("user", "hi")], true).unwrap();
    assert_eq!(text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    let tokens = tokenizer.encode(&text, false).unwrap();
    assert_eq!(tokens[0], 510, "the special token is one token");
    assert!(tokenizer.is_end(511) && !tokenizer.is_end(510));
    let mut context = LlamaContext::try_new(&model, &options()).unwrap();
    let mut sampler = Sampler::try_new(&SamplingOptions::default()).unwrap();
    let mut logits = sequence(&mut context, 0, &tokens);
    let (mut answer, mut stream, mut streamed) = (Vec::new(), tokenizer.stream(), String::new());
    for step in 0..20 {
        let token = sampler.sample(&logits).unwrap().token_id;
        answer.push(token);
        streamed += &stream.push(token).unwrap();
        let mut batch = Batch::new(1);
        batch.add(token, tokens.len() as u32 + step, 0, true).unwrap();
        context.decode(&batch).unwrap();
        logits = context.logits(0).unwrap().to_vec();
    }
    streamed += &stream.finish().unwrap();
    assert_eq!(streamed, tokenizer.decode(&answer, true).unwrap());
}

#[test]
fn the_number_of_threads_does_not_change_an_answer() {
    let directory = TempDir::new().unwrap();
    let (_, model) = load(directory.path(), Architecture::Qwen3);
    let tokens: Vec<u32> = (0..200).map(|i| i * 13 % 500).collect();
    for (flash_attention, kv_type) in [(false, CacheType::F32), (true, CacheType::F16)] {
        let answer = |threads| {
            let settings = ContextOptions { flash_attention, kv_type, threads, ..options() };
            let mut context = LlamaContext::try_new(&model, &settings).unwrap();
            sequence(&mut context, 0, &tokens[..199]);
            let mut batch = Batch::new(1);
            batch.add(tokens[199], 199, 0, true).unwrap();
            context.decode(&batch).unwrap();
            context.logits(0).unwrap().to_vec()
        };
        assert_eq!(answer(1), answer(2), "flash attention {flash_attention}");
    }
}
