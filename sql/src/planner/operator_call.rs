//! What the operators that ask a model have cost, among the metrics that EXPLAIN ANALYZE shows.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use datafusion::config::ConfigOptions;
use datafusion::physical_plan::Metric;
use datafusion::physical_plan::metrics::{Count, MetricValue, MetricsSet, Time};
use hyprstream_engine::{CallContext, Usage};
use hyprstream_udfs::StatementCall;
use parking_lot::Mutex;

/// The parts of statements' calls that one operator has run, one an execution.
#[derive(Debug, Default)]
pub(crate) struct OperatorCalls(Mutex<Vec<Arc<CallContext>>>);

impl OperatorCalls {
    /// A part of the statement's call for an execution that begins.
    pub(crate) fn begin(&self, options: &ConfigOptions) -> Arc<CallContext> {
        let call = StatementCall::from_options(options).operator();
        self.0.lock().push(Arc::clone(&call));
        call
    }

    /// Adds to an operator's metrics what its executions have cost so far.
    pub(crate) fn add_to(&self, mut metrics: MetricsSet) -> MetricsSet {
        let usage: Usage = self.0.lock().iter().map(|call| call.usage()).sum();
        let counts = [
            ("calls", usage.calls),
            ("deduplicated_calls", usage.deduplicated_calls),
            ("prompt_tokens", usage.prompt_tokens),
        ];
        for (name, value) in counts {
            metrics.push(Arc::new(Metric::new(count(name, value), None)));
        }
        if usage.generated_tokens > 0 {
            metrics.push(Arc::new(Metric::new(count("generated_tokens", usage.generated_tokens), None)));
        }
        if usage.answers > 0 {
            let times = [
                ("queue_time", usage.queue_time),
                ("average_time_to_first_token", usage.time_to_first_token.div_f64(usage.answers as f64)),
                ("decode_time", usage.decode_time),
            ];
            for (name, value) in times {
                metrics.push(Arc::new(Metric::new(time(name, value), None)));
            }
        }
        metrics
    }
}

fn count(name: &'static str, value: u64) -> MetricValue {
    let count = Count::new();
    count.add(value as usize);
    MetricValue::Count { name: Cow::Borrowed(name), count }
}

fn time(name: &'static str, value: Duration) -> MetricValue {
    let time = Time::new();
    time.add_duration(value);
    MetricValue::Time { name: Cow::Borrowed(name), time }
}
