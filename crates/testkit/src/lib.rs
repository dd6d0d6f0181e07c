//! Builders, conditions and handles on the real stack for tests.
