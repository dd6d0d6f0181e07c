//! `supercargo order retry|resume|skip|refund`: asks by annotation, and waits for what the operator says.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask;
use events::questions::ReadHistory;
use kube::api::{Api, Patch, PatchParams};
use resources::{Order, REPAIR_BY_ANNOTATION, REPAIR_REASON, Repair, RepairAction, RepairOutcome};
use serde_json::json;

use super::{PATIENCE, cluster, connect};
use crate::answer;
use crate::cli::RepairArguments;

/// How long the operator may take to judge a request.
const JUDGED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MANAGER: &str = "supercargo";

pub async fn run(action: RepairAction, arguments: RepairArguments) -> anyhow::Result<()> {
    let RepairArguments { name, namespace, reason, reach: _ } = &arguments;
    let client = cluster::client().await?;
    let api: Api<Order> = Api::namespaced(client.clone(), namespace);
    let Some(order) =
        api.get_opt(name).await.with_context(|| format!("failed to read the order {namespace}/{name}"))?
    else {
        return Err(not_there(&arguments).await);
    };
    let reason = match reason.as_deref().map(str::trim) {
        Some("") => anyhow::bail!("--reason is empty: say why, in words"),
        Some(reason) => reason.to_owned(),
        None => format!("{} asked for at the command line, {}", action.as_str(), now()),
    };
    let reason = fresh(&order, action, reason)?;
    let known = last_number(&order);
    let mut annotations = json!({ action.annotation(): reason });
    if let Some(user) = cluster::user(&client).await {
        annotations[REPAIR_BY_ANNOTATION] = json!(user);
    }
    // Of this order, not of a successor of the same name.
    let patch = json!({"metadata": {"uid": order.metadata.uid, "annotations": annotations}});
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(name, &parameters, &Patch::Merge(&patch))
        .await
        .with_context(|| format!("failed to ask for it on the order {namespace}/{name}"))?;
    let judged = tokio::time::timeout(JUDGED_WITHIN, judged(&api, name, action, known)).await;
    let Ok(judged) = judged else {
        anyhow::bail!(
            "the operator has not judged it within {JUDGED_WITHIN:?}: is it running? The request stays on the order: \
             kubectl -n {namespace} describe orders.supercargo.dev {name}"
        );
    };
    let Repair { outcome, message, .. } = judged?;
    match outcome {
        RepairOutcome::Taken => answer::text(&format!("{message}\n")),
        RepairOutcome::Refused => anyhow::bail!("refused: {message}"),
    }
}

/// A value that is a new request: the same words as the last time ask again only with the time behind them.
fn fresh(order: &Order, action: RepairAction, reason: String) -> anyhow::Result<String> {
    anyhow::ensure!(
        reason.chars().count() <= REPAIR_REASON - 40,
        "--reason is longer than {} characters: say it shorter",
        REPAIR_REASON - 40
    );
    let annotations = order.metadata.annotations.as_ref();
    let same = annotations.and_then(|all| all.get(action.annotation())) == Some(&reason);
    Ok(if same { format!("{reason} (again, {})", now()) } else { reason })
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn last_number(order: &Order) -> i64 {
    let repairs = order.status.iter().flat_map(|status| &status.repairs);
    repairs.map(|repair| repair.number).max().unwrap_or(0)
}

async fn judged(api: &Api<Order>, name: &str, action: RepairAction, known: i64) -> anyhow::Result<Repair> {
    loop {
        let order = api.get_opt(name).await.context("failed to read the order again")?;
        let order = order.context("the order is gone: see supercargo order history")?;
        let repairs = order.status.map(|status| status.repairs).unwrap_or_default();
        if let Some(repair) =
            repairs.into_iter().find(|repair| repair.action == action && repair.number > known)
        {
            return Ok(repair);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Why an order cannot be repaired that is not in the cluster.
async fn not_there(arguments: &RepairArguments) -> anyhow::Error {
    let RepairArguments { name, namespace, reason: _, reach } = arguments;
    let question = ReadHistory { namespace: namespace.clone(), name: name.clone() };
    let archived = match connect(reach).await {
        Ok(nats) => ask(&nats, &question, PATIENCE).await.is_ok_and(|history| history.order_id.is_some()),
        Err(_) => false,
    };
    if archived {
        return anyhow::anyhow!(
            "the order {namespace}/{name} is archived and not in Kubernetes any more: nothing of it is open. See supercargo \
             order history {name} -n {namespace}; money is given back at the payment provider"
        );
    }
    anyhow::anyhow!(
        "no order named {name} in the namespace {namespace}: look at its name, or give -n NAMESPACE"
    )
}
