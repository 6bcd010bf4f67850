//! Where a value comes from, and which source wins.

use std::path::PathBuf;

use super::{Config, ConfigError, OPTIONS};

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

/// Where an option's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// A variable, with its name.
    Environment(String),
    /// The command line.
    Flag,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A configuration and where each of its values came from, in the order of [`OPTIONS`].
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The source of each option.
    pub sources: Vec<Source>,
}

impl Loaded {
    /// Layers flags over the environment over the file over the defaults. `file` is the configuration
    /// file's path and text, where there is one.
    pub fn try_new(
        flags: &[(String, String)],
        environment: &dyn Environment,
        file: Option<(PathBuf, String)>,
    ) -> Result<Self, ConfigError> {
        let mut loaded =
            Self { config: Config::defaults(environment), sources: vec![Source::Default; OPTIONS.len()] };
        if let Some((path, text)) = file {
            for (name, value) in file_values(&path, &text)? {
                loaded.set(&name, &value, Source::File(path.clone()))?;
            }
        }
        for option in OPTIONS {
            let variable = format!("HYPRSTREAM_{}", option.name.to_uppercase());
            if let Some(value) = environment.variable(&variable) {
                loaded.set(option.name, &value, Source::Environment(variable))?;
            }
        }
        for (name, value) in flags {
            loaded.set(&name.replace('-', "_"), value, Source::Flag)?;
        }
        Ok(loaded)
    }

    fn set(&mut self, name: &str, value: &str, source: Source) -> Result<(), ConfigError> {
        let Some(index) = OPTIONS.iter().position(|option| option.name == name) else {
            let names: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
            return Err(ConfigError(format!(
                "unknown option `{name}` from {source}; the options are {}",
                names.join(", ")
            )));
        };
        self.config.set(name, value).map_err(|reason| {
            ConfigError(format!("option `{name}` from {source} cannot be \"{value}\": {reason}"))
        })?;
        self.sources[index] = source;
        Ok(())
    }
}

fn file_values(path: &std::path::Path, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
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

/// The configuration file's path: as given, else the one under the XDG configuration directory if it exists.
pub(crate) fn file_path(given: Option<PathBuf>, environment: &dyn Environment) -> Option<PathBuf> {
    given.or_else(|| environment.variable("HYPRSTREAM_CONFIG").map(PathBuf::from)).or_else(|| {
        let path = xdg_directory(environment, "XDG_CONFIG_HOME", ".config").join("config.toml");
        path.is_file().then_some(path)
    })
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
    use super::super::Door;
    use super::*;

    fn environment(variables: &'static [(&'static str, &'static str)]) -> impl Environment {
        move |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_string())
        }
    }

    fn with_file(text: &str) -> Result<Loaded, ConfigError> {
        Loaded::try_new(&[], &environment(&[]), Some(("/etc/h.toml".into(), text.into())))
    }

    fn source(loaded: &Loaded, name: &str) -> Source {
        let index = OPTIONS.iter().position(|option| option.name == name).unwrap();
        loaded.sources[index].clone()
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let variables = environment(&[("HYPRSTREAM_PG", "127.0.0.1:2"), ("HYPRSTREAM_THREADS", "2")]);
        let text = "pg = '127.0.0.1:1'\nthreads = 1\nmax_connections = 7";
        let flags = [("pg".to_string(), "127.0.0.1:3".to_string())];
        let loaded = Loaded::try_new(&flags, &variables, Some(("/etc/h.toml".into(), text.into()))).unwrap();
        assert_eq!(loaded.config.pg, Door::On("127.0.0.1:3".into()));
        assert_eq!(source(&loaded, "pg"), Source::Flag);
        assert_eq!(loaded.config.threads, Some(2));
        assert_eq!(source(&loaded, "threads"), Source::Environment("HYPRSTREAM_THREADS".into()));
        assert_eq!(loaded.config.max_connections, 7);
        assert_eq!(source(&loaded, "max_connections"), Source::File("/etc/h.toml".into()));
        assert_eq!(loaded.config.flight, Door::On("127.0.0.1:50051".into()));
        assert_eq!(source(&loaded, "flight"), Source::Default);
    }

    #[test]
    fn the_data_directory_follows_xdg_and_home() {
        let home = environment(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")]);
        assert_eq!(default_data_dir(&home), PathBuf::from("/home/a/.local/share/hyprstream"));
        let xdg = environment(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")]);
        assert_eq!(default_data_dir(&xdg), PathBuf::from("/data/hyprstream"));
    }

    #[test]
    fn a_mistake_names_the_option_the_source_and_what_is_expected() {
        let none = environment(&[]);
        let unknown = with_file("prot = 'off'").unwrap_err();
        assert!(unknown.0.contains("`prot` from /etc/h.toml"), "{unknown}");
        let invalid = environment(&[("HYPRSTREAM_THREADS", "0")]);
        let error = Loaded::try_new(&[], &invalid, None).unwrap_err();
        assert!(error.0.contains("HYPRSTREAM_THREADS") && error.0.contains("above 0"), "{error}");
        let no_port = Loaded::try_new(&[("pg".into(), "localhost".into())], &none, None).unwrap_err();
        assert!(no_port.0.contains("HOST:PORT"), "{no_port}");
        assert!(with_file("threads = [1]").unwrap_err().0.contains("array"));
    }

    #[test]
    fn every_value_reads_back_as_it_is_shown() {
        let none = environment(&[]);
        let loaded = Loaded::try_new(&[], &none, None).unwrap();
        let shown: Vec<_> =
            OPTIONS.iter().map(|option| (option.name.to_string(), loaded.config.show(option.name))).collect();
        assert_eq!(Loaded::try_new(&shown, &none, None).unwrap().config, loaded.config);
    }
}
