//! `hyprstream sql` at a terminal, typed into through `script`, which gives it one.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::harness::program;

const READY: &str = "hyprstream=> ";
const PATIENCE: Duration = Duration::from_secs(30);

/// A person at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    /// Opens a session in `directory`, with the history kept there too.
    async fn open(directory: &Path) -> Self {
        let command =
            format!("exec '{}' sql --data-dir '{}'", program().display(), directory.join("data").display());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("XDG_STATE_HOME", directory.join("state"))
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("script is part of every Debian");
        let keys = child.stdin.take().expect("piped");
        let screen = child.stdout.take().expect("piped");
        let mut terminal = Self { child, keys, screen, shown: String::new() };
        terminal.wait_for(READY).await;
        terminal
    }

    async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.expect("it is open");
        self.keys.flush().await.expect("it is open");
    }

    /// Waits until `text` is shown, and gives what was shown up to its end.
    async fn wait_for(&mut self, text: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            let read = timeout(PATIENCE, self.screen.read(&mut bytes)).await;
            let read = read.unwrap_or_else(|_| panic!("{text:?} does not come after {:?}", self.shown));
            let read = read.expect("it can be read");
            assert_ne!(read, 0, "the session ended before {text:?}: {:?}", self.shown);
            self.shown += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    /// Types a line and gives what is shown up to the next prompt.
    async fn enter(&mut self, line: &str) -> String {
        self.press(&format!("{line}\r")).await;
        // The line itself is shown first, redrawn with each key.
        self.wait_for("\n").await;
        self.wait_for(READY).await
    }

    /// Quits, and waits for the end.
    async fn quit(mut self) {
        self.press("\\q\r").await;
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.screen.read_to_end(&mut rest)).await;
        read.expect("it quits").expect("it can be read");
        let status = self.child.wait().await.expect("it can be waited for");
        let shown = self.shown + &String::from_utf8_lossy(&rest);
        assert!(status.success(), "{status}, with {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_answers_describes_and_times_statements() {
    let directory = TempDir::new().expect("a directory");
    let mut terminal = Terminal::open(directory.path()).await;
    let answer = terminal.enter("SELECT 6 * 7 AS answer;").await;
    assert!(answer.contains("answer") && answer.contains("42"), "{answer}");
    let tables = terminal.enter("\\d").await;
    assert!(tables.contains("adapters") && tables.contains("trajectories"), "{tables}");
    let columns = terminal.enter("\\d models").await;
    assert!(columns.contains("hash"), "{columns}");
    let on = terminal.enter("\\timing").await;
    assert!(on.contains("Timing is on"), "{on}");
    let timed = terminal.enter("SELECT 1;").await;
    assert!(timed.contains("Time: ") && timed.contains(" ms"), "{timed}");
    terminal.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_sessions_statement_comes_back_with_the_arrow_key() {
    let directory = TempDir::new().expect("a directory");
    let mut terminal = Terminal::open(directory.path()).await;
    terminal.enter("SELECT 1000 + 234 AS kept;").await;
    terminal.quit().await;
    let mut terminal = Terminal::open(directory.path()).await;
    // The last line was the one that quit.
    terminal.press("\x1b[A\x1b[A").await;
    terminal.wait_for("AS kept;").await;
    let answer = terminal.enter("").await;
    assert!(answer.contains("1234"), "{answer}");
    terminal.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_the_statement_and_keeps_the_session() {
    let directory = TempDir::new().expect("a directory");
    let mut terminal = Terminal::open(directory.path()).await;
    let endless = "SELECT count(generate('Once ' || value, raw => true, temperature => 10.0, seed => value, \
                   max_tokens => 400)) FROM generate_series(1, 20000);";
    terminal.press(&format!("{endless}\r")).await;
    terminal.wait_for("\n").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = Instant::now();
    terminal.press("\x03").await;
    terminal.wait_for("cancel").await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    terminal.wait_for(READY).await;
    // At the prompt it drops the line that was begun.
    terminal.press("SELECT nonsense\x03").await;
    terminal.wait_for("\n").await;
    terminal.wait_for(READY).await;
    let answer = terminal.enter("SELECT 7 * 9 AS product;").await;
    assert!(answer.contains("63"), "{answer}");
    terminal.quit().await;
}
