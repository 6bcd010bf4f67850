//! The configuration file.

use std::path::{Path, PathBuf};

use crate::config::environment::{Environment, xdg_directory};
use crate::config::error::ConfigError;

/// The path and text of the configuration file: the one that is given, else the one that the environment names,
/// else the one under the XDG configuration directory if it exists.
pub(crate) fn read(
    given: Option<PathBuf>,
    environment: &dyn Environment,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let Some(path) = find(given, environment) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) => {
            Err(ConfigError(format!("cannot read the configuration file {}: {error}", path.display())))
        }
    }
}

fn find(given: Option<PathBuf>, environment: &dyn Environment) -> Option<PathBuf> {
    given.or_else(|| environment.variable("HYPRSTREAM_CONFIG").map(PathBuf::from)).or_else(|| {
        let path = xdg_directory(environment, "XDG_CONFIG_HOME", ".config").join("config.toml");
        path.is_file().then_some(path)
    })
}

/// The options that the text of a file sets, as they would be written in the environment.
pub(super) fn values(path: &Path, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let table: toml::Table = text
        .parse()
        .map_err(|error| ConfigError(format!("{} is not valid TOML: {error}", path.display())))?;
    table
        .into_iter()
        .map(|(name, value)| match value {
            toml::Value::String(text) => Ok((name, text)),
            toml::Value::Integer(number) => Ok((name, number.to_string())),
            other => Err(ConfigError(format!(
                "option `{name}` in {} has a value of type {}; a string or a whole number is expected",
                path.display(),
                other.type_str()
            ))),
        })
        .collect()
}
