//! What the sender is told: how many records were taken, their ids, and what was wrong with each of the others.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use feedback::Feedback;
use serde::Serialize;

/// Seconds after which a sender should try again.
const RETRY_AFTER_S: u32 = 2;

/// The answer to a request that was understood.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Records that the log has.
    pub accepted: usize,
    /// Records that were refused.
    pub rejected: usize,
    /// The ids of the accepted records, in the order in which they were sent.
    pub ids: Vec<String>,
    /// What was wrong with the others.
    pub errors: Vec<RecordError>,
}

/// One refused record.
#[derive(Debug, Serialize)]
pub struct RecordError {
    /// Its place in the request, counted from 0.
    pub index: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

impl Answer {
    /// The answer, should the log take the records beside it.
    pub fn sort(records: Vec<Result<Feedback, String>>) -> (Self, Vec<Feedback>) {
        let mut answer = Self { accepted: 0, rejected: 0, ids: Vec::new(), errors: Vec::new() };
        let mut accepted = Vec::with_capacity(records.len());
        for (index, record) in records.into_iter().enumerate() {
            match record {
                Ok(record) => {
                    answer.ids.push(record.key().map_or_else(String::new, ToString::to_string));
                    accepted.push(record);
                }
                Err(reason) => answer.errors.push(RecordError { index, reason }),
            }
        }
        (answer.accepted, answer.rejected) = (accepted.len(), answer.errors.len());
        (answer, accepted)
    }
}

/// 200: all taken. 207: some taken. 400: none.
pub fn answer(outcome: &Answer) -> Response {
    let status = match (outcome.accepted, outcome.rejected) {
        (_, 0) => StatusCode::OK,
        (0, _) => StatusCode::BAD_REQUEST,
        _ => StatusCode::MULTI_STATUS,
    };
    (status, Json(outcome)).into_response()
}

/// The sender's mistake.
pub fn refuse(status: StatusCode, error: &str) -> Response {
    let mut response = (status, Json(Problem { error })).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Our trouble: the same request may succeed soon.
pub fn busy(error: &str) -> Response {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, error);
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S.into());
    response
}
