//! The table `kept_resources`.

use std::collections::HashMap;

use chassis::{Store, Transaction, from_database};
use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use resources::Order;
use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::KeptOrder;

/// A resource as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) order_id: String,
    pub(super) kind: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    /// The resourceVersion.
    pub(super) version: u64,
    /// True once the cluster has it no more.
    pub(super) is_gone: bool,
    pub(super) resource: Value,
}

impl Kept {
    /// What is kept of `resource`; `None` of one that no API server has made.
    pub(super) fn of<K>(mut resource: K, order_id: String, is_gone: bool) -> Option<Self>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize,
    {
        resource.managed_fields_mut().clear();
        Some(Self {
            order_id,
            kind: K::kind(&()).into_owned(),
            uid: resource.uid()?,
            generation: resource.meta().generation,
            version: resource.resource_version()?.parse().ok()?,
            is_gone,
            resource: serde_json::to_value(&resource).ok()?,
        })
    }

    pub(super) fn is_order(&self) -> bool {
        self.kind == "Order"
    }

    /// True of an order that has a phase: it goes by the archive only.
    pub(super) fn is_accepted(&self) -> bool {
        self.resource.pointer("/status/phase").is_some_and(Value::is_string)
    }

    /// True of an order that was deleted before it was accepted: it goes without an archive.
    fn is_withdrawn(&self) -> bool {
        self.is_gone && self.is_order() && !self.is_accepted()
    }
}

/// Keeps all of them, in one statement; what is of orders in the archive is not kept any more.
pub(super) async fn write(store: &Store, all: &[Kept]) -> Result<(), sqlx::Error> {
    if all.is_empty() {
        return Ok(());
    }
    let withdrawn: Vec<String> =
        all.iter().filter(|kept| kept.is_withdrawn()).map(|kept| kept.order_id.clone()).collect();
    if !withdrawn.is_empty() {
        let forgetting = sqlx::query("DELETE FROM kept_resources WHERE order_id = ANY($1)");
        forgetting.bind(withdrawn).execute(store.pool()).await?;
    }
    let gone: Vec<String> =
        all.iter().filter(|kept| kept.is_gone && kept.is_order()).map(|kept| kept.order_id.clone()).collect();
    if !gone.is_empty() {
        // Written down while it was archived: nobody would forget it.
        let forgetting = sqlx::query(
            "DELETE FROM kept_resources WHERE order_id IN
                 (SELECT order_id FROM orders_index WHERE order_id = ANY($1) AND snapshot IS NOT NULL)",
        );
        forgetting.bind(gone).execute(store.pool()).await?;
    }
    // One order of rows for whoever writes some of them too.
    let mut all: Vec<&Kept> = all.iter().filter(|kept| !kept.is_gone).collect();
    all.sort_by(|one, other| (&one.order_id, &one.kind).cmp(&(&other.order_id, &other.kind)));
    let texts = |of: fn(&Kept) -> &String| all.iter().map(|kept| of(kept).clone()).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO kept_resources (order_id, kind, uid, version, resource)
         SELECT k.order_id, k.kind, k.uid, k.version::numeric, k.resource
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[])
             AS k (order_id, kind, uid, version, resource)
         WHERE NOT EXISTS (SELECT FROM orders_index i WHERE i.order_id = k.order_id AND i.snapshot IS NOT NULL)
         ON CONFLICT (order_id, kind) DO UPDATE
             SET uid = EXCLUDED.uid, version = EXCLUDED.version, resource = EXCLUDED.resource, kept_at = now()
             WHERE kept_resources.uid <> EXCLUDED.uid OR kept_resources.version < EXCLUDED.version",
    )
    .bind(texts(|kept| &kept.order_id))
    .bind(texts(|kept| &kept.kind))
    .bind(texts(|kept| &kept.uid))
    .bind(all.iter().map(|kept| kept.version.to_string()).collect::<Vec<_>>())
    .bind(all.iter().map(|kept| kept.resource.clone()).collect::<Vec<_>>())
    .execute(store.pool())
    .await?;
    Ok(())
}

/// The resources of those orders as they were seen last, by order id; without those that are archived.
pub(crate) async fn orders_of(
    pool: &PgPool,
    order_ids: &[String],
) -> Result<HashMap<String, Order>, sqlx::Error> {
    let found: Vec<(String, Value)> = sqlx::query_as(
        "SELECT order_id, resource FROM kept_resources WHERE order_id = ANY($1) AND kind = 'Order'",
    )
    .bind(order_ids)
    .fetch_all(pool)
    .await?;
    let read = |(id, resource)| Some((id, serde_json::from_value(resource).ok()?));
    Ok(found.into_iter().filter_map(read).collect())
}

/// Forgets what is kept of an order, whose archive has all of it.
pub(crate) async fn forget_in_tx(transaction: &mut Transaction, order_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM kept_resources WHERE order_id = $1")
        .bind(order_id)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// What is kept of the orders after `order_id`, at most `limit` of them.
pub(super) async fn read(pool: &PgPool, after: &str, limit: i64) -> Result<Vec<KeptOrder>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT order_id, max(kept_at) AS kept_at, array_agg(resource ORDER BY kind) AS resources
         FROM kept_resources
         WHERE order_id IN (SELECT order_id FROM kept_resources WHERE kind = 'Order' AND order_id > $1
                            ORDER BY order_id LIMIT $2)
         GROUP BY order_id ORDER BY order_id",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let read = |row: &PgRow| {
        Ok(KeptOrder {
            order_id: row.try_get("order_id")?,
            kept_at: from_database(row.try_get("kept_at")?),
            resources: row.try_get("resources")?,
        })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails says where")]
mod tests {
    use serde_json::json;
    use testkit::ScratchDatabase;

    use super::*;
    use crate::MIGRATIONS;
    use crate::record::OrderName;

    fn order(id: &str, uid: &str, version: u64, phase: Option<&str>) -> Kept {
        Kept {
            order_id: id.into(),
            kind: "Order".into(),
            uid: uid.into(),
            generation: Some(1),
            version,
            is_gone: false,
            resource: json!({"kind": "Order", "version": version, "status": {"phase": phase}}),
        }
    }

    fn gone(kept: Kept) -> Kept {
        Kept { is_gone: true, ..kept }
    }

    #[tokio::test]
    async fn the_newest_of_each_order_is_kept_until_it_is_in_the_archive() {
        let database = ScratchDatabase::make().await;
        let store = Store::connect(&database.url, "orders", 2, &MIGRATIONS).await.unwrap();
        let versions = async || -> Vec<(String, i64)> {
            let kept = read(store.pool(), "", 10).await.unwrap();
            let version = |kept: &KeptOrder| kept.resources[0]["version"].as_i64().unwrap();
            kept.iter().map(|kept| (kept.order_id.clone(), version(kept))).collect()
        };
        let paid = |id: &str, uid: &str, version| order(id, uid, version, Some("Paid"));
        write(&store, &[paid("b", "one", 10), paid("a", "two", 9)]).await.unwrap();
        write(&store, &[paid("b", "one", 8), paid("a", "two", 11)]).await.unwrap();
        assert_eq!(versions().await, [("a".into(), 11), ("b".into(), 10)], "an older state changes nothing");
        assert_eq!(read(store.pool(), "a", 10).await.unwrap().len(), 1);
        write(&store, &[paid("a", "of another cluster", 2)]).await.unwrap();
        assert_eq!(versions().await[0], ("a".into(), 2));

        write(&store, &[gone(paid("a", "of another cluster", 3))]).await.unwrap();
        assert_eq!(versions().await.len(), 2, "it is gone without an archive: a restore makes it again");
        let unaccepted = order("c", "three", 4, None);
        write(&store, std::slice::from_ref(&unaccepted)).await.unwrap();
        write(&store, &[gone(unaccepted)]).await.unwrap();
        assert_eq!(versions().await.len(), 2, "it was deleted before it was accepted");

        let mut transaction = store.begin().await.unwrap();
        let name = OrderName { order_id: "a".into(), namespace: "shop".into(), name: "web-1".into() };
        crate::store::lock_order_in_tx(&mut transaction, &name, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        crate::store::keep_snapshot_in_tx(&mut transaction, "a", 5, &json!({}), jiff::Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        forget_in_tx(&mut transaction, "a").await.unwrap();
        transaction.commit().await.unwrap();
        write(&store, &[paid("a", "of another cluster", 12)]).await.unwrap();
        assert_eq!(versions().await, [("b".into(), 10)], "a late word of an archived order is not kept");

        let late = "INSERT INTO kept_resources (order_id, kind, uid, version, resource)
                    VALUES ('a', 'Order', 'of another cluster', 12, '{\"version\": 12}')";
        sqlx::query(late).execute(store.pool()).await.unwrap();
        write(&store, &[gone(paid("a", "of another cluster", 13))]).await.unwrap();
        assert_eq!(versions().await, [("b".into(), 10)], "one that was written down meanwhile goes with it");
    }
}
