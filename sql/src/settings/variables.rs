//! The settings of one session.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hyprstream_engine::Engine;
use hyprstream_udfs::Settings;

use crate::error::{Error, ErrorKind, Result};
use crate::nearest::suggestion;
use crate::settings::known::{KNOWN, find, kind_for_one_session};
use crate::settings::value;
use crate::statement::Severity;

/// A setting as SHOW ALL and the settings table show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SettingRow {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) default: String,
    pub(crate) description: String,
}

/// The settings of one session. What it has not set itself comes from the engine or from the default.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    engine: Arc<Engine>,
    set: BTreeMap<String, String>,
    /// What SET LOCAL hides until the end of the transaction block.
    hidden: BTreeMap<String, Option<String>>,
}

impl Variables {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, set: BTreeMap::new(), hidden: BTreeMap::new() }
    }

    /// The value of a setting.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        let name = canonical(name);
        if let Some(value) = self.set.get(&name) {
            return Ok(value.clone());
        }
        if let Some(known) = find(&name) {
            return Ok(known.default.to_owned());
        }
        let from_engine = self.engine.settings()?.into_iter().find(|row| row.name == name);
        from_engine.map(|row| row.value).ok_or_else(|| self.unknown(&name))
    }

    /// Changes a setting for this session.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let name = canonical(name);
        if let Some(known) = find(&name) {
            if known.read_only {
                let message = format!("parameter \"{name}\" cannot be changed");
                return Err(Error::new(ErrorKind::InvalidParameter, message));
            }
            let value = known.kind.check(known.name, value)?;
            self.set.insert(name, value);
            return Ok(());
        }
        if let Some(kind) = kind_for_one_session(&name) {
            let value = kind.check(&name, value)?;
            self.set.insert(name, value);
            return Ok(());
        }
        // Clients keep names of their own, with a dot in them, as Postgres lets them.
        let is_custom =
            name.contains('.') && !name.starts_with("hyprstream.") && !name.starts_with("datafusion.");
        if !is_custom {
            return Err(if self.engine.settings()?.iter().any(|row| row.name == name) {
                Error::new(
                    ErrorKind::FeatureNotSupported,
                    format!("parameter \"{name}\" cannot be changed for one session"),
                )
                .with_hint(format!("ALTER SYSTEM SET {name} = … changes it for all sessions."))
            } else {
                self.unknown(&name)
            });
        }
        self.set.insert(name, value.to_owned());
        Ok(())
    }

    /// The name of a setting that ALTER SYSTEM may change.
    pub(crate) fn for_all_sessions(&self, name: &str) -> Result<String> {
        let name = canonical(name);
        if self.engine.settings()?.iter().any(|row| row.name == name) {
            return Ok(name);
        }
        if find(&name).is_none() {
            return Err(self.unknown(&name));
        }
        let message = format!("parameter \"{name}\" cannot be changed for all sessions");
        Err(Error::new(ErrorKind::FeatureNotSupported, message)
            .with_hint(format!("SET {name} = … changes it for one session.")))
    }

    /// Changes a setting until the end of the transaction block.
    pub(crate) fn set_local(&mut self, name: &str, value: &str) -> Result<()> {
        let name = canonical(name);
        let before = self.set.get(&name).cloned();
        self.set(&name, value)?;
        self.hidden.entry(name).or_insert(before);
        Ok(())
    }

    /// Ends a transaction block.
    pub(crate) fn end_local(&mut self) {
        for (name, value) in std::mem::take(&mut self.hidden) {
            match value {
                Some(value) => self.set.insert(name, value),
                None => self.set.remove(&name),
            };
        }
    }

    /// Gives a setting its default back.
    pub(crate) fn reset(&mut self, name: &str) -> Result<()> {
        let name = canonical(name);
        if self.set.remove(&name).is_none() {
            self.get(&name)?;
        }
        Ok(())
    }

    /// Gives all settings their defaults back.
    pub(crate) fn reset_all(&mut self) {
        self.set.clear();
        self.hidden.clear();
    }

    /// Every setting.
    pub(crate) fn rows(&self) -> Result<Vec<SettingRow>> {
        let mut rows: BTreeMap<String, SettingRow> = BTreeMap::new();
        for row in self.engine.settings()? {
            let value = self.set.get(row.name).cloned().unwrap_or(row.value);
            let (name, description) = (row.name.to_owned(), row.description.to_owned());
            rows.insert(name.clone(), SettingRow { name, value, default: row.default, description });
        }
        for known in KNOWN {
            let (name, default) = (known.name.to_owned(), known.default.to_owned());
            let (value, description) = (self.get(known.name)?, known.description.to_owned());
            rows.insert(name.clone(), SettingRow { name, value, default, description });
        }
        // What is left is a client's own.
        for (name, value) in &self.set {
            let own = SettingRow { name: name.clone(), value: value.clone(), ..SettingRow::default() };
            rows.entry(name.clone()).or_insert(own);
        }
        Ok(rows.into_values().collect())
    }

    /// What the functions of this session's statements take from it.
    pub(crate) fn for_functions(&self) -> Result<Settings> {
        let mut settings = Settings::default();
        settings.default_model = self.get("hyprstream.default_model")?;
        settings.max_tokens = self.number("hyprstream.max_tokens")?;
        settings.temperature = self.number("hyprstream.temperature")?;
        settings.record_trajectories =
            self.set.get("hyprstream.record_trajectories").map(|value| value == "on");
        Ok(settings)
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        let value = self.get(name)?;
        value.parse().map_err(|_| {
            let message = format!("parameter \"{name}\" has the value \"{value}\", which is not a number");
            Error::new(ErrorKind::InvalidParameter, message)
        })
    }

    /// Whether `client_min_messages` lets a message of this severity through; INFO always is.
    pub(crate) fn sends(&self, severity: Severity) -> bool {
        let level = |name: &str| value::MESSAGE_LEVELS.iter().position(|level| *level == name);
        let least = self.get("client_min_messages").ok();
        let own = level(&severity.as_str().to_ascii_lowercase());
        own.is_none() || own >= least.and_then(|name| level(&name))
    }

    /// How long a statement may take.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let value = self.get("statement_timeout").ok()?;
        let milliseconds = value::milliseconds(&value)?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    fn unknown(&self, name: &str) -> Error {
        let from_engine = self.engine.settings().unwrap_or_default();
        let names = KNOWN.iter().map(|k| k.name).chain(from_engine.iter().map(|row| row.name));
        let qualified = format!("hyprstream.{name}");
        let near = if names.clone().any(|known| known == qualified) {
            hyprstream_engine::suggestion(Some(&qualified))
        } else {
            suggestion(name, names)
        };
        Error::new(
            ErrorKind::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\"{near}"),
        )
    }
}

/// Names of settings are the same in every case.
fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "time zone" => "timezone".to_owned(),
        "names" => "client_encoding".to_owned(),
        _ => name,
    }
}
