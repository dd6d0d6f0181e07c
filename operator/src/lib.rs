//! The operator: drives every `Order` through its state machine.
//!
//! - [`order`]: the controller of orders, with a pure decision and one file a phase.
//! - `reservation`, `payment`, `shipment`: children as the services know them; `child` makes them and sends their wishes.
//! - `reports`: what services tell ahead of the resources.
//! - `archive`: what is finished is kept by `orders`, then goes.
//! - `leadership`, `controllers`, `watch`, `world`: who drives, what runs, what is watched, what is reached.

mod announce;
mod archive;
mod child;
mod controllers;
mod dead_letters;
mod error;
mod leadership;
pub mod order;
mod payment;
pub mod policy;
mod reports;
mod reservation;
mod retell;
mod shipment;
mod shop;
mod watch;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Platform, Role, SettingError};

use crate::controllers::Scope;

/// How the operator runs.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "operator")]
pub struct Settings {
    /// The namespaces whose orders are driven, separated by commas; all when not given.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,…")]
    pub watch_namespaces: Vec<String>,
    /// The namespace of the Lease by which replicas agree on a leader; the kubeconfig's, or the pod's own, when not given.
    #[arg(long, env = "LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Who this replica is to the others, unlike any that runs at the same time. One that starts again under the identity of
    /// its dead predecessor, as a container does in its pod, leads on at once; a new one a start when not given.
    #[arg(long, env = "LEASE_IDENTITY", value_name = "NAME")]
    pub lease_identity: Option<String>,
    /// How many objects of a kind are reconciled at the same time.
    #[arg(long, env = "OPERATOR_CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub operator_concurrency: u16,
    /// How often everything that is watched is listed anew, for events that a watch has missed; 10m, 90s.
    #[arg(long, env = "OPERATOR_RELIST", default_value = "10m", value_name = "DURATION", value_parser = relist_interval)]
    pub operator_relist: Duration,
}

/// A duration of at least ten seconds.
fn relist_interval(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|error| format!("{error}: give it like 10m or 90s"))?;
    match Duration::try_from(span) {
        Ok(every) if every >= Duration::from_secs(10) => Ok(every),
        Ok(_) | Err(_) => Err("must be at least 10s".to_owned()),
    }
}

/// Starts the operator: it stands by until it holds the Lease, then drives.
///
/// # Errors
/// When a setting is wrong; what it depends on is waited for.
pub async fn start(settings: Settings, platform: Platform) -> anyhow::Result<Role> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "laptop".to_owned());
    let identity = settings
        .lease_identity
        .clone()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("{host}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]));
    let scope = |namespace| Scope {
        namespace,
        concurrency: settings.operator_concurrency,
        instance: identity.clone(),
        relist: settings.operator_relist,
    };
    let named: BTreeSet<String> =
        settings.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
    if let Some(wrong) = named.iter().find(|name| !is_namespace(name)) {
        return Err(SettingError {
            name: "WATCH_NAMESPACES".into(),
            fault: format!("names {wrong:?}, which is no name of a namespace"),
            example: "shop-berlin,shop-paris".into(),
        }
        .into());
    }
    let scopes: Vec<Scope> = if named.is_empty() {
        vec![scope(None)]
    } else {
        named.into_iter().map(|name| scope(Some(name))).collect()
    };
    let namespace =
        settings.lease_namespace.unwrap_or_else(|| platform.kubernetes.default_namespace().to_owned());
    let leading = leadership::lead(platform, namespace, Arc::new(scopes), identity);
    Ok(Role::new("operator").doing("leadership", leading))
}

/// A label of RFC 1123, as names of namespaces are.
fn is_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
