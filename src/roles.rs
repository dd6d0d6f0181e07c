//! The roles and their wiring: one table, nothing else.

use std::collections::BTreeSet;

use chassis::{Health, Platform, Role, Server};
use clap::{Args, ValueEnum};
use rest::Gate;
use sqlx::migrate::Migrator;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What one process can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RoleName {
    /// Drives the orders.
    Operator,
    /// Holds the stock.
    Inventory,
    /// Takes the money.
    Payment,
    /// Sends the goods.
    Shipping,
    /// Tells the customers.
    Notifications,
    /// Knows articles and prices.
    Catalog,
    /// Knows the customers.
    Accounts,
    /// Keeps the history, and takes orders by REST.
    Orders,
    /// Keeps the shoppers' carts.
    Cart,
    /// The gateway in front of the REST of all services.
    Storefront,
    /// Stands in for the outside world.
    Sandbox,
    /// Every role but the sandbox.
    All,
}

impl RoleName {
    const ALL: [Self; 10] = [
        Self::Operator,
        Self::Inventory,
        Self::Payment,
        Self::Shipping,
        Self::Notifications,
        Self::Catalog,
        Self::Accounts,
        Self::Orders,
        Self::Cart,
        Self::Storefront,
    ];

    /// The roles that are meant by what was typed.
    pub fn meant_by(typed: &[Self]) -> BTreeSet<Self> {
        let mut names: BTreeSet<Self> = typed.iter().copied().collect();
        if names.remove(&Self::All) {
            names.extend(Self::ALL);
        }
        names
    }

    /// The tables that the role keeps, with the name of its database.
    pub fn tables(self) -> Option<(&'static str, &'static Migrator)> {
        match self {
            Self::Inventory => Some(("inventory", &inventory::MIGRATIONS)),
            Self::Payment => Some(("payment", &payment::MIGRATIONS)),
            Self::Shipping => Some(("shipping", &shipping::MIGRATIONS)),
            Self::Notifications => Some(("notifications", &notifications::MIGRATIONS)),
            Self::Catalog => Some(("catalog", &catalog::MIGRATIONS)),
            Self::Accounts => Some(("accounts", &accounts::MIGRATIONS)),
            Self::Orders => Some(("orders", &orders::MIGRATIONS)),
            Self::Cart => Some(("cart", &cart::MIGRATIONS)),
            Self::Operator | Self::Storefront | Self::Sandbox | Self::All => None,
        }
    }

    /// The name, as it is typed.
    pub fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub struct RunArguments {
    /// The roles.
    #[arg(required = true, value_name = "ROLE")]
    roles: Vec<RoleName>,
    #[command(flatten)]
    common: chassis::Settings,
    #[command(flatten, next_help_heading = "Operator")]
    operator: operator::Settings,
    #[command(flatten, next_help_heading = "Payment")]
    payment: payment::Settings,
    #[command(flatten, next_help_heading = "Shipping")]
    shipping: shipping::Settings,
    #[command(flatten, next_help_heading = "Notifications")]
    notifications: notifications::Settings,
    #[command(flatten, next_help_heading = "Catalog")]
    catalog: catalog::Settings,
    #[command(flatten, next_help_heading = "Orders")]
    orders: orders::Settings,
    #[command(flatten, next_help_heading = "Storefront")]
    storefront: storefront::Settings,
    #[command(flatten, next_help_heading = "Sandbox")]
    sandbox: sandbox::Settings,
}

/// Runs the named roles until the process is told to stop.
pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let mut names = RoleName::meant_by(&arguments.roles);
    let metrics = chassis::start_telemetry(&arguments.common, &process(&names))?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let outside_world =
        names.remove(&RoleName::Sandbox).then(|| sandbox::run(arguments.sandbox.clone(), stop.clone()));
    let inside = async {
        if names.is_empty() {
            return Ok(());
        }
        let (settings, health) = (arguments.common.clone(), Health::default());
        let server = Server::listen(&settings, health.clone(), metrics, stop.clone()).await?;
        let platform = Platform::connect(settings, health, stop.clone()).await?;
        let gate = Gate::open(&platform);
        let starting = names.iter().map(|name| start(*name, &arguments, &platform, &gate, &names));
        let roles: Vec<Role> = futures::future::try_join_all(starting).await?.into_iter().flatten().collect();
        chassis::run(platform, server, roles).await
    };
    let outside = async {
        match outside_world {
            Some(running) => running.await,
            None => Ok(()),
        }
    };
    let (inside, outside) = tokio::join!(stopping_all(inside, &stop), stopping_all(outside, &stop));
    chassis::trace::finish_traces().await;
    inside.and(outside)
}

/// What traces call the process: one of a single role by that.
fn process(names: &BTreeSet<RoleName>) -> String {
    match names.iter().collect::<Vec<_>>().as_slice() {
        [one] => format!("supercargo-{}", one.text()),
        _ => "supercargo".to_owned(),
    }
}

/// A failure of one part stops the others.
async fn stopping_all(
    part: impl Future<Output = anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let outcome = part.await;
    if outcome.is_err() {
        stop.cancel();
    }
    outcome
}

/// The OpenAPI document of all services.
#[must_use]
pub fn openapi() -> serde_json::Value {
    rest::document(operations().collect())
}

/// What the REST of all services does: path, method and what the document says of it.
fn operations() -> impl Iterator<Item = (String, String, rest::Operation)> {
    let all = [
        accounts::operations(),
        catalog::operations(),
        inventory::operations(),
        cart::operations(),
        orders::operations(),
        payment::operations(),
        shipping::operations(),
    ];
    all.into_iter().flatten()
}

/// The permissions that the services ask for.
fn permissions() -> BTreeSet<String> {
    operations().flat_map(|(_, _, operation)| operation.permissions().to_vec()).collect()
}

async fn start(
    name: RoleName,
    arguments: &RunArguments,
    platform: &Platform,
    gate: &Gate,
    here: &BTreeSet<RoleName>,
) -> anyhow::Result<Option<Role>> {
    let (platform, gate) = (platform.clone(), gate.clone());
    let role = match name {
        RoleName::Operator => operator::start(arguments.operator.clone(), platform).await?,
        RoleName::Inventory => inventory::start(platform, gate).await?,
        RoleName::Payment => payment::start(arguments.payment.clone(), platform, gate).await?,
        RoleName::Shipping => shipping::start(arguments.shipping.clone(), platform).await?,
        RoleName::Notifications => notifications::start(arguments.notifications.clone(), platform).await?,
        RoleName::Catalog => catalog::start(arguments.catalog.clone(), platform, gate).await?,
        RoleName::Accounts => accounts::start(platform, gate, permissions()).await?,
        RoleName::Orders => {
            let namespaces = arguments.operator.watch_namespaces.clone();
            orders::start(arguments.orders.clone(), platform, gate, namespaces).await?
        }
        RoleName::Cart => cart::start(platform, gate).await?,
        RoleName::Storefront => {
            let here = here.iter().map(|name| name.text()).collect();
            storefront::start(arguments.storefront.clone(), platform, gate, here, openapi()).await?
        }
        RoleName::Sandbox | RoleName::All => return Ok(None),
    };
    Ok(Some(role))
}

/// Cancels `stop` when the process is told to end.
pub fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is finished first");
        stop.cancel();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_has_an_id_of_its_own_in_the_document() {
        let document = super::openapi();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let mut ids: Vec<_> =
            operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        let routes = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), routes, "{ids:?}");
    }
}
