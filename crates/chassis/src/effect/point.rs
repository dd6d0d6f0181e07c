use std::fmt;

/// The name of a place where an effect leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    role: &'static str,
    object: &'static str,
    action: &'static str,
}

impl Point {
    /// What `role` does to `object`: `operator`, `Payment`, `create`.
    #[must_use]
    pub const fn new(role: &'static str, object: &'static str, action: &'static str) -> Self {
        Self { role, object, action }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.role, self.object, self.action)
    }
}

/// Whom an effect is about; remembered only where faults can be armed.
#[derive(Default)]
pub(crate) struct Concerns {
    #[cfg(feature = "fail-points")]
    subjects: Vec<String>,
}

impl Concerns {
    /// Also about `subject`.
    #[cfg_attr(
        not(feature = "fail-points"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "there is no place to note it"
        )
    )]
    pub(crate) fn note(&mut self, subject: &str) {
        #[cfg(feature = "fail-points")]
        self.subjects.push(subject.to_owned());
        #[cfg(not(feature = "fail-points"))]
        let _ = subject;
    }

    /// All of them, once each.
    #[cfg_attr(not(feature = "fail-points"), allow(clippy::unused_self, reason = "nothing was noted"))]
    pub(crate) fn subjects(&self) -> Vec<String> {
        #[cfg(feature = "fail-points")]
        {
            let mut subjects = self.subjects.clone();
            subjects.sort();
            subjects.dedup();
            subjects
        }
        #[cfg(not(feature = "fail-points"))]
        Vec::new()
    }
}
