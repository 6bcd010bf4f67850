//! Trajectories in append-only segments.
//!
//! A segment is a file `NNNNNNNNNNNNNNNNNNNN.log`, the number rising: a header, then records, each with its own
//! checksum. Only the newest is written. A record counts from the moment it is whole. On opening, a record of the
//! newest segment that does not check is a torn tail, which is cut off, if no record that checks begins behind it.
//! Otherwise it is damage: nothing is cut off, and what is appended goes into a new segment. Damage is an error of
//! every scan, because a damaged record may have had any id; the error names the file and the byte, and the records
//! before it and behind it stay readable. A newest segment whose header is damaged is set aside under another name.
//!
//! - `log`: the way in: opening, appending, looking up and retention.
//! - `flush`: what was appended becomes durable.
//! - `scan`: records in order of ids; `follow` gives them in the order in which they were appended.
//! - `verify`: every record is checked, or copied into a new log.
//! - `segment`: one file; `header` and `records` are its bytes, `summary` what is known of it, `files` its name.

mod files;
mod flush;
mod follow;
mod header;
mod log;
mod records;
mod scan;
mod segment;
mod summary;
mod verify;

pub use follow::{LogPosition, LogRange};
pub use log::{Retained, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryStatistics};
pub use records::TrajectoryRecord;
pub use scan::{Order, TrajectoryScan};
pub use verify::{LogDamage, LogReport, salvage_trajectories};
