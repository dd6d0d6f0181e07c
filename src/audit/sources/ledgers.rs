//! The services' databases, each by the module `audit` of its service.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use futures::future::try_join_all;
use inventory::audit::StockFacts;
use orders::audit::HistoryFacts;
use payment::audit::MoneyFacts;
use shipping::audit::ParcelFacts;
use sqlx::PgPool;

use crate::audit::facts::OrderFacts;

/// Every service that has an outbox.
const SERVICES: [&str; 7] =
    ["orders", "inventory", "payment", "shipping", "catalog", "accounts", "notifications"];

/// The services' databases.
pub struct Ledgers {
    pools: BTreeMap<&'static str, PgPool>,
    /// The history.
    pub orders: PgPool,
    /// The stock ledger.
    pub inventory: PgPool,
    /// The payment ledger.
    pub payment: PgPool,
    /// The parcels.
    pub shipping: PgPool,
}

/// A service that keeps something by order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The history.
    Orders,
    /// The goods.
    Inventory,
    /// The money.
    Payment,
    /// The parcels.
    Shipping,
}

impl Ledgers {
    /// Opens them all.
    pub async fn open(settings: &chassis::Settings) -> anyhow::Result<Self> {
        let opened = try_join_all(SERVICES.map(|service| async move {
            let url = settings.database_url_of(service)?;
            let pool = chassis::audit::look(&url, service).await;
            anyhow::Ok((service, pool.with_context(|| format!("could not check {service}"))?))
        }))
        .await?;
        let pools: BTreeMap<&'static str, PgPool> = opened.into_iter().collect();
        let pool =
            |service: &str| pools.get(service).cloned().with_context(|| format!("no database of {service}"));
        let (orders, inventory) = (pool("orders")?, pool("inventory")?);
        let (payment, shipping) = (pool("payment")?, pool("shipping")?);
        Ok(Self { pools, orders, inventory, payment, shipping })
    }

    /// Each service's database.
    pub fn pools(&self) -> impl Iterator<Item = (&'static str, &PgPool)> {
        self.pools.iter().map(|(service, pool)| (*service, pool))
    }

    /// The database of a service.
    pub fn pool(&self, service: &str) -> anyhow::Result<&PgPool> {
        self.pools.get(service).with_context(|| format!("no database of {service} was opened"))
    }

    /// What all of them keep of these orders, in that order; also of those that none knows.
    pub async fn facts_of(&self, ids: &[String]) -> anyhow::Result<Vec<OrderFacts>> {
        let (history, stock, money, parcel) = futures::try_join!(
            async {
                orders::audit::facts_of(&self.orders, ids)
                    .await
                    .context("could not check orders: failed to read the history")
            },
            async {
                inventory::audit::facts_of(&self.inventory, ids)
                    .await
                    .context("could not check inventory: failed to read the reservations")
            },
            async {
                payment::audit::facts_of(&self.payment, ids)
                    .await
                    .context("could not check payment: failed to read the payments")
            },
            async {
                shipping::audit::facts_of(&self.shipping, ids)
                    .await
                    .context("could not check shipping: failed to read the parcels")
            },
        )?;
        let mut history = by_id(history, |it: &HistoryFacts| it.order_id.clone());
        let mut stock = by_id(stock, |it: &StockFacts| it.order_id.clone());
        let mut money = by_id(money, |it: &MoneyFacts| it.order_id.clone());
        let mut parcel = by_id(parcel, |it: &ParcelFacts| it.order_id.clone());
        let facts = ids.iter().map(|id| OrderFacts {
            id: id.clone(),
            live: None,
            history: history.remove(id),
            stock: stock.remove(id),
            money: money.remove(id),
            parcel: parcel.remove(id),
            provider: None,
        });
        Ok(facts.collect())
    }

    /// The ids of orders that `keeper` keeps something of, after `after` in the order of its index.
    pub async fn ids_after(
        &self,
        keeper: Keeper,
        namespace: Option<&str>,
        after: &str,
        limit: i64,
    ) -> anyhow::Result<Vec<String>> {
        let read = match keeper {
            Keeper::Orders => orders::audit::ids_after(&self.orders, namespace, after, limit).await,
            Keeper::Inventory => inventory::audit::ids_after(&self.inventory, namespace, after, limit).await,
            Keeper::Payment => payment::audit::ids_after(&self.payment, namespace, after, limit).await,
            Keeper::Shipping => shipping::audit::ids_after(&self.shipping, namespace, after, limit).await,
        };
        read.with_context(|| format!("could not check {keeper:?}: failed to read its orders"))
    }
}

fn by_id<T>(facts: Vec<T>, id: impl Fn(&T) -> String) -> HashMap<String, T> {
    facts.into_iter().map(|fact| (id(&fact), fact)).collect()
}
