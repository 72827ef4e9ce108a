//! The result of a query, as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;
use futures::{Stream, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::SqlError;

/// Record batches of one schema, none empty. Dropping it ends its query.
pub struct Batches {
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch, SqlError>>,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Batches {
    pub(crate) fn new(schema: SchemaRef, rows: BoxStream<'static, Result<RecordBatch, SqlError>>) -> Self {
        Self { schema, rows }
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Everything at once; for results that are known to be small.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, SqlError> {
        self.try_collect().await
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(context)
    }
}

/// The batches of a running query, and then how it ended.
pub(crate) struct Rows {
    batches: mpsc::Receiver<RecordBatch>,
    query: JoinHandle<Result<(), SqlError>>,
    ended: bool,
}

impl Rows {
    pub(crate) fn new(batches: mpsc::Receiver<RecordBatch>, query: JoinHandle<Result<(), SqlError>>) -> Self {
        Self { batches, query, ended: false }
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(batch) = ready!(self.batches.poll_recv(context)) {
            return Poll::Ready(Some(Ok(batch)));
        }
        // The channel closed: a complete result, or an error that must not look like one.
        let outcome = ready!(Pin::new(&mut self.query).poll(context));
        self.ended = true;
        Poll::Ready(match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error)),
            Err(fault) if fault.is_panic() => Some(Err(SqlError::Internal("the query panicked".to_owned()))),
            Err(_cancelled) => Some(Err(SqlError::Stopping)),
        })
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.query.abort();
    }
}
