//! Models by name: what happens when their files change, and which hashes they go by.

mod changed_files;
mod former_hash;
