//! Configuration: what can be set, where values come from, and what is made of them.
//!
//! A value comes from the first of: a flag, the environment (`HYPRSTREAM_` and the option's name), the TOML
//! file, the default.

pub(crate) mod database;
pub(crate) mod environment;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod layers;
pub(crate) mod options;
pub(crate) mod password;
pub(crate) mod values;

pub use environment::Environment;
pub use error::ConfigError;
pub use layers::{Loaded, Source};
pub use options::{Config, OPTIONS, OptionInfo};
pub use values::ListenAddress;
