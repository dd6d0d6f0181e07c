//! What a failed wait tells: the order, its children, and what happened.

use std::fmt::Write as _;

use kube::api::Api;
use resources::{Order, Payment, Shipment, StockReservation};

use crate::shop::TestShop;

/// How much of a history is told.
const RECENT: usize = 15;

impl TestShop {
    /// The order's status, its children and its recent history, for a person.
    pub(crate) async fn describe(&self, name: &str) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "order {}/{name}:", self.namespace);
        match self.api::<Order>().get_opt(name).await {
            Ok(Some(order)) => {
                let deleting = order.metadata.deletion_timestamp.is_some();
                let _ = writeln!(text, "  deleted: {deleting}, finalizers: {:?}", order.metadata.finalizers);
                text.push_str(&shown("  spec", &order.spec));
                text.push_str(&shown("  status", &order.status));
            }
            Ok(None) => text.push_str("  it is gone\n"),
            Err(error) => {
                let _ = writeln!(text, "  it cannot be read: {error}");
            }
        }
        text.push_str(&child(name, "StockReservation", self.api::<StockReservation>()).await);
        text.push_str(&child(name, "Payment", self.api::<Payment>()).await);
        text.push_str(&child(name, "Shipment", self.api::<Shipment>()).await);
        match self.stack.history(&self.namespace, name).await {
            Ok(history) => {
                let _ = writeln!(text, "history of {:?}:", history.order_id);
                let first = history.events.len().saturating_sub(RECENT);
                for event in history.events.iter().skip(first) {
                    let (phase, reason) = (event.phase.as_deref(), event.reason.as_deref());
                    let _ = writeln!(
                        text,
                        "  {} {} {:?} {} {}",
                        event.at,
                        event.event,
                        event.sequence,
                        phase.unwrap_or("-"),
                        reason.unwrap_or("-")
                    );
                }
            }
            Err(error) => {
                let _ = writeln!(text, "history: {error:#}");
            }
        }
        text
    }
}

async fn child<C>(name: &str, kind: &str, api: Api<C>) -> String
where
    C: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + serde::Serialize,
{
    match api.get_opt(name).await {
        Ok(Some(child)) => {
            let value = serde_json::to_value(&child).unwrap_or_default();
            let generation = child.meta().generation;
            let about = format!("{kind} (generation {generation:?})");
            let spec = serde_json::json!({"spec": value.get("spec"), "status": value.get("status")});
            shown(&about, &spec)
        }
        Ok(None) => format!("{kind}: none\n"),
        Err(error) => format!("{kind}: cannot be read: {error}\n"),
    }
}

fn shown(title: &str, value: &impl serde::Serialize) -> String {
    format!("{title}: {}\n", serde_json::to_string(value).unwrap_or_default())
}
