//! Every effect on the world outside a process passes a named fail point: a write to the Kubernetes API, a publish, a commit,
//! a call of a provider, an acknowledgement.
//!
//! Without the feature `fail-points` a point is nothing: [`effect`] performs what it is given. With it, which only tests
//! enable, [`faults`] can make an order's process die at a point, lose the answer, do the effect twice or late.

#[cfg(feature = "fail-points")]
pub mod faults;
mod lost;
mod point;

use crate::trace::traced;

pub use lost::LostAnswer;
pub(crate) use point::Concerns;
pub use point::Point;

/// Performs an effect at `point` for the order (or whatever else the effect is about) named by `subject`.
///
/// Every effect must be safe to repeat: so it is given as a closure, which tests call twice.
///
/// # Errors
/// Those of `perform`.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub async fn effect<T, E, F, Fut>(point: Point, subject: &str, mut perform: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: LostAnswer,
{
    let _ = subject;
    traced(point, perform()).await
}

/// As [`effect`], for one on many orders at once, which are only named when a test asks.
///
/// # Errors
/// Those of `perform`.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub async fn effect_on_many<T, E, F, Fut>(
    point: Point,
    subjects: impl FnOnce() -> Vec<String>,
    mut perform: F,
) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: LostAnswer,
{
    let _ = (point, subjects);
    perform().await
}

/// Performs an effect at `point` for what `subject` names, under the faults that a test armed.
///
/// # Errors
/// Those of `perform`, and a lost answer.
#[cfg(feature = "fail-points")]
pub async fn effect<T, E, F, Fut>(point: Point, subject: &str, perform: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: LostAnswer,
{
    traced(point, effect_on_many(point, || vec![subject.to_owned()], perform)).await
}

/// As [`effect`], for one on many orders at once.
///
/// # Errors
/// As [`effect`].
#[cfg(feature = "fail-points")]
pub async fn effect_on_many<T, E, F, Fut>(
    point: Point,
    subjects: impl FnOnce() -> Vec<String>,
    mut perform: F,
) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: LostAnswer,
{
    use faults::Mode;
    faults::alive().await;
    let Some((mode, order)) = faults::cross(point, subjects) else {
        let outcome = perform().await;
        // Who died meanwhile does not see the answer.
        faults::alive().await;
        return outcome;
    };
    match mode {
        Mode::CrashBefore => faults::crash().await,
        Mode::CrashAfter => {
            let _ = perform().await;
            faults::crash().await
        }
        Mode::AnswerLost => {
            perform().await?;
            faults::alive().await;
            Err(E::lost(point))
        }
        Mode::RequestLost => Err(E::lost(point)),
        Mode::Held => {
            faults::hold(&order).await;
            faults::alive().await;
            perform().await
        }
        Mode::Twice => {
            let _ = perform().await;
            faults::alive().await;
            perform().await
        }
        Mode::Delayed => {
            faults::delay().await;
            faults::alive().await;
            perform().await
        }
    }
}

/// A recovery time of production, which tests that crash hundreds of times shorten.
#[must_use]
#[cfg(not(feature = "fail-points"))]
#[inline]
pub const fn paced(production: std::time::Duration) -> std::time::Duration {
    production
}

/// A recovery time of production, shortened as the test says.
#[must_use]
#[cfg(feature = "fail-points")]
pub fn paced(production: std::time::Duration) -> std::time::Duration {
    faults::paced(production)
}
