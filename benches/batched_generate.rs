//! 256 distinct prompts in one statement, against the same prompts driven on llama.cpp directly: the bundled model,
//! with short and with longer answers, and a random-weight model of `Qwen3-0.6B`'s shape at `Q8_0`. Both sides take
//! turns in one run, decode greedily and count generated tokens; what is compared are medians, of the direct side that
//! of its best width. It decodes waves of sequences; its widths are four for the bundled model and one, 32, for the
//! large.
//!
//! `HYPRSTREAM_BENCH_QUICK=1` leaves out the large model.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use futures::StreamExt;
use hyprstream_engine::{Engine, EngineOptions, GenerateRequest, WeightPreference};
use hyprstream_models::{
    Architecture, Batch, CacheType, ChatMessage, ContextOptions, LlamaContext, LlamaModel, LoadOptions,
    ModelConfig, ModelFiles, Pooling, Sampler, SamplingOptions, WeightType,
};
use hyprstream_models_testing::random::write_model_dir;
use hyprstream_sql::{Database, DatabaseOptions, Outcome, Session, SessionOptions};

const PROMPTS: usize = 256;
const ROUNDS: usize = 5;
const CHUNK: u32 = 512;

type Failure = Box<dyn Error>;

/// One model and how both sides hold it.
struct Workload {
    label: &'static str,
    model: &'static str,
    weights: WeightPreference,
    weight_type: WeightType,
    exact: bool,
    prompt: fn(usize) -> String,
    max_tokens: u32,
    rounds: usize,
    widths: &'static [u32],
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let bundled = Workload {
        label: "bundled, f32, answers of a few tokens",
        model: "bundled",
        weights: WeightPreference::Auto,
        weight_type: WeightType::F32,
        exact: true,
        prompt: asking_for_a_few_words,
        max_tokens: 64,
        rounds: ROUNDS,
        widths: &[32, 64, 128, 256],
    };
    compare(&bundled, |_| Ok(())).await?;
    let long = Workload {
        label: "bundled, f32, answers of some thirty tokens",
        prompt: asking_for_fields,
        ..bundled
    };
    compare(&long, |_| Ok(())).await?;
    if std::env::var_os("HYPRSTREAM_BENCH_QUICK").is_some() {
        return Ok(());
    }
    let large = Workload {
        label: "Qwen3-0.6B's shape, random weights, Q8_0",
        model: "qwen3-0.6b-shape",
        weights: WeightPreference::Q8_0,
        weight_type: WeightType::Q8_0,
        exact: false,
        prompt: asking_for_a_few_words,
        max_tokens: 16,
        rounds: 1,
        widths: &[32],
    };
    compare(&large, |directory| Ok(write_model_dir(directory, &qwen3_shape(), 1)?)).await
}

fn asking_for_a_few_words(row: usize) -> String {
    format!("Describe item {row} of the list in a few words, please.")
}

fn asking_for_fields(row: usize) -> String {
    let age = 18 + row % 70;
    format!(
        "Extract the name, age, job and city as JSON: Maria Silva is {age} and works as a baker in Lyon, desk {row}."
    )
}

async fn compare(
    workload: &Workload,
    prepare: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("models").join(workload.model);
    prepare(&path)?;
    let options = EngineOptions { weights: workload.weights, ..EngineOptions::new(directory.path()) };
    let engine = Engine::open(options)?;
    engine.complete(request(workload, "Hello", 1)).await?;
    let database = Database::try_new(Arc::clone(&engine), &DatabaseOptions::default())?;
    let session = database.session(SessionOptions::default())?;
    let mut direct = Direct::open(workload, &path, &directory.path().join("cache"))?;
    let prompts: Vec<String> = (0..PROMPTS).map(workload.prompt).collect();
    run(&session, "CREATE TABLE prompts (prompt TEXT)").await?;
    let rows: Vec<String> = prompts.iter().map(|prompt| format!("('{prompt}')")).collect();
    run(&session, &format!("INSERT INTO prompts VALUES {}", rows.join(", "))).await?;

    let mut statement_rates = Vec::new();
    let mut direct_rates = vec![Vec::new(); workload.widths.len()];
    for _ in 0..workload.rounds {
        for (&width, of_width) in workload.widths.iter().zip(&mut direct_rates) {
            until_idle(&engine).await?;
            of_width.push(direct.rate(workload, &prompts, width)?);
            statement_rates.push(statement_rate(&session, workload).await?);
        }
    }
    let statement_rate = median_rate(statement_rates);
    let direct_rates: Vec<f64> = direct_rates.into_iter().map(median_rate).collect();
    println!("{PROMPTS} distinct prompts, {}, at most {} tokens each", workload.label, workload.max_tokens);
    for (width, rate) in workload.widths.iter().zip(&direct_rates) {
        println!("  llama.cpp directly, width {width:<6} {rate:9.1} tokens/s");
    }
    println!("  one statement                    {statement_rate:9.1} tokens/s");
    println!(
        "  ratio to the best width          {:9.3}",
        statement_rate / direct_rates.iter().copied().fold(0.0, f64::max)
    );
    let first = first_tokens(&engine, workload).await?;
    let bare = direct.first_token(workload)?;
    println!("  first token: bare {:.2} ms, engine {:.2} ms", milliseconds(bare), milliseconds(first));
    drop((session, database));
    engine.close()?;
    Ok(())
}

fn request(workload: &Workload, prompt: &str, max_tokens: u32) -> GenerateRequest {
    let model = Some(workload.model.to_owned());
    GenerateRequest { model, max_tokens, ..GenerateRequest::new(prompt) }
}

/// Waits until the engine has recorded and embedded what it answered, which it does while nobody asks.
async fn until_idle(engine: &Engine) -> Result<(), Failure> {
    let statistic = |name: &str| {
        let rows = engine.statistics();
        rows.iter().find(|row| row.name == name).map(|row| row.value)
    };
    let mut last = None;
    loop {
        let recorded = statistic("recorded_trajectories").ok_or("there is no such statistic")?;
        let embedded = statistic("embedded_trajectories").ok_or("there is no such statistic")?;
        let unembedded = statistic("unembedded_trajectories").ok_or("there is no such statistic")?;
        if last == Some(recorded) && recorded <= embedded + unembedded {
            return Ok(());
        }
        last = Some(recorded);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Generated tokens a second of one statement over the table of prompts.
async fn statement_rate(session: &Session, workload: &Workload) -> Result<f64, Failure> {
    let query = format!(
        "SELECT sum((answer).completion_tokens) FROM (SELECT generate(prompt, model => '{}', max_tokens => {}, \
         details => true) AS answer FROM prompts) AS answers",
        workload.model, workload.max_tokens
    );
    let began = Instant::now();
    let tokens = run(session, &query).await?.ok_or("the sum is NULL")?;
    Ok(tokens as f64 / began.elapsed().as_secs_f64())
}

/// Runs a statement to its end and gives the integer in the first column of its last row, if there is one.
async fn run(session: &Session, text: &str) -> Result<Option<i64>, Failure> {
    let mut last = None;
    for statement in session.parse(text)? {
        let Outcome::Rows { mut stream, .. } = session.execute(&statement, &[]).await? else {
            continue;
        };
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let column = batch.column(0).as_primitive_opt::<Int64Type>();
            last = column.and_then(|column| column.iter().last().flatten()).or(last);
        }
    }
    Ok(last)
}

async fn first_tokens(engine: &Engine, workload: &Workload) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for row in 0..20 {
        let began = Instant::now();
        let mut generation = engine.generate(request(workload, &format!("Item {row}?"), 4)).await?;
        generation.next().await.ok_or("no token")??;
        times.push(began.elapsed());
        while let Some(token) = generation.next().await {
            token?;
        }
    }
    Ok(median(times))
}

/// The same model on llama.cpp, without the engine.
struct Direct {
    files: ModelFiles,
    model: Arc<LlamaModel>,
}

impl Direct {
    fn open(workload: &Workload, path: &Path, cache: &Path) -> Result<Self, Failure> {
        let files = ModelFiles::open(path)?;
        let model = LlamaModel::load(&files.gguf(cache, workload.weight_type)?, &LoadOptions::default())?;
        Ok(Self { files, model })
    }

    fn tokens(&self, prompt: &str) -> Result<Vec<u32>, Failure> {
        let template = self.files.chat_template().ok_or("the model has no chat template")?;
        let text = template.render(&[ChatMessage::new("user", prompt)], true)?;
        Ok(self.files.tokenizer().encode(&text, false)?)
    }

    fn context(&self, workload: &Workload, width: u32, length: u32) -> Result<LlamaContext, Failure> {
        let options = ContextOptions {
            context_length: width * length,
            batch: CHUNK.max(width),
            micro_batch: CHUNK.max(width),
            max_sequences: width,
            unified_kv: false,
            pooling: Pooling::None,
            kv_type: if workload.exact { CacheType::F32 } else { CacheType::F16 },
            flash_attention: !workload.exact,
            ..ContextOptions::default()
        };
        Ok(LlamaContext::try_new(&self.model, &options)?)
    }

    /// Generated tokens a second over all prompts, in waves of `width` sequences.
    fn rate(&mut self, workload: &Workload, prompts: &[String], width: u32) -> Result<f64, Failure> {
        let began = Instant::now();
        let prompts = prompts.iter().map(|prompt| self.tokens(prompt)).collect::<Result<Vec<_>, _>>()?;
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) as u32 + workload.max_tokens;
        let mut context = self.context(workload, width, longest.div_ceil(256) * 256)?;
        let mut generated = 0;
        for wave in prompts.chunks(width as usize) {
            context.clear();
            generated += self.wave(&mut context, wave, workload.max_tokens)?;
        }
        Ok(f64::from(generated) / began.elapsed().as_secs_f64())
    }

    fn wave(
        &self,
        context: &mut LlamaContext,
        prompts: &[Vec<u32>],
        max_tokens: u32,
    ) -> Result<u32, Failure> {
        let tokenizer = self.files.tokenizer();
        let mut sampler = Sampler::try_new(&SamplingOptions::default())?;
        let mut batch = Batch::new(context.options().batch as usize);
        // What each sequence reads next, and how many tokens it has generated.
        let mut next: Vec<Option<(u32, u32, u32)>> = vec![None; prompts.len()];
        let mut rows = Vec::new();
        for (sequence, prompt) in prompts.iter().enumerate() {
            if batch.len() + prompt.len() > batch.capacity() {
                decode(context, &mut batch, &mut rows, &mut sampler, &mut next)?;
            }
            for (position, &token) in prompt.iter().enumerate() {
                let is_last = position + 1 == prompt.len();
                let row = batch.add(token, position as u32, sequence as u32, is_last)?;
                if is_last {
                    rows.push((sequence, row, prompt.len() as u32, 0));
                }
            }
        }
        decode(context, &mut batch, &mut rows, &mut sampler, &mut next)?;
        let mut generated = 0;
        loop {
            for (sequence, slot) in next.iter_mut().enumerate() {
                let Some((token, position, count)) = *slot else {
                    continue;
                };
                if count >= max_tokens || tokenizer.is_end(token) {
                    generated += count;
                    *slot = None;
                    continue;
                }
                let row = batch.add(token, position, sequence as u32, true)?;
                rows.push((sequence, row, position + 1, count));
            }
            if batch.is_empty() {
                return Ok(generated);
            }
            decode(context, &mut batch, &mut rows, &mut sampler, &mut next)?;
        }
    }

    fn first_token(&mut self, workload: &Workload) -> Result<Duration, Failure> {
        let mut context = self.context(workload, 4, 256)?;
        let mut sampler = Sampler::try_new(&SamplingOptions::default())?;
        let mut times = Vec::new();
        for row in 0..20 {
            let began = Instant::now();
            let prompt = self.tokens(&format!("Item {row}?"))?;
            context.clear();
            let mut batch = Batch::new(prompt.len());
            for (position, &token) in prompt.iter().enumerate() {
                batch.add(token, position as u32, 0, position + 1 == prompt.len())?;
            }
            context.decode(&batch)?;
            sampler.sample(context.logits(prompt.len() - 1)?)?;
            times.push(began.elapsed());
        }
        Ok(median(times))
    }
}

/// Decodes the batch and chooses the next token of every row: (sequence, row, next position, tokens so far).
fn decode(
    context: &mut LlamaContext,
    batch: &mut Batch,
    rows: &mut Vec<(usize, usize, u32, u32)>,
    sampler: &mut Sampler,
    next: &mut [Option<(u32, u32, u32)>],
) -> Result<(), Failure> {
    if !batch.is_empty() {
        context.decode(batch)?;
    }
    for (sequence, row, position, count) in rows.drain(..) {
        let token = sampler.sample(context.logits(row)?)?.token_id;
        next[sequence] = Some((token, position, count + 1));
    }
    batch.clear();
    Ok(())
}

fn median_rate(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn qwen3_shape() -> ModelConfig {
    ModelConfig {
        architecture: Architecture::Qwen3,
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        rms_norm_eps: 1e-6,
        rope_theta: 1_000_000.0,
        rope_scaling: None,
        tie_word_embeddings: true,
        attention_bias: false,
        max_position_embeddings: 40_960,
        bos_token_id: None,
        eos_token_ids: vec![151_935],
    }
}
