//! The call context of a statement, where functions find it: beside the settings, in the configuration of their call.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::{Result, config_err};
use hyprstream_engine::CallContext;

/// Carries a [`CallContext`] in `DataFusion`'s configuration. It is no setting: SET and SHOW do not know it.
#[derive(Debug, Clone)]
pub struct StatementCall(Arc<CallContext>);

impl StatementCall {
    /// Carries the call.
    pub fn new(call: Arc<CallContext>) -> Self {
        Self(call)
    }

    /// The call that these options belong to; outside of any statement, one of this process.
    pub fn from_options(options: &ConfigOptions) -> Arc<CallContext> {
        options.extensions.get::<Self>().map_or_else(CallContext::local, |call| Arc::clone(&call.0))
    }
}

impl ConfigExtension for StatementCall {
    const PREFIX: &'static str = "hyprstream_call";
}

impl ExtensionOptions for StatementCall {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        config_err!("\"{key}\" cannot be set: it belongs to the statement that runs")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
