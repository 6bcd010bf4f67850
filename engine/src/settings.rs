//! Settings that survive a restart.

use crate::engine::Engine;
use crate::errors::{Error, Result};

/// A setting as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// Its name, such as `hyprstream.record_trajectories`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The value it has when nobody set it.
    pub default: String,
    /// What it does.
    pub description: &'static str,
}

impl Engine {
    /// All settings, by name.
    pub fn settings(&self) -> Result<Vec<SettingRow>> {
        Err(Error::Unsupported("settings".to_owned()))
    }

    /// The value of one setting.
    pub fn setting(&self, _name: &str) -> Result<String> {
        Err(Error::Unsupported("settings".to_owned()))
    }

    /// Sets and persists a setting; the value is checked and normalised (`off`, `false` and `0` are `off`).
    pub fn set_setting(&self, _name: &str, _value: &str) -> Result<()> {
        Err(Error::Unsupported("settings".to_owned()))
    }

    /// Gives a setting its default back.
    pub fn reset_setting(&self, _name: &str) -> Result<()> {
        Err(Error::Unsupported("settings".to_owned()))
    }
}
