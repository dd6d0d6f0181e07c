use std::io;

use super::Point;
use crate::HandleError;
use crate::questions::AskError;

/// An error that says: it may have been done, the answer did not arrive.
pub trait LostAnswer: Sized {
    /// The answer of the effect at `point` was lost.
    fn lost(point: Point) -> Self;
}

/// What the transport would say.
fn reset(point: Point) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("the answer at {point} was lost"))
}

impl LostAnswer for anyhow::Error {
    fn lost(point: Point) -> Self {
        reset(point).into()
    }
}

impl LostAnswer for Box<dyn std::error::Error + Send + Sync> {
    fn lost(point: Point) -> Self {
        reset(point).into()
    }
}

impl LostAnswer for sqlx::Error {
    fn lost(point: Point) -> Self {
        Self::Io(reset(point))
    }
}

impl LostAnswer for HandleError {
    fn lost(point: Point) -> Self {
        Self::Database(sqlx::Error::lost(point))
    }
}

impl LostAnswer for kube::Error {
    fn lost(point: Point) -> Self {
        Self::Service(reset(point).into())
    }
}

impl LostAnswer for AskError {
    fn lost(point: Point) -> Self {
        Self::Unavailable { subject: point.to_string(), reason: reset(point).to_string() }
    }
}
