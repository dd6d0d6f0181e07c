//! `supercargo orders restore`: orders survive the loss of the cluster.
//!
//! An order is made again under its order id, by which every service knows what it has done for it: so nobody is charged and
//! nothing is shipped a second time. It is marked until its status is written, and the operator leaves it alone until then.

mod plan;

use anyhow::Context as _;
use chassis::NatsSettings;
use chassis::questions::ask;
use kube::api::{Api, ApiResource, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::gvk::GroupVersionKind;
use kube::{Client, ResourceExt};
use orders::keep::{KeptOrder, ReadKept};
use resources::{Order, RESTORING_ANNOTATION};
use serde_json::{Value, json};

use self::plan::Remake;
use crate::answer;
use crate::commands::{PATIENCE, cluster, connect};

/// What became of an order.
enum Outcome {
    Restored,
    /// It is there, whole.
    Present,
    /// It was never accepted, and may have been deleted.
    LeftOut,
}

pub async fn run(namespaces: &[String], dry_run: bool, reach: &NatsSettings) -> anyhow::Result<()> {
    let nats = connect(reach).await?;
    let kept = read_all(&nats).await?;
    let client = cluster::client().await?;
    let (mut restored, mut present, mut left_out, mut failed) = (0, 0, 0, Vec::new());
    let mut lost = Vec::new();
    for kept in kept {
        let remake = Remake::of(&kept)
            .with_context(|| format!("failed to read what is kept of order {}", kept.order_id))?;
        if is_present(&client, &remake).await? {
            present += u32::from(is_asked_for(namespaces, &remake));
        } else {
            lost.push((kept, remake));
        }
    }
    // Of the cluster that is lost: this one may have orders of its own by now.
    let newest = lost.iter().map(|(kept, _)| kept.kept_at).max().unwrap_or_default();
    for (kept, remake) in lost.iter().filter(|(_, remake)| is_asked_for(namespaces, remake)) {
        let outcome = if remake.may_be_withdrawn(kept.kept_at, newest) {
            Ok(Outcome::LeftOut)
        } else {
            restore(&client, remake, dry_run).await
        };
        match outcome {
            Ok(Outcome::Restored) => {
                restored += 1;
                let phase = remake.status.as_ref().and_then(|status| status.phase);
                let phase = phase.map_or("not accepted yet", resources::OrderPhase::as_str);
                answer::note(&format!("{} ({phase}), order id {}", remake.name(), remake.order_id));
            }
            Ok(Outcome::Present) => present += 1,
            Ok(Outcome::LeftOut) => {
                left_out += 1;
                answer::note(&format!(
                    "{} is left out: it was never accepted, and may have been deleted (kept at {}); where it was not, place it again",
                    remake.name(),
                    kept.kept_at
                ));
            }
            Err(error) => failed.push(format!("{}: {error:#}", remake.name())),
        }
    }
    let verb = if dry_run { "would be restored" } else { "restored" };
    let failures = failed.len();
    answer::text(&format!(
        "{restored} orders {verb}, {present} were there, {left_out} left out, {failures} failed\n"
    ))?;
    anyhow::ensure!(
        failed.is_empty(),
        "failed to restore {} orders; run the same command again once what is in the way is gone:\n{}",
        failed.len(),
        failed.join("\n")
    );
    Ok(())
}

fn is_asked_for(namespaces: &[String], remake: &Remake) -> bool {
    namespaces.is_empty() || namespaces.contains(&remake.namespace())
}

/// True of an order that this cluster has, whole.
async fn is_present(client: &Client, remake: &Remake) -> anyhow::Result<bool> {
    let orders: Api<Order> = Api::namespaced(client.clone(), &remake.namespace());
    let there = orders.get_opt(&remake.order.name_any()).await;
    let there = there.with_context(|| format!("failed to look for {}", remake.name()))?;
    Ok(there.is_some_and(|there| is_same(&there, remake) && is_whole(&there)))
}

fn is_same(there: &Order, remake: &Remake) -> bool {
    resources::order_id(there).as_deref() == Some(&remake.order_id)
}

fn is_whole(there: &Order) -> bool {
    !there.annotations().contains_key(RESTORING_ANNOTATION)
}

async fn read_all(nats: &async_nats::Client) -> anyhow::Result<Vec<KeptOrder>> {
    let mut all: Vec<KeptOrder> = Vec::new();
    loop {
        let after = all.last().map(|kept| kept.order_id.clone()).unwrap_or_default();
        let page = ask(nats, &ReadKept { after }, PATIENCE)
            .await
            .context("failed to ask orders for what it has kept: is it running?")?;
        if page.orders.is_empty() {
            return Ok(all);
        }
        all.extend(page.orders);
    }
}

async fn restore(client: &Client, remake: &Remake, dry_run: bool) -> anyhow::Result<Outcome> {
    let orders: Api<Order> = Api::namespaced(client.clone(), &remake.namespace());
    let name = remake.order.name_any();
    let made = match orders.get_opt(&name).await.context("failed to look for it")? {
        Some(there) if !is_same(&there, remake) => {
            anyhow::bail!("its name is taken by another order: rename that one, or delete it");
        }
        Some(there) if is_whole(&there) => return Ok(Outcome::Present),
        Some(unfinished) => unfinished,
        None if dry_run => return Ok(Outcome::Restored),
        None => orders.create(&PostParams::default(), &remake.order).await.context(
            "failed to make it: the namespace has to be there, and the definitions of the kinds (helm install)",
        )?,
    };
    if dry_run {
        return Ok(Outcome::Restored);
    }
    for child in remake.children_of(&made) {
        let types = child.types.clone().unwrap_or_default();
        let kind = GroupVersionKind::try_from(&types).context("a child's kind cannot be read")?;
        let api: Api<kube::api::DynamicObject> =
            Api::namespaced_with(client.clone(), &remake.namespace(), &ApiResource::from_gvk(&kind));
        match api.create(&PostParams::default(), &child).await {
            Ok(_) => {}
            // Made before this was broken off.
            Err(kube::Error::Api(refusal)) if refusal.reason == "AlreadyExists" => {}
            Err(error) => {
                return Err(error).with_context(|| format!("failed to make its {}", types.kind));
            }
        }
    }
    if let Some(status) = &remake.status {
        let whole = Order { status: Some(status.clone()), ..made };
        orders
            .replace_status(&name, &PostParams::default(), &whole)
            .await
            .context("failed to write its status")?;
    }
    if remake.is_deleted {
        orders
            .delete(&name, &DeleteParams::default())
            .await
            .context("failed to delete it, as was asked before")?;
    }
    let unmark: Value = json!({"metadata": {"annotations": {RESTORING_ANNOTATION: null}}});
    orders
        .patch(&name, &PatchParams::default(), &Patch::Merge(&unmark))
        .await
        .context("failed to let the operator go on with it")?;
    Ok(Outcome::Restored)
}
