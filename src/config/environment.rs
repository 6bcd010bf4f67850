//! The variables of the process, and the directories that they name.

use std::path::PathBuf;

/// The variables of the process, behind a seam that tests replace.
pub trait Environment {
    /// The value of a variable that is set.
    fn variable(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}

pub(super) fn default_data_dir(environment: &dyn Environment) -> PathBuf {
    xdg_directory(environment, "XDG_DATA_HOME", ".local/share")
}

/// The program's own directory below an XDG base directory, which counts only when it is absolute.
pub(crate) fn xdg_directory(environment: &dyn Environment, variable: &str, below_home: &str) -> PathBuf {
    let base = environment.variable(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || PathBuf::from(environment.variable("HOME").unwrap_or_else(|| ".".into())).join(below_home);
    base.unwrap_or_else(home).join("hyprstream")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_data_directory_follows_xdg_and_home() {
        let data_dir = |variables: HashMap<&str, &str>| {
            default_data_dir(&|name: &str| variables.get(name).map(|value| (*value).to_owned()))
        };
        let home = HashMap::from([("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")]);
        assert_eq!(data_dir(home), PathBuf::from("/home/a/.local/share/hyprstream"));
        let xdg = HashMap::from([("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")]);
        assert_eq!(data_dir(xdg), PathBuf::from("/data/hyprstream"));
    }
}
