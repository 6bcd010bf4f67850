//! Where a value comes from, and which source wins.

use std::path::PathBuf;

use crate::config::environment::Environment;
use crate::config::error::ConfigError;
use crate::config::file;
use crate::config::options::{Config, OPTIONS};

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
            for (name, value) in file::values(&path, &text)? {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::ListenAddress;

    fn environment(variables: &'static [(&'static str, &'static str)]) -> impl Environment {
        move |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
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
        let flags = [("pg".to_owned(), "127.0.0.1:3".to_owned())];
        let loaded = Loaded::try_new(&flags, &variables, Some(("/etc/h.toml".into(), text.into()))).unwrap();
        assert_eq!(loaded.config.pg, ListenAddress::On("127.0.0.1:3".into()));
        assert_eq!(source(&loaded, "pg"), Source::Flag);
        assert_eq!(loaded.config.threads, Some(2));
        assert_eq!(source(&loaded, "threads"), Source::Environment("HYPRSTREAM_THREADS".into()));
        assert_eq!(loaded.config.max_connections, 7);
        assert_eq!(source(&loaded, "max_connections"), Source::File("/etc/h.toml".into()));
        assert_eq!(loaded.config.flight, ListenAddress::On("127.0.0.1:50051".into()));
        assert_eq!(source(&loaded, "flight"), Source::Default);
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
            OPTIONS.iter().map(|option| (option.name.to_owned(), loaded.config.show(option.name))).collect();
        assert_eq!(Loaded::try_new(&shown, &none, None).unwrap().config, loaded.config);
    }
}
