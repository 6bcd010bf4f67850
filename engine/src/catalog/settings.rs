//! Settings that survive a restart. Each is declared once, with its default, its check and its description.

use std::sync::atomic::{AtomicBool, Ordering};

use hyprstream_storage::RetentionPolicy;

use crate::adapters::store::{AdapterStore, left_out};
use crate::boolean::parse_boolean;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::options::BUNDLED_MODEL;

/// A setting as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// Its name, such as `hyprstream.record_trajectories`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Its value until it is set.
    pub default: String,
    /// What it does.
    pub description: &'static str,
}

const DEFAULT_MODEL: &str = "hyprstream.default_model";
const RECORD_TRAJECTORIES: &str = "hyprstream.record_trajectories";
const EMBED_TRAJECTORIES: &str = "hyprstream.embed_trajectories";
const TRAJECTORY_DAYS: &str = "hyprstream.trajectory_days";
const TRAJECTORY_MEGABYTES: &str = "hyprstream.trajectory_megabytes";

/// The canonical spelling of a value, such as `off` for `0`; the error is the reason against it.
type Normalise = fn(&str) -> std::result::Result<String, String>;

struct Declaration {
    name: &'static str,
    default: &'static str,
    description: &'static str,
    normalise: Normalise,
}

static DECLARATIONS: [Declaration; 5] = [
    Declaration {
        name: DEFAULT_MODEL,
        default: BUNDLED_MODEL,
        description: "The model that answers when a request names none.",
        normalise: |value| {
            let value = value.trim();
            if value.is_empty() { Err("a model has a name".to_owned()) } else { Ok(value.to_owned()) }
        },
    },
    Declaration {
        name: RECORD_TRAJECTORIES,
        default: "on",
        description: "Whether answers are recorded in the table trajectories.",
        normalise: switch,
    },
    Declaration {
        name: EMBED_TRAJECTORIES,
        default: "on",
        description: "Whether the prompts of recorded answers are embedded while nothing else is to be done.",
        normalise: switch,
    },
    Declaration {
        name: TRAJECTORY_DAYS,
        default: "0",
        description: "Recorded answers older than this many days are removed when the data directory is opened; 0 keeps all.",
        normalise: whole_number,
    },
    Declaration {
        name: TRAJECTORY_MEGABYTES,
        default: "0",
        description: "The oldest recorded answers are removed until the rest fits in this when the data directory is opened; 0 keeps all.",
        normalise: whole_number,
    },
];

fn switch(value: &str) -> std::result::Result<String, String> {
    match parse_boolean(value) {
        Some(true) => Ok("on".to_owned()),
        Some(false) => Ok("off".to_owned()),
        None => Err("it is on or off".to_owned()),
    }
}

fn whole_number(value: &str) -> std::result::Result<String, String> {
    match value.trim().parse::<u32>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err(format!("it is a whole number from 0 to {}", u32::MAX)),
    }
}

/// The persisted settings, with those that are asked for all the time kept at hand.
#[derive(Debug)]
pub(crate) struct Settings {
    store: AdapterStore,
    default_model: Option<String>,
    record: AtomicBool,
    embed: AtomicBool,
}

impl Settings {
    /// The settings of a data directory. `default_model`, where given, replaces the declared default of that setting.
    pub(crate) fn new(store: AdapterStore, default_model: Option<String>) -> Self {
        let settings =
            Self { store, default_model, record: AtomicBool::new(true), embed: AtomicBool::new(true) };
        settings.read_switches();
        settings
    }

    pub(crate) fn record_trajectories(&self) -> bool {
        self.record.load(Ordering::Relaxed)
    }

    pub(crate) fn embed_trajectories(&self) -> bool {
        self.embed.load(Ordering::Relaxed)
    }

    pub(crate) fn default_model(&self) -> Result<String> {
        self.get(DEFAULT_MODEL)
    }

    /// Which recorded answers are kept; the default policy keeps all.
    pub(crate) fn retention(&self) -> Result<RetentionPolicy> {
        let limit = |name| -> Result<Option<u64>> {
            let value = self.get(name)?;
            let number = value.parse::<u64>().map_err(|_| {
                Error::Corrupt(format!("the setting {name} is \"{value}\", which is not a whole number"))
            })?;
            Ok((number > 0).then_some(number))
        };
        Ok(RetentionPolicy {
            max_age_ms: limit(TRAJECTORY_DAYS)?.map(|days| days * 86_400_000),
            max_bytes: limit(TRAJECTORY_MEGABYTES)?.map(|megabytes| megabytes << 20),
        })
    }

    /// The settings, by name. One whose record is damaged is left out with a line in the log.
    pub(crate) fn rows(&self) -> Vec<SettingRow> {
        let mut rows = Vec::with_capacity(DECLARATIONS.len());
        for declaration in &DECLARATIONS {
            match self.value(declaration) {
                Ok(value) => rows.push(SettingRow {
                    name: declaration.name,
                    value,
                    default: self.default_of(declaration),
                    description: declaration.description,
                }),
                Err(error) => left_out(declaration.name.as_bytes(), &error),
            }
        }
        rows
    }

    /// The value of a setting.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        self.value(find(name)?)
    }

    /// Sets and persists a setting. A new default model is opened with `open_model` first; one that cannot be is refused.
    pub(crate) fn set(
        &self,
        name: &str,
        value: &str,
        open_model: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        let declaration = find(name)?;
        let value = (declaration.normalise)(value)
            .map_err(|reason| Error::text_argument(declaration.name, value, reason))?;
        if declaration.name == DEFAULT_MODEL {
            open_model(&value)?;
        }
        let key = key(declaration.name);
        self.store.write(|transaction| Ok(transaction.put_metadata(&key, value.as_bytes())?))?;
        self.read_switches();
        Ok(())
    }

    pub(crate) fn reset(&self, name: &str) -> Result<()> {
        let key = key(find(name)?.name);
        self.store.write(|transaction| Ok(transaction.remove_metadata(&key)?))?;
        self.read_switches();
        Ok(())
    }

    fn default_of(&self, declaration: &Declaration) -> String {
        match &self.default_model {
            Some(model) if declaration.name == DEFAULT_MODEL => model.clone(),
            _ => declaration.default.to_owned(),
        }
    }

    fn value(&self, declaration: &Declaration) -> Result<String> {
        match self.store.snapshot().metadata(&key(declaration.name))? {
            Some(bytes) => String::from_utf8(bytes)
                .map_err(|_| Error::Corrupt(format!("the setting {} is not text", declaration.name))),
            None => Ok(self.default_of(declaration)),
        }
    }

    /// A switch whose record is damaged stands as it is declared: it must not keep the others from being read.
    fn read_switches(&self) {
        for (name, switch) in [(RECORD_TRAJECTORIES, &self.record), (EMBED_TRAJECTORIES, &self.embed)] {
            match self.get(name) {
                Ok(value) => switch.store(value == "on", Ordering::Relaxed),
                Err(error) => tracing::error!(%error, name, "a setting is damaged; set it again"),
            }
        }
    }
}

fn key(name: &str) -> Vec<u8> {
    [b"setting/", name.as_bytes()].concat()
}

fn find(name: &str) -> Result<&'static Declaration> {
    DECLARATIONS.iter().find(|declaration| declaration.name == name).ok_or_else(|| Error::UnknownObject {
        kind: "setting",
        name: name.to_owned(),
        nearest: nearest(name, DECLARATIONS.iter().map(|declaration| declaration.name)).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyprstream_storage::{GridOptions, GridStore};

    use super::{RECORD_TRAJECTORIES, Settings, TRAJECTORY_DAYS, TRAJECTORY_MEGABYTES, key};
    use crate::adapters::store::AdapterStore;

    fn put(store: &AdapterStore, name: &str, value: &[u8]) {
        store.write(|transaction| Ok(transaction.put_metadata(&key(name), value)?)).unwrap();
    }

    #[test]
    fn a_retention_that_is_no_number_is_an_error_that_names_the_setting() {
        let directory = tempfile::tempdir().unwrap();
        let grid = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        let store = AdapterStore::new(Arc::new(grid));
        let settings = Settings::new(store.clone(), None);
        assert_eq!(settings.retention().unwrap().max_age_ms, None);
        put(&store, TRAJECTORY_DAYS, b"7");
        assert_eq!(settings.retention().unwrap().max_age_ms, Some(7 * 86_400_000));
        put(&store, TRAJECTORY_MEGABYTES, b"many");
        let error = settings.retention().unwrap_err().to_string();
        assert!(error.contains("hyprstream.trajectory_megabytes is \"many\""), "{error}");
        put(&store, TRAJECTORY_MEGABYTES, &[0xff]);
        let error = settings.retention().unwrap_err().to_string();
        assert!(error.contains("hyprstream.trajectory_megabytes is not text"), "{error}");
    }

    #[test]
    fn a_setting_that_cannot_be_read_leaves_the_others_and_can_be_set_again() {
        let directory = tempfile::tempdir().unwrap();
        let grid = GridStore::open(directory.path(), &GridOptions::default()).unwrap();
        let store = AdapterStore::new(Arc::new(grid));
        put(&store, RECORD_TRAJECTORIES, &[0xff]);
        put(&store, TRAJECTORY_DAYS, b"7");
        let settings = Settings::new(store, None);
        let rows = settings.rows();
        assert!(rows.iter().all(|row| row.name != RECORD_TRAJECTORIES) && rows.len() == 4);
        assert_eq!(rows.iter().find(|row| row.name == TRAJECTORY_DAYS).unwrap().value, "7");
        assert!(settings.get(RECORD_TRAJECTORIES).is_err() && settings.record_trajectories());
        settings.set(RECORD_TRAJECTORIES, "no", |_| Ok(())).unwrap();
        assert!(!settings.record_trajectories());
        assert_eq!(settings.get(RECORD_TRAJECTORIES).unwrap(), "off");
    }
}
