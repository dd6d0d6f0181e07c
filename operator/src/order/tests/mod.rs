//! What orders do, as sentences; and that it holds in any order of events.

mod builders;
mod compensation;
mod deletion_and_archive;
mod dispatch;
mod payment_again;
mod placing;
mod properties;
mod repairs;
mod services;
mod situations;
mod suspension;
mod table;
mod world;
mod writing;
