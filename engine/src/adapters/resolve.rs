//! Which versions a name means now.

use hyprstream_models::ModelFiles;
use hyprstream_storage::{Snapshot, VersionInfo};

use crate::adapters::name::{AdapterReference, parse_stack};
use crate::adapters::record::{VersionRecord, version_record};
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// A version that a request answers with, and how strongly.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedAdapter {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) scale: f32,
    pub(crate) record: VersionRecord,
}

impl ResolvedAdapter {
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The label of a stack as tables show it: every version named, every scale but 1.
pub(crate) fn stack_label(stack: &[ResolvedAdapter]) -> Option<String> {
    let part = |adapter: &ResolvedAdapter| {
        if adapter.scale.to_bits() == 1.0_f32.to_bits() {
            adapter.label()
        } else {
            format!("{}:{}", adapter.label(), adapter.scale)
        }
    };
    (!stack.is_empty()).then(|| stack.iter().map(part).collect::<Vec<_>>().join("+"))
}

/// The versions that a stack means in a snapshot, all trained on `base`.
pub(crate) fn resolve_stack(
    snapshot: &Snapshot,
    text: &str,
    base: &ModelFiles,
) -> Result<Vec<ResolvedAdapter>> {
    let resolve = |reference: AdapterReference| {
        let adapter = resolve(snapshot, &reference)?;
        if !base.has_hash(&adapter.record.base_hash) {
            return Err(Error::BaseMismatch {
                adapter: adapter.label(),
                expected: adapter.record.base_hash.to_string(),
                found: base.content_hash().to_string(),
            });
        }
        Ok(adapter)
    };
    parse_stack(text)?.into_iter().map(resolve).collect()
}

/// The version that a reference means in a snapshot.
pub(crate) fn resolve(snapshot: &Snapshot, reference: &AdapterReference) -> Result<ResolvedAdapter> {
    let published: Vec<VersionInfo> =
        snapshot.versions(&reference.name)?.into_iter().filter(|version| version.published).collect();
    let Some(latest) = published.last() else {
        return Err(unknown_adapter(snapshot, &reference.name, reference.label())?);
    };
    let version = match &reference.selector {
        None => latest,
        Some(selector) => published
            .iter()
            .find(|version| version.version == *selector || version.tags.contains(selector))
            .ok_or_else(|| unknown_version(reference, selector, &published))?,
    };
    let record = version_record(snapshot, &reference.name, &version.version)?;
    Ok(ResolvedAdapter {
        name: reference.name.clone(),
        version: version.version.clone(),
        scale: reference.scale,
        record,
    })
}

/// The error for a name that no adapter has; `label` is the name as it was asked for.
pub(crate) fn unknown_adapter(snapshot: &Snapshot, name: &str, label: String) -> Result<Error> {
    let known = published_adapters(snapshot)?;
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    Ok(Error::UnknownAdapter { name: label, nearest })
}

fn unknown_version(reference: &AdapterReference, selector: &str, published: &[VersionInfo]) -> Error {
    let names = published.iter().flat_map(|version| std::iter::once(&version.version).chain(&version.tags));
    let found = nearest(selector, names.map(String::as_str))
        .or_else(|| published.last().map(|version| version.version.as_str()));
    Error::UnknownAdapter {
        name: reference.label(),
        nearest: found.map(|version| format!("{}@{version}", reference.name)),
    }
}

/// Adapters that have a published version.
pub(crate) fn published_adapters(snapshot: &Snapshot) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in snapshot.adapters()? {
        if snapshot.versions(&name)?.iter().any(|version| version.published) {
            names.push(name);
        }
    }
    Ok(names)
}
