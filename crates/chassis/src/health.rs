//! Is the process alive, and is each of its parts ready?

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The checks of all roles in the process.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<BTreeMap<String, Option<String>>>>);

/// One check: not ready until it says so.
#[derive(Clone)]
pub struct HealthCheck {
    health: Health,
    name: String,
}

impl Health {
    /// A new check under `name`, not ready for now.
    #[must_use]
    pub fn check(&self, name: &str) -> HealthCheck {
        let check = HealthCheck { health: self.clone(), name: name.to_owned() };
        check.not_ready("starting");
        check
    }

    /// What is not ready, and why; empty when all is well.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        checks.iter().filter_map(|(name, fault)| fault.clone().map(|fault| (name.clone(), fault))).collect()
    }
}

impl HealthCheck {
    /// It works.
    pub fn ready(&self) {
        self.set(None);
    }

    /// It does not work, because of `fault`.
    pub fn not_ready(&self, fault: &str) {
        self.set(Some(fault.to_owned()));
    }

    fn set(&self, fault: Option<String>) {
        self.health.0.write().unwrap_or_else(PoisonError::into_inner).insert(self.name.clone(), fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_a_fault_until_it_is_ready() {
        let health = Health::default();
        let check = health.check("inventory database");
        assert_eq!(health.faults(), [("inventory database".to_owned(), "starting".to_owned())]);
        check.ready();
        assert!(health.faults().is_empty());
        check.not_ready("connection refused");
        assert_eq!(health.faults().len(), 1);
    }
}
