//! Versions of adapters: published once, never changed, named by name, version or tag.

use hyprstream_storage::{Snapshot, VersionInfo, WriteTransaction};

use crate::adapter_name::{check_name, parse_one};
use crate::adapter_store::{ResolvedAdapter, VersionRecord, resolve, to_json, version_key, version_record};
use crate::checkpoints::{CheckpointRecord, checkpoint, checkpoints_of, forget_checkpoint};
use crate::clock::now_micros;
use crate::engine::Engine;
use crate::errors::{Error, Result};
use crate::rows::AdapterRow;

/// Where a restored version's weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreSource {
    /// An earlier version, as a number or a tag.
    Version(String),
    /// A checkpoint, by its id.
    Checkpoint(u64),
}

impl Engine {
    /// All versions of all adapters, by name and version.
    pub fn adapters(&self) -> Result<Vec<AdapterRow>> {
        let snapshot = self.adapter_store.snapshot();
        let mut rows = Vec::new();
        for name in snapshot.adapters()? {
            let published: Vec<VersionInfo> =
                snapshot.versions(&name)?.into_iter().filter(|version| version.published).collect();
            for version in &published {
                let record = version_record(&snapshot, &name, &version.version)?;
                let is_latest = published.last().is_some_and(|last| last.version == version.version);
                rows.push(row(version, record, is_latest));
            }
        }
        Ok(rows)
    }

    /// The version that a name (`name`, `name@version`, `name@tag`) means now.
    pub fn adapter(&self, name: &str) -> Result<AdapterRow> {
        let snapshot = self.adapter_store.snapshot();
        adapter_row(&snapshot, resolve(&snapshot, &parse_one(name)?)?)
    }

    /// Publishes a new version of `name` with the weights of an earlier version or of a checkpoint.
    pub fn restore_adapter(&self, name: &str, source: &RestoreSource) -> Result<AdapterRow> {
        check_name(name).map_err(|reason| Error::argument("adapter", format!("\"{name}\""), reason))?;
        let snapshot = self.adapter_store.snapshot();
        let (from, mut record) = match source {
            RestoreSource::Version(version) => {
                let adapter = resolve(&snapshot, &parse_one(&format!("{name}@{version}"))?)?;
                let parent = adapter.label();
                ((adapter.name, adapter.version), VersionRecord { parent: Some(parent), ..adapter.record })
            }
            RestoreSource::Checkpoint(id) => {
                let CheckpointRecord { adapter, version, record, .. } = checkpoint(&snapshot, *id)?;
                if adapter != name {
                    let reason = format!("it belongs to adapter \"{adapter}\", not to \"{name}\"");
                    return Err(Error::argument("checkpoint", id, reason));
                }
                ((adapter, version), VersionRecord { parent: Some(format!("checkpoint {id}")), ..record })
            }
        };
        record.created_at = now_micros();
        self.publish_branch((&from.0, &from.1), name, &record)
    }

    /// Publishes `source` (`name`, `name@version` or `name@tag`) as version 1 of the new adapter `name`; pages are shared.
    pub fn branch_adapter(&self, source: &str, name: &str) -> Result<AdapterRow> {
        check_name(name).map_err(|reason| Error::argument("adapter", format!("\"{name}\""), reason))?;
        let snapshot = self.adapter_store.snapshot();
        let adapter = resolve(&snapshot, &parse_one(source)?)?;
        if snapshot.versions(name)?.iter().any(|version| version.published) {
            return Err(Error::AlreadyExists { kind: "adapter", name: name.to_owned() });
        }
        let parent = Some(adapter.label());
        let record = VersionRecord { parent, created_at: now_micros(), ..adapter.record };
        self.publish_branch((&adapter.name, &adapter.version), name, &record)
    }

    fn publish_branch(&self, from: (&str, &str), name: &str, record: &VersionRecord) -> Result<AdapterRow> {
        let version = self.adapter_store.write(|transaction| {
            let version = transaction.next_version_number(name)?.to_string();
            transaction.branch_version(from, (name, &version))?;
            publish(transaction, name, &version, record)?;
            Ok(version)
        })?;
        self.adapter(&format!("{name}@{version}"))
    }

    /// Points a tag at a version of an adapter, moving it when it is there already.
    pub fn tag_adapter(&self, name: &str, tag: &str) -> Result<AdapterRow> {
        check_name(tag).map_err(|reason| Error::argument("tag", format!("\"{tag}\""), reason))?;
        if tag.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::argument("tag", format!("\"{tag}\""), "a number is a version, not a tag"));
        }
        let adapter = resolve(&self.adapter_store.snapshot(), &parse_one(name)?)?;
        self.adapter_store.write(|transaction| {
            transaction.tag_version(&adapter.name, &adapter.version, tag)?;
            Ok(())
        })?;
        self.adapter(&adapter.label())
    }

    /// Drops an adapter (`name`) with all its versions, or one version (`name@version`); says how many versions went.
    pub fn drop_adapter(&self, name: &str) -> Result<u64> {
        let reference = parse_one(name)?;
        let snapshot = self.adapter_store.snapshot();
        let adapter = resolve(&snapshot, &reference)?;
        if reference.selector.is_some() {
            return self.adapter_store.write(|transaction| {
                transaction.remove_metadata(&version_key(&adapter.name, &adapter.version))?;
                Ok(u64::from(transaction.drop_version(&adapter.name, &adapter.version)?))
            });
        }
        if let Some(run_id) = self.training.run_of(&adapter.name) {
            let reason = format!("training run {run_id} is making its next version; cancel it first");
            return Err(Error::InUse { kind: "adapter", name: adapter.name, reason });
        }
        let versions = snapshot.versions(&adapter.name)?;
        let checkpoints = checkpoints_of(&snapshot, &adapter.name)?;
        self.adapter_store.write(|transaction| {
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
}

/// Makes a draft a version that answers.
pub(crate) fn publish(
    transaction: &mut WriteTransaction<'_>,
    adapter: &str,
    version: &str,
    record: &VersionRecord,
) -> Result<()> {
    transaction.put_metadata(&version_key(adapter, version), &to_json(record)?)?;
    transaction.publish_version(adapter, version)?;
    Ok(())
}

fn adapter_row(snapshot: &Snapshot, adapter: ResolvedAdapter) -> Result<AdapterRow> {
    let versions = snapshot.versions(&adapter.name)?;
    let last = versions.iter().rfind(|version| version.published);
    let is_latest = last.is_some_and(|last| last.version == adapter.version);
    match versions.iter().find(|version| version.version == adapter.version) {
        Some(version) => Ok(row(version, adapter.record, is_latest)),
        None => Err(Error::Internal(format!("{} was resolved but is not listed", adapter.label()))),
    }
}

fn row(version: &VersionInfo, record: VersionRecord, is_latest: bool) -> AdapterRow {
    AdapterRow {
        name: version.adapter.clone(),
        version: version.version.parse().unwrap_or(0),
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
    }
}
