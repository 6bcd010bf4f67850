//! Lines from a terminal, edited and remembered, or from a pipe.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::config::environment::xdg_directory;

/// Where lines come from.
pub(crate) struct Lines {
    editor: Option<DefaultEditor>,
    history: PathBuf,
}

/// What was typed.
pub(crate) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupt,
}

impl Lines {
    /// Opens the terminal with the history kept under `name`, or the pipe that is read instead.
    pub(crate) fn open(name: &str) -> Result<Self, ReadlineError> {
        let environment = |variable: &str| std::env::var(variable).ok();
        let history = xdg_directory(&environment, "XDG_STATE_HOME", ".local/state").join(name);
        if !std::io::stdin().is_terminal() {
            return Ok(Self { editor: None, history });
        }
        let mut editor = DefaultEditor::new()?;
        // The first session of all has no history.
        let _ = editor.load_history(&history);
        Ok(Self { editor: Some(editor), history })
    }

    /// The next line, or `None` at the end of the input. Holds the thread but not the runtime.
    pub(crate) fn read(&mut self, prompt: &str) -> Option<Line> {
        tokio::task::block_in_place(|| {
            if let Some(editor) = &mut self.editor {
                return match editor.readline(prompt) {
                    Ok(text) => Some(Line::Text(text)),
                    Err(ReadlineError::Interrupted) => Some(Line::Interrupt),
                    Err(_) => None,
                };
            }
            let mut text = String::new();
            let read = std::io::stdin().lock().read_line(&mut text).ok()?;
            (read > 0).then_some(Line::Text(text))
        })
    }

    /// Puts a text into the history.
    pub(crate) fn remember(&mut self, text: &str) {
        if let Some(editor) = &mut self.editor
            && let Ok(true) = editor.add_history_entry(text)
        {
            // A history that cannot be written is missed, but is no reason to stop.
            let _ = self.history.parent().map(std::fs::create_dir_all);
            let _ = editor.append_history(&self.history);
        }
    }
}
