//! The tables `trajectories` and `trajectory_tokens`.

use std::collections::HashMap;
use std::sync::Arc;

use hyprstream_models::Tokenizer;
use hyprstream_storage::Order;

use super::format;
use crate::engine::Engine;
use crate::errors::Result;
use crate::rows::{TrajectoryFilter, TrajectoryRow, TrajectoryTokenRow};
use crate::trajectory_embeddings::EmbeddingReader;

impl Engine {
    /// Recorded answers. Rows are read as the iterator is driven.
    pub fn trajectories(
        &self,
        filter: &TrajectoryFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<TrajectoryRow>> + Send>> {
        let rows = self.scan_trajectories(filter, filter.limit)?;
        let rows = rows.take(filter.limit.unwrap_or(usize::MAX));
        if !filter.embeddings {
            return Ok(Box::new(rows));
        }
        let mut reader = EmbeddingReader::new(self.adapter_store.snapshot());
        Ok(Box::new(rows.map(move |row| {
            let mut row = row?;
            row.embedding = reader.read(&row.model_hash, row.id)?;
            Ok(row)
        })))
    }

    /// Tokens of recorded answers. Rows are read as the iterator is driven.
    pub fn trajectory_tokens(
        &self,
        filter: &TrajectoryFilter,
    ) -> Result<Box<dyn Iterator<Item = Result<TrajectoryTokenRow>> + Send>> {
        let tokenizers: HashMap<String, Arc<Tokenizer>> = self.registry.known_tokenizers();
        let rows = self.scan_trajectories(filter, None)?.flat_map(move |row| match row {
            Ok(row) => {
                let tokenizer = tokenizers.get(&row.model_hash).map(Arc::clone);
                tokens(&row, tokenizer.as_deref())
            }
            Err(error) => vec![Err(error)],
        });
        Ok(Box::new(rows.take(filter.limit.unwrap_or(usize::MAX))))
    }

    fn scan_trajectories(
        &self,
        filter: &TrajectoryFilter,
        limit: Option<usize>,
    ) -> Result<impl Iterator<Item = Result<TrajectoryRow>> + Send + use<>> {
        let order = if filter.newest_first { Order::NewestFirst } else { Order::Ascending };
        let session = filter.session.clone();
        let ids = filter.ids.clone().unwrap_or(0..=u64::MAX);
        // A session is not in the log's index, so its limit can only be applied to decoded rows.
        let limit = if session.is_some() { None } else { limit };
        let scan = self.recorder.caught_up()?.scan(ids, order, limit)?;
        let rows = scan.map(|record| {
            let record = record?;
            format::decode(record.id, &record.payload)
        });
        Ok(rows.filter(move |row| match (&session, row) {
            (Some(session), Ok(row)) => row.session.as_ref() == Some(session),
            _ => true,
        }))
    }
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
