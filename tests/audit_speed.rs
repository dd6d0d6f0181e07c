//! How long the audit takes: archived orders by the thousand in a database of the test's own, and a provider that lists
//! their charges. `AUDIT_ORDERS=100000 cargo test --test audit_speed -- --nocapture` measures the promise. It is no part
//! of the system's tests, so that neither keeps the other waiting.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use chassis::Store;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use testkit::{Program, Stack};

/// What a test answers.
type Tested = anyhow::Result<()>;

/// What is promised: 100,000 orders in a minute.
const PROMISED_PER_SECOND: u64 = 100_000 / 60;

/// Orders that went the straight way and are archived, as the services leave them.
const GENERATE: [&str; 12] = [
    "CREATE TABLE public.generated AS SELECT n, gen_random_uuid()::text AS id, 'SKU-' || (n % 100) AS sku
     FROM generate_series(1, $N) AS n",
    "INSERT INTO orders.orders_index (order_id, namespace, name, phase, sequence, complete_to, processed, processed_phase,
         processed_at, first_seen, archived_at, archived_sequence, snapshot)
     SELECT id, 'generated', 'web-' || n, 'Completed', 5, 5, true, 'Completed', now(), now(), now(), 5,
         jsonb_build_object('order', jsonb_build_object('status', jsonb_build_object('phase', 'Completed')), 'children',
             (SELECT jsonb_agg(md5(n || ':' || part)) FROM generate_series(1, 100) AS part))
     FROM public.generated",
    "INSERT INTO orders.history (ce_id, event, source, subject, order_id, namespace, name, sequence, phase, at, data)
     SELECT id || '/' || sequence, 'order.' || lower(phase), '/supercargo/operator', id, id, 'generated', 'web-' || n, sequence, phase,
         now(), jsonb_build_object('orderId', id, 'sequence', sequence, 'phase', phase,
             'customer', jsonb_build_object('email', 'shopper@example.com', 'name', 'A. Shopper'),
             'lines', jsonb_build_array(jsonb_build_object('sku', sku, 'quantity', 2)),
             'total', jsonb_build_object('amount', '31.80', 'currency', 'EUR'))
     FROM public.generated, (VALUES (1, 'Placed'), (2, 'Reserved'), (3, 'Paid'), (4, 'Shipped'), (5, 'Completed')) AS step (sequence, phase)",
    "INSERT INTO orders.history (ce_id, event, source, subject, order_id, namespace, name, at, data)
     SELECT id || told, 'service.event', '/supercargo/service', id, id, 'generated', 'web-' || n, now(), '{}'
     FROM public.generated, (VALUES ('/stock/1'), ('/stock/2'), ('/payment/1'), ('/shipment/1'), ('/shipment/2'), ('/shipment/3')) AS it (told)",
    "INSERT INTO inventory.stock (sku, on_hand) SELECT 'SKU-' || n, 1000000 FROM generate_series(0, 99) AS n",
    "INSERT INTO inventory.movements (sku, kind, quantity, order_id, reason, stock_revision, at)
     SELECT sku, kind, 2, id, 'generated', 1, now() FROM public.generated, (VALUES ('allocated'), ('shipped')) AS it (kind);
     INSERT INTO inventory.movements (sku, kind, quantity, reason, stock_revision, at)
     SELECT sku, 'received', 1000000 + 2 * count(id), 'generated', 1, now()
     FROM inventory.stock LEFT JOIN public.generated USING (sku) GROUP BY sku",
    "INSERT INTO inventory.reservations (order_id, namespace, name, phase, desired, revision, child_uid, generation)
     SELECT id, 'generated', 'web-' || n, 'Committed', 'Held', 2, 'uid-' || n, 1 FROM public.generated;
     INSERT INTO inventory.reservation_lines (order_id, sku, quantity) SELECT id, sku, 2 FROM public.generated",
    "INSERT INTO payment.payments (order_id, namespace, name, child_uid, generation, desired, attempt, amount, currency, phase,
         phase_attempt, captured, revision, told_revision)
     SELECT id, 'generated', 'web-' || n, 'uid-' || n, 1, 'Captured', 1, 3180, 'EUR', 'Captured', 1, 3180, 1, 1 FROM public.generated",
    "INSERT INTO payment.attempts (order_id, attempt, method, amount, currency, capture, stage, intent, next_at, planned_at)
     SELECT id, 1, 'pm_card_visa', 3180, 'EUR', 'automatic', 'captured', 'pi_' || n, now(), now() FROM public.generated",
    "INSERT INTO payment.ledger (order_id, attempt, entry, amount, currency, reference, round, at)
     SELECT id, 1, entry, 3180, 'EUR', 'pi_' || n, round, now()
     FROM public.generated, (VALUES ('intent_created', NULL), ('captured', 0)) AS it (entry, round)",
    "INSERT INTO shipping.shipments (order_id, namespace, name, uid, generation, desired, wished_attempt, attempt, spec, phase,
         revision, cancel_refused)
     SELECT id, 'generated', 'web-' || n, 'uid-' || n, 1, 'Delivered', 1, 1, '{}', 'Delivered', 3, false FROM public.generated;
     INSERT INTO shipping.bookings (order_id, attempt, reference, asked, carrier_shipment_id, tracking_number, voided)
     SELECT id, 1, id, true, 'shp_' || n, 'SC' || n, false FROM public.generated",
    "INSERT INTO inventory.outbox (kind, message_key, body, published_at)
     SELECT 'event', id || told, jsonb_build_object('subject', id, 'data', '{}'::jsonb), now() - interval '1 hour'
     FROM public.generated, (VALUES ('/stock/1'), ('/stock/2')) AS it (told);
     INSERT INTO payment.outbox (kind, message_key, body, published_at)
     SELECT 'event', id || '/payment/1', jsonb_build_object('subject', id), now() - interval '1 hour' FROM public.generated;
     INSERT INTO shipping.outbox (kind, message_key, body, published_at)
     SELECT 'event', id || told, jsonb_build_object('subject', id), now() - interval '1 hour'
     FROM public.generated, (VALUES ('/shipment/1'), ('/shipment/2'), ('/shipment/3')) AS it (told);
     ANALYZE",
];

/// A database of the test's own, with every service's tables.
struct Generated {
    server: String,
    name: String,
    url: String,
}

impl Generated {
    async fn open(stack: &Stack, orders: u64) -> anyhow::Result<Self> {
        let server = stack.addresses.database.clone();
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        // Roles belong to the whole server: tests make theirs one after the other.
        sqlx::query("SELECT pg_advisory_lock(hashtext('supercargo tests'))").execute(&mut connection).await?;
        let (origin, _) = server.rsplit_once('/').context("a database without a name")?;
        let url = format!("{origin}/{name}");
        for (service, migrations) in [
            ("orders", &orders::MIGRATIONS),
            ("inventory", &inventory::MIGRATIONS),
            ("payment", &payment::MIGRATIONS),
            ("shipping", &shipping::MIGRATIONS),
            ("catalog", &catalog::MIGRATIONS),
            ("accounts", &accounts::MIGRATIONS),
            ("notifications", &notifications::MIGRATIONS),
        ] {
            Store::connect(&url, service, 2, migrations).await?.pool().close().await;
        }
        connection.close().await?;
        let mut connection = PgConnection::connect(&url).await?;
        // Rows are as the services leave them: they need not be checked one by one.
        sqlx::query("SET session_replication_role = replica").execute(&mut connection).await?;
        for statement in GENERATE {
            let statement = statement.replace("$N", &orders.to_string());
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(Self { server, name, url })
    }

    async fn ids(&self) -> anyhow::Result<Vec<String>> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let ids = sqlx::query_scalar("SELECT id FROM public.generated ORDER BY n")
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        Ok(ids)
    }

    async fn tamper(&self, statement: &'static str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::query("SET session_replication_role = replica").execute(&mut connection).await?;
        sqlx::raw_sql(statement).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    async fn close(self) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.server).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

#[derive(serde::Deserialize)]
struct Cursor {
    starting_after: Option<String>,
}

/// The charges of the generated orders, a hundred a page.
async fn charges(State(ids): State<Arc<Vec<String>>>, Query(cursor): Query<Cursor>) -> Json<Value> {
    let number = cursor.starting_after.as_deref().and_then(|id| id.strip_prefix("pi_"));
    let from: usize = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    let charge = |(index, id): (usize, &String)| {
        json!({"id": format!("pi_{}", from + index + 1), "object": "payment_intent", "amount": 3180, "amount_received": 3180,
               "amount_capturable": 0, "currency": "eur", "status": "succeeded", "metadata": {"order_id": id, "attempt": "1"}})
    };
    let page: Vec<Value> = ids.iter().skip(from).take(100).enumerate().map(charge).collect();
    let has_more = from + page.len() < ids.len();
    Json(json!({"object": "list", "data": page, "has_more": has_more}))
}

/// Serves the provider until the test's runtime ends; answers its address.
async fn provider(ids: Vec<String>) -> anyhow::Result<String> {
    let nothing = || async { Json(json!({"object": "list", "data": [], "has_more": false})) };
    let one = |State(ids): State<Arc<Vec<String>>>, axum::extract::Path(id): axum::extract::Path<String>| async move {
        let number: usize = id.trim_start_matches("pi_").parse().unwrap_or(0);
        let order = number.checked_sub(1).and_then(|index| ids.get(index)).cloned();
        Json(json!({"id": id, "amount_received": 3180, "metadata": {"order_id": order}}))
    };
    let router = Router::new()
        .route("/v1/refunds", get(nothing))
        .route("/v1/payment_intents", get(charges))
        .route("/v1/payment_intents/search", get(nothing))
        .route("/v1/payment_intents/{id}", get(one))
        .with_state(Arc::new(ids));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn audit(database: &str, stripe: &str) -> anyhow::Result<Value> {
    let arguments = ["audit", "-o", "json", "--confirm-after", "500ms"];
    let audit = Program::supercargo(&arguments).with("DATABASE_URL", database).with("STRIPE_URL", stripe);
    let ended = audit.run_within(Duration::from_secs(600), "").await?;
    anyhow::ensure!(ended.code.is_some_and(|code| code < 2), "exit {:?}: {}", ended.code, ended.stderr);
    Ok(serde_json::from_str(&ended.stdout)?)
}

/// What is found of generated orders and articles. Others live on the same API server, whose ledgers are elsewhere.
fn findings(report: &Value, ids: &[String]) -> Vec<String> {
    let known: std::collections::HashSet<&str> = ids.iter().map(String::as_str).collect();
    let own = |finding: &&Value| match finding["order"]["id"].as_str() {
        Some(id) => known.contains(id),
        None => finding["rule"] == "stock-ledger",
    };
    let text = |finding: &Value| {
        format!(
            "{}: {}",
            finding["rule"].as_str().unwrap_or_default(),
            finding["message"].as_str().unwrap_or_default()
        )
    };
    report["findings"].as_array().into_iter().flatten().filter(own).map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_speed_is_a_hundred_thousand_orders_a_minute_and_one_wrong_among_them_is_found() -> Tested {
    let orders: u64 = std::env::var("AUDIT_ORDERS").ok().map_or(Ok(5_000), |text| text.parse())?;
    let stack = Stack::from_env().await?;
    let generated = Generated::open(&stack, orders).await?;
    let ids = generated.ids().await?;
    let stripe = provider(ids.clone()).await?;
    let report = audit(&generated.url, &stripe).await?;
    let checked = &report["checked"];
    println!("audit of {orders} orders: {} ms, {checked}", report["durationMs"]);
    assert_eq!(findings(&report, &ids), Vec::<String>::new());
    assert!(checked["orders"].as_u64().is_some_and(|count| count >= orders), "{checked}");
    assert_eq!((checked["charges"].as_u64(), checked["events"].as_u64()), (Some(orders), Some(6 * orders)));
    let took = report["durationMs"].as_u64().context("a report without its duration")?;
    // A machine that is busy otherwise, with unoptimized code, is slower by this much and no more.
    let allowed = 30_000 + orders * 1000 / PROMISED_PER_SECOND;
    assert!(took < allowed, "{orders} orders took {took} ms, {allowed} are allowed");

    generated.tamper("UPDATE orders.orders_index SET archived_sequence = NULL, archived_at = NULL, snapshot = NULL WHERE name = 'web-777'").await?;
    generated.tamper("DELETE FROM orders.history WHERE name = 'web-778' AND sequence = 4").await?;
    generated.tamper("UPDATE inventory.reservations SET phase = 'Held' WHERE name = 'web-779'").await?;
    let report = audit(&generated.url, &stripe).await?;
    let mut rules: Vec<String> =
        findings(&report, &ids).iter().filter_map(|text| Some(text.split_once(':')?.0.to_owned())).collect();
    rules.dedup();
    assert_eq!(rules, ["stock-ledger", "not-booked-out", "order-lost", "history-gap"], "{report}");
    generated.close().await
}
