//! How option values are written and read.

use std::fmt;
use std::path::PathBuf;

use hyprstream_engine::WeightPreference;

/// Whether and where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// The server does not listen.
    Off,
    /// The server listens at this `HOST:PORT`.
    On(String),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On(address) => address,
        })
    }
}

/// A type that an option can have.
pub(super) trait Value: Sized {
    /// Reads the value, or says what it should look like.
    fn parse(text: &str) -> Result<Self, String>;
    /// The value as `parse` reads it.
    fn show(&self) -> String;
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path is expected".into()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Vec<PathBuf> {
    fn parse(text: &str) -> Result<Self, String> {
        let paths: Self = std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect();
        match paths.iter().find(|path| !path.is_dir()) {
            Some(path) => Err(format!("{} is not a directory", path.display())),
            None => Ok(paths),
        }
    }

    fn show(&self) -> String {
        let paths: Vec<String> = self.iter().map(|path| path.display().to_string()).collect();
        paths.join(":")
    }
}

impl Value for ListenAddress {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let port =
            text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(_)) => Ok(Self::On(text.into())),
            _ => Err("`off` or HOST:PORT is expected, such as 127.0.0.1:5433".into()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

const WEIGHTS: [(&str, WeightPreference); 6] = [
    ("auto", WeightPreference::Auto),
    ("stored", WeightPreference::Stored),
    ("f32", WeightPreference::F32),
    ("f16", WeightPreference::F16),
    ("bf16", WeightPreference::Bf16),
    ("q8_0", WeightPreference::Q8_0),
];

impl Value for WeightPreference {
    fn parse(text: &str) -> Result<Self, String> {
        let known = WEIGHTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known
            .map(|(_, weights)| *weights)
            .ok_or_else(|| format!("one of {} is expected", WEIGHTS.map(|(name, _)| name).join(", ")))
    }

    fn show(&self) -> String {
        let known = WEIGHTS.iter().find(|(_, weights)| weights == self);
        known.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }
}

macro_rules! positive_number {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                match text.parse() {
                    Ok(0) | Err(_) => Err("a whole number above 0 is expected".into()),
                    Ok(number) => Ok(number),
                }
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

positive_number!(usize, u64);

impl<T: Value> Value for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}
