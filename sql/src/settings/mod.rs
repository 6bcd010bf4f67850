//! The settings of a session: what SET changes and SHOW shows.

mod known;
mod value;
mod variables;

pub(crate) use variables::{SettingRow, Variables};
