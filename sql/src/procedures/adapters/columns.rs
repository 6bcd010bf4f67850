//! The rows that several procedures over adapters answer with.

use hyprstream_engine::{AdapterRow, RecodedAdapter};

use crate::columns::Columns;

/// The version that is now there.
pub(super) fn version(columns: Columns<AdapterRow>) -> Columns<AdapterRow> {
    columns
        .text("name", |r| Some(&r.name))
        .bigint("version", |r| Some(r.version))
        .texts("tags", |r| &r.tags)
        .text("hash", |r| Some(&r.hash))
}

/// What storing a version in another form did.
pub(super) fn recoded(columns: Columns<RecodedAdapter>) -> Columns<RecodedAdapter> {
    columns
        .text("name", |r| Some(&r.name))
        .bigint("version", |r| Some(r.version))
        .bigint("chunks", |r| Some(r.chunks))
        .bigint("shared_chunks", |r| Some(r.shared_chunks))
        .bigint("bytes_before", |r| Some(r.bytes_before))
        .bigint("bytes_after", |r| Some(r.bytes_after))
}

/// How many versions of an adapter were dropped.
pub(crate) struct Dropped {
    pub(super) name: String,
    pub(super) versions: u64,
}

pub(super) fn dropped(columns: Columns<Dropped>) -> Columns<Dropped> {
    columns.text("name", |r| Some(&r.name)).bigint("versions_dropped", |r| Some(r.versions))
}
