//! Every option is one field below, with its documentation and its default.

use std::path::PathBuf;

use hyprstream_engine::WeightPreference;

use crate::config::environment::{Environment, default_data_dir};
use crate::config::values::{ListenAddress, Value};

/// What the documentation of an option is made of.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// The option's name in the file; the flag has dashes, the variable capitals.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
}

macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        /// The program's configuration.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config { $($(#[doc = $doc])+ pub $name: $type,)+ }

        /// Every option, in the order in which it is documented.
        pub const OPTIONS: &[OptionInfo] =
            &[$(OptionInfo { name: stringify!($name), doc: concat!($($doc),+) }),+];

        impl Config {
            pub(super) fn defaults(environment: &dyn Environment) -> Self {
                Self { $($name: $default(environment),)+ }
            }

            /// Sets the option `name`, or says what its value should look like.
            pub(super) fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = Value::parse(text)?,)+
                    _ => return Err("no such option".into()),
                }
                Ok(())
            }

            /// The value of the option `name`, as it would be written in the environment.
            pub fn show(&self, name: &str) -> String {
                match name {
                    $(stringify!($name) => self.$name.show(),)+
                    _ => String::new(),
                }
            }
        }
    };
}

options! {
    /// Where models, tables, adapters and trajectories are kept. It is made when it is not there.
    data_dir: PathBuf = default_data_dir;
    /// The address that Postgres clients connect to; `off` opens no listener, port 0 picks a free port.
    pg: ListenAddress = |_: &dyn Environment| ListenAddress::On("127.0.0.1:5433".into());
    /// The address that Arrow Flight SQL clients connect to; `off` opens no listener, port 0 picks a free port.
    flight: ListenAddress = |_: &dyn Environment| ListenAddress::On("127.0.0.1:50051".into());
    /// A file with the password of the user `hyprstream`. Needed to listen beyond loopback, where clients
    /// then authenticate by SCRAM-SHA-256; on loopback no password is asked for.
    password_file: Option<PathBuf> = |_: &dyn Environment| None;
    /// Directories besides `files` in the data directory in which SQL may read and write files, separated by
    /// colons. Relative paths in SQL begin in `files`.
    file_directories: Vec<PathBuf> = |_: &dyn Environment| Vec::new();
    /// The model that answers when a statement names none.
    default_model: Option<String> = |_: &dyn Environment| None;
    /// How many threads decode and train; by default one a core.
    threads: Option<usize> = |_: &dyn Environment| None;
    /// In which type the weights of a Hugging Face directory answer: `stored`, `f32`, `f16`, `bf16`, `q8_0`, or
    /// `auto`, which is f32 where that takes at most 64 MiB and else as stored. A GGUF file answers as it is.
    weights: WeightPreference = |_: &dyn Environment| WeightPreference::Auto;
    /// How many tokens a prompt and its answer may have together; by default 4096, or fewer where the model or
    /// the memory allows fewer.
    context_length: Option<usize> = |_: &dyn Environment| None;
    /// How many clients each listener serves at once.
    max_connections: usize = |_: &dyn Environment| 1000;
    /// The longest message accepted from a client; the connection of one that sends more is closed. A statement's
    /// text may have 16 MiB, whatever this says.
    max_message_bytes: usize = |_: &dyn Environment| 64 << 20;
    /// How long running statements may go on after a request to stop, before they are cancelled.
    stop_timeout_seconds: u64 = |_: &dyn Environment| 5;
    /// What is logged to stderr, in the syntax of `RUST_LOG`. llama.cpp's own log, which `llama-cpp-2=warn` turns on,
    /// reports every cancelled decode as a failure; errors of decoding are reported without it.
    log: String = |_: &dyn Environment| "warn,hyprstream=info,llama-cpp-2=off".into();
}
