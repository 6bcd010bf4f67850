//! Trajectories in append-only segments.
//!
//! A segment is a file `NNNNNNNNNNNNNNNNNNNN.log`, the number rising: a header, then entries, each with its own
//! checksum. Only the newest is written. An entry is a record, or a mark: a segment begins with one that says how long
//! the segment before it is, and a flush leaves one behind the records that it made durable. The next segment is begun
//! once the one before is durable.
//!
//! A record counts from the moment it is whole. On opening, an entry of the newest segment that does not check is a torn
//! tail, which is cut off, if no entry that checks begins behind it. Otherwise it is damage: nothing is cut off, and what
//! is appended goes into a new segment. Damage is an error of every scan, because a damaged record may have had any id;
//! the error names the file and the byte, and the records before it and behind it stay readable. So are a segment that is
//! missing between two others and one that is shorter than the next one says. A newest segment whose header is damaged is
//! set aside under another name.
//!
//! - `log`: the way in: opening, appending, looking up and retention.
//! - `flush`: what was appended becomes durable.
//! - `scan`: records in order of ids; `follow` gives them in the order in which they were appended.
//! - `verify`: every record is checked, or copied into a new log; `copy` copies a log as it is.
//! - `segment`: one file; `header` and `entry` are its bytes, `records` reads them, `summary` is what is known of it,
//!   `kept_summaries` keeps that in an index, `files` has its name.
//! - `chain`: what the segments say of each other.

mod chain;
mod copy;
mod entry;
mod files;
mod flush;
mod follow;
mod header;
mod kept_summaries;
mod log;
mod records;
mod scan;
mod segment;
mod summary;
mod verify;

pub use copy::LogCopy;
pub use entry::{LogPosition, TrajectoryRecord};
pub use follow::LogRange;
pub use log::{Retained, RetentionPolicy, TrajectoryLog, TrajectoryLogOptions, TrajectoryStatistics};
pub use scan::{Order, TrajectoryScan};
pub use verify::{LogDamage, LogReport, salvage_trajectories};
