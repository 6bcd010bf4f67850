//! How long a client waits for its first token through the Postgres server, against the same prompt decoded
//! on the bare runtime in this process; and how long `hyprstream serve` takes from its start to a first
//! token, with the memory it then holds. Both sides take turns in one run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hyprstream_models::llama::{Batch, CacheType, ContextOptions, LlamaContext, LlamaModel, LoadOptions};
use hyprstream_models::{ChatMessage, ModelFiles, WeightType};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const PROMPT: &str = "What is the capital of France?";
const STARTS: usize = 10;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // cargo passes its own flags (`--bench`), which mean nothing here.
    let repeats = match std::env::var("HYPRSTREAM_BENCH_REPEATS") {
        Ok(text) => text.parse()?,
        Err(_) => 300,
    };
    let directory = TempDir::new()?;
    let (fresh, _) = start_to_first_token(directory.path()).await?;
    let mut starts = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..STARTS {
        let (start, kilobytes) = start_to_first_token(directory.path()).await?;
        starts.push(start);
        memory.push(kilobytes);
    }

    let server = Server::start(directory.path())?;
    let client = connect(server.address).await?;
    let mut bare = Bare::open(&directory.path().join("models/bundled"), directory.path())?;
    for _ in 0..20 {
        wire_first_token(&client).await?;
        bare.first_token()?;
    }
    let (mut wire_times, mut bare_times) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        bare_times.push(bare.first_token()?);
        wire_times.push(wire_first_token(&client).await?);
    }
    let (wire, bare) = (median(&mut wire_times), median(&mut bare_times));
    println!("first token on the bundled model, median of {repeats}, prompt {PROMPT:?}");
    println!("  bare runtime (prompt decoded, token chosen)   {:8.3} ms", milliseconds(bare));
    println!("  through the Postgres server                   {:8.3} ms", milliseconds(wire));
    println!(
        "  added                                         {:8.3} ms   target 5",
        milliseconds(wire) - milliseconds(bare)
    );
    println!("serve: process start to first token in the client's hands");
    println!(
        "  median of {STARTS}                                  {:8.1} ms   target 500",
        milliseconds(median(&mut starts))
    );
    println!("  first start ever (the model is unpacked)      {:8.1} ms", milliseconds(fresh));
    memory.sort_unstable();
    println!(
        "  resident memory after it                      {:8.1} MB   target 200",
        memory[memory.len() / 2] as f64 / 1000.0
    );
    Ok(())
}

/// A server process; killed at the end.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(directory: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hyprstream"))
            .args(["serve", "--pg", "127.0.0.1:0", "--flight", "off", "--data-dir"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("stdout is piped")?).lines();
        while let Some(line) = lines.next().transpose()? {
            let Some(start) = line.find("127.0.0.1:") else {
                continue;
            };
            let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':');
            let address = line[start..].split(|c| !digits(c)).next().unwrap_or_default().parse()?;
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(Self { child, address });
        }
        Err("the server ended before it listened".into())
    }

    /// Resident memory in thousands of bytes.
    fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024 / 1000)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn connect(address: SocketAddr) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(address.port())
        .user("hyprstream")
        .dbname("hyprstream")
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

/// From sending the statement to holding its first row.
async fn wire_first_token(client: &Client) -> Result<Duration, Failure> {
    let sql = format!("SELECT token FROM generate('{PROMPT}', max_tokens => 4)");
    let start = Instant::now();
    let mut messages = Box::pin(client.simple_query_raw(&sql).await?);
    let mut first = None;
    while let Some(message) = messages.next().await {
        if matches!(message?, SimpleQueryMessage::Row(_)) {
            first.get_or_insert_with(|| start.elapsed());
        }
    }
    first.ok_or_else(|| "no token came".into())
}

async fn start_to_first_token(directory: &Path) -> Result<(Duration, u64), Failure> {
    let start = Instant::now();
    let server = Server::start(directory)?;
    let client = connect(server.address).await?;
    wire_first_token(&client).await?;
    Ok((start.elapsed(), server.resident()?))
}

/// The same prompt on the runtime alone.
struct Bare {
    context: LlamaContext,
    tokens: Vec<u32>,
}

impl Bare {
    fn open(model: &Path, cache: &Path) -> Result<Self, Failure> {
        let files = ModelFiles::open(model)?;
        let message = ChatMessage { role: "user".into(), content: PROMPT.into() };
        let prompt = match files.chat_template() {
            Some(template) => template.render(&[message], true)?,
            None => PROMPT.to_owned(),
        };
        let tokens = files.tokenizer().encode(&prompt, false)?;
        let gguf = files.gguf(&cache.join("bench"), WeightType::F32)?;
        let model = LlamaModel::load(&gguf, &LoadOptions::default())?;
        let options =
            ContextOptions { kv_type: CacheType::F32, flash_attention: false, ..ContextOptions::default() };
        Ok(Self { context: LlamaContext::try_new(&model, &options)?, tokens })
    }

    fn first_token(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.context.clear();
        let mut batch = Batch::new(self.tokens.len());
        let mut row = 0;
        for (position, token) in self.tokens.iter().enumerate() {
            row = batch.add(*token, u32::try_from(position)?, 0, position + 1 == self.tokens.len())?;
        }
        self.context.decode(&batch)?;
        let logits = self.context.logits(row)?;
        let best = logits.iter().enumerate().max_by(|left, right| left.1.total_cmp(right.1));
        best.ok_or("no logits")?;
        Ok(start.elapsed())
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
