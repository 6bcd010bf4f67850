//! Recorded answers and their tokens as rows, read as the iterator is driven.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use hyprstream_models::Tokenizer;
use hyprstream_storage::Order;

use crate::adapters::store::AdapterStore;
use crate::error::Result;
use crate::recording::format;
use crate::recording::recorder::Recorder;
use crate::recording::trajectory::{TrajectoryRow, TrajectoryTokenRow};
use crate::trajectories::embeddings::EmbeddingReader;

/// Which trajectories, in which order, how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrajectoryFilter {
    /// Only ids in this range.
    pub ids: Option<RangeInclusive<u64>>,
    /// Only this conversation.
    pub conversation: Option<String>,
    /// Newest first; else oldest first.
    pub newest_first: bool,
    /// With their embeddings.
    pub embeddings: bool,
    /// At most this many trajectories (for tokens: this many token rows).
    pub limit: Option<usize>,
}

/// The rows of the table `trajectories`.
pub(crate) fn trajectories(
    recorder: &Recorder,
    store: &AdapterStore,
    filter: &TrajectoryFilter,
) -> Result<Box<dyn Iterator<Item = Result<TrajectoryRow>> + Send>> {
    let rows = scan(recorder, filter, filter.limit)?.take(filter.limit.unwrap_or(usize::MAX));
    if !filter.embeddings {
        return Ok(Box::new(rows));
    }
    let mut reader = EmbeddingReader::new(store.snapshot());
    Ok(Box::new(rows.map(move |row| {
        let mut row = row?;
        row.embedding = reader.read(&row.model_hash, row.id)?;
        Ok(row)
    })))
}

/// The rows of the table `trajectory_tokens`. `tokenizers` are known by their model's content hash; a token of another
/// model has no text.
pub(crate) fn trajectory_tokens(
    recorder: &Recorder,
    tokenizers: HashMap<String, Arc<Tokenizer>>,
    filter: &TrajectoryFilter,
) -> Result<Box<dyn Iterator<Item = Result<TrajectoryTokenRow>> + Send>> {
    let rows = scan(recorder, filter, None)?.flat_map(move |row| match row {
        Ok(row) => tokens(&row, tokenizers.get(&row.model_hash).map(Arc::as_ref)),
        Err(error) => vec![Err(error)],
    });
    Ok(Box::new(rows.take(filter.limit.unwrap_or(usize::MAX))))
}

fn scan(
    recorder: &Recorder,
    filter: &TrajectoryFilter,
    limit: Option<usize>,
) -> Result<impl Iterator<Item = Result<TrajectoryRow>> + Send + use<>> {
    let order = if filter.newest_first { Order::NewestFirst } else { Order::Ascending };
    let conversation = filter.conversation.clone();
    let ids = filter.ids.clone().unwrap_or(0..=u64::MAX);
    // A conversation is not in the log's index, so its limit can only be applied to decoded rows.
    let limit = if conversation.is_some() { None } else { limit };
    let rows = recorder.caught_up()?.scan(ids, order, limit)?.map(|record| {
        let record = record?;
        format::decode(record.id, &record.payload)
    });
    Ok(rows.filter(move |row| match (&conversation, row) {
        (Some(conversation), Ok(row)) => row.conversation.as_ref() == Some(conversation),
        _ => true,
    }))
}

fn tokens(row: &TrajectoryRow, tokenizer: Option<&Tokenizer>) -> Vec<Result<TrajectoryTokenRow>> {
    let pairs = row.token_ids.iter().zip(&row.logprobs).enumerate();
    pairs
        .map(|(index, (&token_id, &logprob))| {
            let token = tokenizer.and_then(|tokenizer| tokenizer.decode(&[token_id], false).ok());
            Ok(TrajectoryTokenRow { trajectory_id: row.id, index: index as u32, token_id, token, logprob })
        })
        .collect()
}
