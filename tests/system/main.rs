//! The whole system on the real stack: Kubernetes' API, JetStream, Postgres, and the outside world over HTTP and SMTP.
//!
//! Each test has a namespace and articles of its own, so that all of them run at once on one stack.
#![cfg(test)]

mod api_guide;
mod archive;
mod audit;
mod audit_repairs;
mod cancel;
mod checkout_crashes;
mod dead_letters;
mod deadlines;
mod delete;
mod events;
mod happy;
mod imports;
mod leadership;
mod mails;
mod messages;
mod migrate;
mod names;
mod nats_credentials;
mod outbox;
mod payment;
mod provider;
mod refusals;
mod rejected;
mod repair;
mod replicas;
mod rows;
mod settings;
mod shipping;
mod shopper;
mod shopper_refusals;
mod staff;
mod stages;
mod stock;
mod suspend;
mod traces;
mod unchangeable;
mod webhooks;
mod worklist;

/// What a test answers.
type Tested = anyhow::Result<()>;
