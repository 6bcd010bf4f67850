//! Versions of adapters: published once, never changed, named by name, version or tag.

use hyprstream_storage::{Snapshot, VersionInfo, VersionPath};

use crate::adapters::checkpoints::{CheckpointRecord, checkpoint, checkpoints_of, forget_checkpoint};
use crate::adapters::name::{check_name, parse_one};
use crate::adapters::record::{VersionRecord, publish, version_key, version_number, version_record};
use crate::adapters::resolve::{ResolvedAdapter, published_adapters, resolve, unknown_adapter};
use crate::adapters::store::{AdapterStore, left_out};
use crate::clock::now_micros;
use crate::error::{Error, Result};

/// One version of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterRow {
    /// The adapter's name.
    pub name: String,
    /// The version, from 1.
    pub version: u64,
    /// Tags that point at this version.
    pub tags: Vec<String>,
    /// Whether the bare name means this version.
    pub is_latest: bool,
    /// Name of the model it was trained on.
    pub base_model: String,
    /// Content hash of that model.
    pub base_hash: String,
    /// Content hash of the adapter's own weights.
    pub hash: String,
    /// Rank.
    pub rank: u32,
    /// Alpha; the weights are scaled by alpha / rank.
    pub alpha: f32,
    /// PEFT names of the modules it changes.
    pub target_modules: Vec<String>,
    /// Values in its matrices.
    pub parameters: u64,
    /// When it was published, in microseconds since the Unix epoch.
    pub created_at: i64,
    /// The training run that made it.
    pub run_id: Option<u64>,
    /// What it was restored, branched or imported from, as `name@version`, `checkpoint N` or `file NAME`.
    pub parent: Option<String>,
    /// The query its training data came from.
    pub data_query: Option<String>,
    /// Hash of its training data.
    pub dataset_hash: Option<String>,
    /// Hyperparameters as JSON.
    pub hyperparameters: Option<String>,
    /// Mean loss of its last epoch, in nats a token.
    pub train_loss: Option<f32>,
    /// Loss on the validation data, in nats a token.
    pub val_loss: Option<f32>,
}

/// Where a restored version's weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreSource {
    /// An earlier version, as a number or a tag.
    Version(String),
    /// A checkpoint, by its id.
    Checkpoint(u64),
}

/// All versions; one whose record is damaged is left out with a line in the log.
pub(crate) fn rows(snapshot: &Snapshot) -> Result<Vec<AdapterRow>> {
    let mut rows = Vec::new();
    for name in snapshot.adapters()? {
        let published: Vec<VersionInfo> =
            snapshot.versions(&name)?.into_iter().filter(|version| version.published).collect();
        for version in &published {
            let is_latest = published.last().is_some_and(|last| last.version == version.version);
            let record = version_record(snapshot, &name, &version.version);
            match record.and_then(|record| row(version, record, is_latest)) {
                Ok(row) => rows.push(row),
                Err(error @ Error::Corrupt(_)) => {
                    left_out(&version_key(&name, &version.version), &error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(rows)
}

pub(crate) fn find(store: &AdapterStore, name: &str) -> Result<AdapterRow> {
    let snapshot = store.snapshot();
    let adapter = resolve(&snapshot, &parse_one(name)?)?;
    let versions = snapshot.versions(&adapter.name)?;
    let last = versions.iter().rfind(|version| version.published);
    let is_latest = last.is_some_and(|last| last.version == adapter.version);
    match versions.iter().find(|version| version.version == adapter.version) {
        Some(version) => row(version, adapter.record, is_latest),
        None => Err(Error::Internal(format!("{} was resolved but is not listed", adapter.label()))),
    }
}

pub(crate) fn restore(store: &AdapterStore, name: &str, source: &RestoreSource) -> Result<AdapterRow> {
    check_name("adapter", name)?;
    let snapshot = store.snapshot();
    let (from, version, mut record) = match source {
        RestoreSource::Version(version) => {
            let adapter = resolve(&snapshot, &parse_one(&format!("{name}@{version}"))?)?;
            let parent = adapter.label();
            (adapter.name, adapter.version, VersionRecord { parent: Some(parent), ..adapter.record })
        }
        RestoreSource::Checkpoint(id) => {
            let CheckpointRecord { adapter, version, record, .. } = checkpoint(&snapshot, *id)?;
            if adapter != name {
                let reason = format!("it belongs to adapter \"{adapter}\", not to \"{name}\"");
                return Err(Error::argument("checkpoint", id, reason));
            }
            (adapter, version, VersionRecord { parent: Some(format!("checkpoint {id}")), ..record })
        }
    };
    record.created_at = now_micros();
    publish_branch(store, VersionPath::new(&from, &version), name, &record)
}

pub(crate) fn branch(store: &AdapterStore, source: &str, name: &str) -> Result<AdapterRow> {
    check_name("adapter", name)?;
    let snapshot = store.snapshot();
    let ResolvedAdapter { name: from, version, record, .. } = resolve(&snapshot, &parse_one(source)?)?;
    if snapshot.versions(name)?.iter().any(|version| version.published) {
        return Err(Error::AlreadyExists { kind: "adapter", name: name.to_owned() });
    }
    let parent = Some(format!("{from}@{version}"));
    let record = VersionRecord { parent, created_at: now_micros(), ..record };
    publish_branch(store, VersionPath::new(&from, &version), name, &record)
}

fn publish_branch(
    store: &AdapterStore,
    from: VersionPath<'_>,
    name: &str,
    record: &VersionRecord,
) -> Result<AdapterRow> {
    let version = store.write(|transaction| {
        let version = transaction.next_version_number(name)?.to_string();
        transaction.branch_version(from, VersionPath::new(name, &version))?;
        publish(transaction, name, &version, record)?;
        Ok(version)
    })?;
    find(store, &format!("{name}@{version}"))
}

pub(crate) fn tag(store: &AdapterStore, name: &str, tag: &str) -> Result<AdapterRow> {
    check_name("tag", tag)?;
    if tag.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::text_argument("tag", tag, "a number is a version, not a tag"));
    }
    let adapter = resolve(&store.snapshot(), &parse_one(name)?)?;
    store.write(|transaction| Ok(transaction.tag_version(&adapter.name, &adapter.version, tag)?))?;
    find(store, &adapter.label())
}

/// `running` names the training run that is making an adapter's next version; such an adapter stays.
pub(crate) fn remove(
    store: &AdapterStore,
    name: &str,
    running: impl FnOnce(&str) -> Option<u64>,
) -> Result<u64> {
    let reference = parse_one(name)?;
    let snapshot = store.snapshot();
    let adapter = resolve(&snapshot, &reference)?;
    if reference.selector.is_some() {
        return store.write(|transaction| {
            transaction.remove_metadata(&version_key(&adapter.name, &adapter.version))?;
            Ok(u64::from(transaction.drop_version(&adapter.name, &adapter.version)?))
        });
    }
    if let Some(run_id) = running(&adapter.name) {
        let reason = format!("training run {run_id} is making its next version; cancel it first");
        return Err(Error::InUse { kind: "adapter", name: adapter.name, reason });
    }
    let versions = snapshot.versions(&adapter.name)?;
    let checkpoints = checkpoints_of(&snapshot, &adapter.name)?;
    store.write(|transaction| {
        for version in &versions {
            transaction.remove_metadata(&version_key(&adapter.name, &version.version))?;
        }
        for (id, _) in &checkpoints {
            forget_checkpoint(transaction, *id)?;
        }
        transaction.drop_adapter(&adapter.name)?;
        Ok(versions.iter().filter(|version| version.published).count() as u64)
    })
}

/// The records of the versions go with them.
pub(crate) fn rotate(
    store: &AdapterStore,
    name: &str,
    keep_last: usize,
    keep_tagged: bool,
) -> Result<Vec<String>> {
    check_name("name", name)?;
    if keep_last == 0 {
        return Err(Error::argument("keep_last", 0, "at least one version stays; drop_adapter drops all"));
    }
    let snapshot = store.snapshot();
    if !published_adapters(&snapshot)?.iter().any(|known| known == name) {
        return Err(unknown_adapter(&snapshot, name, name.to_owned())?);
    }
    store.write(|transaction| {
        let dropped = transaction.rotate_versions(name, keep_last, keep_tagged)?;
        for version in &dropped {
            transaction.remove_metadata(&version_key(name, version))?;
        }
        Ok(dropped)
    })
}

fn row(version: &VersionInfo, record: VersionRecord, is_latest: bool) -> Result<AdapterRow> {
    Ok(AdapterRow {
        name: version.adapter.clone(),
        version: version_number(&version.version)?,
        tags: version.tags.clone(),
        is_latest,
        base_model: record.base_model,
        base_hash: record.base_hash.to_string(),
        hash: record.hash,
        rank: record.rank,
        alpha: record.alpha,
        target_modules: record.target_modules,
        parameters: record.parameters,
        created_at: record.created_at,
        run_id: record.run_id,
        parent: record.parent,
        data_query: record.data_query,
        dataset_hash: record.dataset_hash,
        hyperparameters: record.hyperparameters,
        train_loss: record.train_loss,
        val_loss: record.val_loss,
    })
}
