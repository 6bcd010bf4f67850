//! What the program says while it is watched: lines of its log, and panics.

use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static WATCHING: Once = Once::new();

/// Begins to listen; what was heard before is forgotten.
pub fn listen() {
    WATCHING.call_once(|| {
        let filter = EnvFilter::new("warn,llama-cpp-2=off");
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Line);
        log.try_init().expect("nothing else listens in this process");
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note_panic(info);
            earlier(info);
        }));
    });
    heard();
}

/// What was logged and which threads panicked since the last call.
pub fn heard() -> (Vec<String>, Vec<String>) {
    let take = |lines: &Mutex<Vec<String>>| {
        std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner))
    };
    (take(&LOGGED), take(&PANICS))
}

/// Other tests of this process may panic too, and they do it in files below `tests`.
fn note_panic(info: &PanicHookInfo<'_>) {
    if !info.location().is_some_and(|location| location.file().starts_with("tests/")) {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
    }
}

/// Where a line of the log goes.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim().to_owned();
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
