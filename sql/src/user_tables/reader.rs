//! How a query reads parts: like any Parquet, with every byte checked.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{Result as PlanResult, Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetMetaData;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, ParquetFileMetrics, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::object_store::ObjectMeta;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use crate::error::{Error, Result};
use crate::user_tables::part::{Part, PartBytes};

/// Reads that lie nearer than this are one read.
const GAP_BYTES: u64 = 1 << 16;

/// What a query wants of a table's rows.
pub(super) struct Scan<'a> {
    pub(super) session: &'a dyn Session,
    pub(super) projection: Option<&'a Vec<usize>>,
    /// No more rows than these are wanted, if the query does not filter them.
    pub(super) limit: Option<usize>,
    pub(super) has_filters: bool,
}

impl Scan<'_> {
    /// The operator that reads parts of a table, in the order of their rows.
    pub(super) async fn plan(
        &self,
        schema: &SchemaRef,
        mut parts: Vec<Arc<Part>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let all = parts.len();
        parts.truncate(self.parts_needed(&parts));
        let knows_values = self.session.config().collect_statistics();
        let cache = self.session.runtime_env().cache_manager.get_file_metadata_cache();
        let known: Vec<Arc<Statistics>> = if knows_values {
            let at_once = self.session.config_options().execution.meta_fetch_concurrency.get();
            let parts =
                parts.iter().map(|part| statistics(Arc::clone(part), Arc::clone(schema), Arc::clone(&cache)));
            futures::stream::iter(parts.collect::<Vec<_>>()).buffered(at_once).try_collect().await?
        } else {
            let unknown = Arc::new(Statistics::new_unknown(schema));
            std::iter::repeat_n(unknown, parts.len()).collect()
        };
        let mut files = Vec::with_capacity(parts.len());
        for (part, statistics) in parts.iter().zip(known) {
            files.push(file(part).with_statistics(statistics).with_extension(Arc::clone(part)));
        }
        let in_group = files.len().div_ceil(self.session.config().target_partitions().max(1)).max(1);
        let groups: Vec<FileGroup> =
            files.chunks(in_group).map(|files| group(schema, files)).collect::<PlanResult<_>>()?;
        let known = groups.iter().filter_map(|group| group.file_statistics(None));
        let statistics = Statistics::try_merge_iter(known, schema)?;
        let statistics = if parts.len() < all { statistics.to_inexact() } else { statistics };
        let source = ParquetSource::new(Arc::clone(schema))
            .with_parquet_file_reader_factory(Arc::new(PartReaders { cache }));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(self.projection.cloned())?
            .with_limit(self.limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// How many of the first parts have the rows that are wanted.
    fn parts_needed(&self, parts: &[Arc<Part>]) -> usize {
        let Some(wanted) = self.limit.filter(|_| !self.has_filters) else {
            return parts.len();
        };
        let mut rows = 0;
        let enough = |part: &Arc<Part>| {
            rows += part.rows();
            rows >= wanted as u64
        };
        parts.iter().position(enough).map_or(parts.len(), |last| last + 1)
    }
}

/// Files that are read one after the other, with what is known of all their values.
fn group(schema: &SchemaRef, files: &[PartitionedFile]) -> PlanResult<FileGroup> {
    let known = files.iter().filter_map(|file| file.statistics.as_deref());
    let statistics = Arc::new(Statistics::try_merge_iter(known, schema)?);
    Ok(FileGroup::new(files.to_vec()).with_statistics(statistics))
}

/// A part as a plan names it.
fn file(part: &Part) -> PartitionedFile {
    PartitionedFile::new(part.path().to_string_lossy(), part.record().bytes)
}

/// What is known of a part's values: how many rows, the least and the greatest of each column.
async fn statistics(
    part: Arc<Part>,
    schema: SchemaRef,
    cache: Arc<FileMetadataCache>,
) -> PlanResult<Arc<Statistics>> {
    if let Some(known) = part.statistics.get() {
        return Ok(Arc::clone(known));
    }
    let metadata = blocking(Arc::clone(&part), None, PartBytes::metadata).await?.1;
    let statistics = DFParquetMetadata::statistics_from_parquet_metadata(&metadata, &schema)?;
    remember(&cache, file(&part).object_meta, &Arc::new(metadata));
    Ok(Arc::clone(part.statistics.get_or_init(|| Arc::new(statistics))))
}

fn remember(cache: &Arc<FileMetadataCache>, meta: ObjectMeta, metadata: &Arc<ParquetMetaData>) {
    let location = meta.location.clone();
    let metadata = Arc::new(CachedParquetMetaData::new(Arc::clone(metadata)));
    cache.put(&location, CachedFileMetadataEntry::new(meta, metadata));
}

/// Reads from a part on a thread that may wait for the disk. Gives it back opened, for the next read.
async fn blocking<T: Send + 'static>(
    part: Arc<Part>,
    opened: Option<PartBytes>,
    read: impl FnOnce(&PartBytes) -> Result<T> + Send + 'static,
) -> Result<(PartBytes, T)> {
    let reading = tokio::task::spawn_blocking(move || {
        let opened = opened.map_or_else(|| part.open(), Ok)?;
        let value = read(&opened).map_err(|error| part.fault(&error))?;
        Ok((opened, value))
    });
    reading.await.map_err(Error::internal)?
}

/// Makes the readers of a scan. Each file of the scan has its part with it, which stays as long as the plan or a reader
/// has it.
#[derive(Clone)]
struct PartReaders {
    cache: Arc<FileMetadataCache>,
}

impl fmt::Debug for PartReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartReaders")
    }
}

impl ParquetFileReaderFactory for PartReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> PlanResult<Box<dyn AsyncFileReader + Send>> {
        let part = file.extension::<Arc<Part>>().cloned();
        let part = part.ok_or_else(|| internal_datafusion_err!("a file of a scan is no part of a table"))?;
        let metrics = ParquetFileMetrics::new(partition, file.object_meta.location.as_ref(), metrics);
        let (meta, cache) = (file.object_meta, Arc::clone(&self.cache));
        Ok(Box::new(ScanReader { part, meta, cache, metrics, opened: None }))
    }
}

/// Reads one part for one scan.
struct ScanReader {
    part: Arc<Part>,
    meta: ObjectMeta,
    cache: Arc<FileMetadataCache>,
    metrics: ParquetFileMetrics,
    opened: Option<PartBytes>,
}

impl ScanReader {
    async fn read<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&PartBytes) -> Result<T> + Send + 'static,
    ) -> ParquetResult<T> {
        match blocking(Arc::clone(&self.part), self.opened.clone(), read).await {
            Ok((opened, value)) => {
                self.opened = Some(opened);
                Ok(value)
            }
            Err(error) => Err(ParquetError::External(Box::new(error))),
        }
    }

    async fn metadata(&mut self) -> ParquetResult<Arc<ParquetMetaData>> {
        if let Some(entry) =
            self.cache.get(&self.meta.location).filter(|entry| entry.is_valid_for(&self.meta))
            && let Some(known) = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()
        {
            return Ok(Arc::clone(known.parquet_metadata()));
        }
        let metadata = Arc::new(self.read(PartBytes::metadata).await?);
        remember(&self.cache, self.meta.clone(), &metadata);
        Ok(metadata)
    }

    fn count(&self, ranges: &[Range<u64>]) {
        let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        self.metrics.bytes_scanned.add(bytes as usize);
    }
}

impl AsyncFileReader for ScanReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.count(std::slice::from_ref(&range));
        self.read(move |part| part.read(range)).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.count(&ranges);
        self.read(move |part| read_ranges(part, &ranges)).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.metadata().boxed()
    }
}

impl Drop for ScanReader {
    fn drop(&mut self) {
        self.metrics.scan_efficiency_ratio.add_part(self.metrics.bytes_scanned.value());
        self.metrics.scan_efficiency_ratio.set_total(self.meta.size as usize);
    }
}

/// Reads ranges, neighbouring ones together.
fn read_ranges(part: &PartBytes, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let mut spans: Vec<Range<u64>> = Vec::new();
    let mut sorted: Vec<&Range<u64>> = ranges.iter().collect();
    sorted.sort_by_key(|range| range.start);
    for range in sorted {
        match spans.last_mut() {
            Some(span) if range.start <= span.end.saturating_add(GAP_BYTES) => {
                span.end = span.end.max(range.end);
            }
            _ => spans.push(range.clone()),
        }
    }
    let read: Vec<Bytes> = spans.iter().map(|span| part.read(span.clone())).collect::<Result<_>>()?;
    let slice = |range: &Range<u64>| {
        let position = spans.partition_point(|span| span.start <= range.start).checked_sub(1)?;
        let (span, bytes) = (spans.get(position)?, read.get(position)?);
        Some(bytes.slice((range.start - span.start) as usize..(range.end - span.start) as usize))
    };
    let found: Option<Vec<Bytes>> = ranges.iter().map(slice).collect();
    found.ok_or_else(|| Error::internal("a range of a part was not read"))
}
