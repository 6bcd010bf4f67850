//! The session's settings that functions read: the `hyprstream.*` names of SET and SHOW.

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;
use hyprstream_engine::limits::DEFAULT_MAX_TOKENS;

extensions_options! {
    /// What a call takes from its session where its arguments say nothing.
    pub struct Settings {
        /// The model that answers when a call names none; empty for the engine's own default.
        pub default_model: String, default = String::new()

        /// The most tokens that a generation produces when the call does not say.
        pub max_tokens: u32, default = DEFAULT_MAX_TOKENS

        /// The temperature of a generation when the call does not say; 0 always takes the likeliest token.
        pub temperature: f64, default = 0.0

        /// Whether generations are recorded in the trajectories table; without a value the engine's setting counts.
        pub record_trajectories: Option<bool>, default = None
    }
}

impl ConfigExtension for Settings {
    const PREFIX: &'static str = "hyprstream";
}

impl Settings {
    /// The settings of the session that these options belong to.
    pub fn from_options(options: &ConfigOptions) -> Self {
        options.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// The model that answers when a call names none, `None` for the engine's own default.
    pub fn model(&self) -> Option<String> {
        (!self.default_model.is_empty()).then(|| self.default_model.clone())
    }
}
