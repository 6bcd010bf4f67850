//! The model behind llama.cpp, as the engine runs it: f32 weights and cache, no flash attention.

use std::path::Path;
use std::sync::Arc;

use hyprstream_models::{
    Batch, CacheType, ChatMessage, ContextOptions, LlamaAdapter, LlamaContext, LlamaModel, LoadOptions,
    LoraWeights, ModelFiles, Pooling, Sampler, SamplingOptions, Tokenizer, WeightType,
};

use crate::error::{Error, Result};

/// The longest answer, in tokens.
pub const MOST_TOKENS: usize = 96;
const SEQUENCES: u32 = 16;
const SEQUENCE_TOKENS: u32 = 1024;

/// Answers questions greedily and represents texts.
pub struct Answerer {
    files: ModelFiles,
    tokenizer: Arc<Tokenizer>,
    model: Arc<LlamaModel>,
    generator: LlamaContext,
    embedder: LlamaContext,
}

/// One question of a group that is answered together.
struct Turn {
    answer: Vec<u32>,
    position: u32,
    row: usize,
    done: bool,
}

impl Answerer {
    /// Opens a model directory; `cache` takes its converted form.
    pub fn try_new(dir: &Path, cache: &Path) -> Result<Self> {
        std::fs::create_dir_all(cache).map_err(Error::io("create", cache))?;
        let files = ModelFiles::open(dir)?;
        let model = LlamaModel::load(&files.gguf(cache, WeightType::F32)?, &LoadOptions::default())?;
        let options = ContextOptions {
            context_length: SEQUENCES * SEQUENCE_TOKENS,
            batch: SEQUENCES * SEQUENCE_TOKENS,
            micro_batch: 512,
            max_sequences: SEQUENCES,
            kv_type: CacheType::F32,
            flash_attention: false,
            // The model is so small that two threads would wait for each other more than they compute.
            threads: 1,
            ..ContextOptions::default()
        };
        let generator = LlamaContext::try_new(&model, &options)?;
        let embedder = LlamaContext::try_new(
            &model,
            &ContextOptions {
                context_length: SEQUENCE_TOKENS,
                batch: SEQUENCE_TOKENS,
                micro_batch: SEQUENCE_TOKENS,
                max_sequences: 1,
                unified_kv: true,
                pooling: Pooling::Mean,
                ..options
            },
        )?;
        Ok(Self { tokenizer: files.tokenizer(), files, model, generator, embedder })
    }

    /// The files of the model.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Answers with an adapter from now on, or with the base alone.
    pub fn set_adapter(&mut self, adapter: Option<&LoraWeights>) -> Result<()> {
        let adapters = match adapter {
            Some(weights) => vec![(LlamaAdapter::try_new(&self.model, weights)?, 1.0)],
            None => Vec::new(),
        };
        Ok(self.generator.set_adapters(&adapters)?)
    }

    /// A question in the chat template, in tokens.
    pub fn prompt(&self, question: &str) -> Result<Vec<u32>> {
        let messages = [ChatMessage::new("user", question)];
        let template = self
            .files
            .chat_template()
            .ok_or_else(|| Error::Argument("the model has no chat template".to_owned()))?;
        Ok(self.tokenizer.encode(&template.render(&messages, true)?, false)?)
    }

    /// The likeliest answers to `questions`, in their order.
    pub fn answer(&mut self, questions: &[String]) -> Result<Vec<String>> {
        let mut answers = Vec::with_capacity(questions.len());
        for group in questions.chunks(SEQUENCES as usize) {
            for tokens in self.answer_group(group)? {
                answers.push(self.tokenizer.decode(&tokens, true)?);
            }
        }
        Ok(answers)
    }

    fn answer_group(&mut self, questions: &[String]) -> Result<Vec<Vec<u32>>> {
        self.generator.clear();
        let mut sampler = Sampler::try_new(&SamplingOptions::default())?;
        let mut batch = Batch::new((SEQUENCES * SEQUENCE_TOKENS) as usize);
        let mut turns = Vec::new();
        for (sequence, question) in questions.iter().enumerate() {
            let prompt = self.prompt(question)?;
            let mut row = 0;
            for (position, token) in prompt.iter().enumerate() {
                row = batch.add(*token, position as u32, sequence as u32, position + 1 == prompt.len())?;
            }
            turns.push(Turn { answer: Vec::new(), position: prompt.len() as u32, row, done: false });
        }
        while !batch.is_empty() {
            self.generator.decode(&batch)?;
            batch.clear();
            for (sequence, turn) in turns.iter_mut().enumerate().filter(|(_, turn)| !turn.done) {
                let token = sampler.sample(self.generator.logits(turn.row)?)?.token_id;
                turn.done = self.tokenizer.is_end(token) || turn.answer.len() == MOST_TOKENS;
                if !turn.done {
                    turn.answer.push(token);
                    turn.row = batch.add(token, turn.position, sequence as u32, true)?;
                    turn.position += 1;
                }
            }
        }
        Ok(turns.into_iter().map(|turn| turn.answer).collect())
    }

    /// The representations of `texts`, of length one.
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        texts.iter().map(|text| self.embed_one(text)).collect()
    }

    fn embed_one(&mut self, text: &str) -> Result<Vec<f32>> {
        let tokens = self.tokenizer.encode(text, false)?;
        let mut batch = Batch::new(tokens.len());
        for (position, token) in tokens.iter().enumerate() {
            batch.add(*token, position as u32, 0, true)?;
        }
        self.embedder.clear();
        self.embedder.decode(&batch)?;
        let mut values = self.embedder.sequence_embedding(0)?.to_vec();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        for value in &mut values {
            *value /= length;
        }
        Ok(values)
    }
}
