//! The password of the user `hyprstream`.

use crate::config::error::ConfigError;
use crate::config::options::Config;

/// The password in the configured file, checked to be one that every client encodes alike.
pub(crate) fn read(config: &Config) -> Result<Option<String>, ConfigError> {
    let Some(path) = &config.password_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("cannot read the password file {}: {error}", path.display())))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || !password.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ') {
        return Err(ConfigError(format!(
            "the password file {} must hold one line of printable ASCII characters",
            path.display()
        )));
    }
    Ok(Some(password.to_owned()))
}
