//! `Shop`: its status says which generation of the policy is in force.

use std::time::Duration;

use chassis::{Point, clock, effect};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use resources::{ConditionStatus, Shop, ShopStatus, condition, find_condition, set_condition};

/// Says on the Shop that its policy is in force. Best effort: orders read the spec, not the status.
pub(crate) async fn acknowledge(client: &kube::Client, shop: &Shop) {
    let Some(status) = acknowledged(shop, clock::now()) else { return };
    let api: Api<Shop> = Api::namespaced(client.clone(), &shop.namespace().unwrap_or_default());
    let (name, parameters) = (shop.name_any(), PatchParams::default());
    let patch = Patch::Merge(serde_json::json!({ "status": status }));
    let point = Point::new("operator", "Shop", "status");
    let patching = effect(point, &name, || api.patch_status(&name, &parameters, &patch));
    match tokio::time::timeout(Duration::from_secs(5), patching).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(name, "failed to write the status of a Shop: {error}"),
        Err(_) => tracing::warn!(name, "failed to write the status of a Shop: no answer within 5 s"),
    }
}

/// The status to write, or none when it says so already.
fn acknowledged(shop: &Shop, now: Timestamp) -> Option<ShopStatus> {
    let generation = shop.metadata.generation;
    let mut status = shop.status.clone().unwrap_or_default();
    let told = find_condition(&status.conditions, "Ready");
    if shop.metadata.deletion_timestamp.is_some()
        || told.is_some_and(|told| told.observed_generation == generation)
    {
        return None;
    }
    let (reason, message) = if shop.spec.paused {
        ("Paused", "The policy is in force: no order asks for new stock, money or labels.")
    } else {
        ("InForce", "The policy is in force.")
    };
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    set_condition(
        &mut status.conditions,
        condition("Ready", ConditionStatus::True, reason, message, generation, now),
    );
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_acknowledged_once_a_generation() {
        let mut shop = Shop::new("default", resources::ShopSpec::default());
        shop.metadata.generation = Some(1);
        let status = acknowledged(&shop, Timestamp::UNIX_EPOCH);
        assert_eq!(status.as_ref().map(|status| status.conditions[0].reason.as_str()), Some("InForce"));
        shop.status = status;
        assert_eq!(acknowledged(&shop, Timestamp::UNIX_EPOCH), None);
        shop.metadata.generation = Some(2);
        shop.spec.paused = true;
        let status = acknowledged(&shop, Timestamp::UNIX_EPOCH);
        assert_eq!(status.map(|status| status.conditions[0].reason.clone()), Some("Paused".to_owned()));
    }
}
