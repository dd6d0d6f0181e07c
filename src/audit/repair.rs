//! Mending what needs no person: by the services' own commands and questions, never by writing their ledgers, and never by
//! moving money. Each repair is written down before it is made.

use std::time::Duration;

use anyhow::Context as _;
use chassis::questions::ask_subject;
use events::{Command, CommandTarget};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};
use orders::audit::Repair;
use resources::{
    Order, OrderReference, Payment, ReservationDesired, Shipment, StockReservation, StockReservationSpec,
    StockReservationStatus,
};
use serde::{Deserialize, Serialize};

use super::finding::{Child, Finding, OrderName, Place, Remedy};
use super::report::subject;
use super::sources::Sources;

const PATIENCE: Duration = Duration::from_secs(10);

/// A repair that was made, or would be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The rule that did not hold.
    pub rule: &'static str,
    /// What it was about.
    pub subject: String,
    /// What was done.
    pub action: String,
    /// What became of it.
    pub outcome: String,
}

/// What would be done about a finding, in words; absent when a person is needed.
pub fn action(finding: &Finding) -> Option<String> {
    Some(match finding.remedy.as_ref()? {
        Remedy::Release => "ask inventory to release what it holds for the order".to_owned(),
        Remedy::BookOut => "ask inventory to book out what it holds for the order".to_owned(),
        Remedy::ReportAgain(child) => {
            format!(
                "send the command of the {} once more, so that {} reports what is",
                child.kind(),
                child.service()
            )
        }
        Remedy::Retell(missing) => {
            let numbers: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("tell the transitions {} again, from the resource or its snapshot", numbers.join(", "))
        }
        Remedy::TellAgain { service, row } => {
            format!("have {service} tell the event in row {row} of its outbox again")
        }
        Remedy::TellNow { service, row } => format!("have {service} try row {row} of its outbox at once"),
    })
}

/// Who repairs, as the API server knows them.
pub async fn whoami(client: &kube::Client) -> anyhow::Result<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let asked = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let review = asked.context("failed to ask the API server who repairs (SelfSubjectReview)")?;
    let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    user.filter(|name| !name.is_empty()).context("the API server does not say who repairs")
}

/// Repairs one finding and writes that down; a failure is an outcome too, so that the others are repaired.
pub async fn repair(sources: &Sources, who: &str, finding: &Finding, action: String) -> anyhow::Result<Done> {
    let pool = &sources.ledgers.orders;
    let noted = Repair {
        who: who.to_owned(),
        rule: finding.rule.name().to_owned(),
        action: action.clone(),
        order_id: finding.order.as_ref().map(|order| order.id.clone()),
        finding: serde_json::to_value(finding).context("failed to write a finding")?,
    };
    let number = orders::audit::begin_repair(pool, &noted).await.context(
        "failed to write the repair down, so that it was not made: does orders run in this version?",
    )?;
    let outcome = match apply(sources, finding).await {
        Ok(outcome) => outcome,
        Err(error) => format!("failed: {error:#}"),
    };
    orders::audit::end_repair(pool, number, &outcome)
        .await
        .context("failed to write down what became of a repair")?;
    if let Some(place) = finding.order.as_ref().and_then(|order| order.place.as_ref()) {
        tell(sources, place, finding, &format!("{who}: {action}: {outcome}")).await;
    }
    Ok(Done { rule: finding.rule.name(), subject: subject(finding), action, outcome })
}

async fn apply(sources: &Sources, finding: &Finding) -> anyhow::Result<String> {
    let order = || finding.order.as_ref().context("the finding names no order");
    match finding.remedy.as_ref().context("a person is needed")? {
        Remedy::Release => settle(sources, order()?, ReservationDesired::Released).await,
        Remedy::BookOut => settle(sources, order()?, ReservationDesired::Committed).await,
        Remedy::ReportAgain(child) => report_again(sources, order()?, *child).await,
        Remedy::Retell(missing) => retell(sources, order()?, missing).await,
        Remedy::TellAgain { service, row } => {
            let told = chassis::audit::publish_again(sources.ledgers.pool(service)?, &[*row]).await;
            counted(told.context("failed to change the outbox")?)
        }
        Remedy::TellNow { service, row } => {
            let told = chassis::audit::publish_now(sources.ledgers.pool(service)?, &[*row]).await;
            counted(told.context("failed to change the outbox")?)
        }
    }
}

fn counted(rows: u64) -> anyhow::Result<String> {
    Ok(if rows == 1 { "it is told within a second" } else { "it was told meanwhile" }.to_owned())
}

fn place(order: &OrderName) -> anyhow::Result<&Place> {
    order.place.as_ref().context("nobody knows the order's name")
}

/// Asks inventory as the operator does where no child can be made: by the order id alone.
async fn settle(sources: &Sources, order: &OrderName, desired: ReservationDesired) -> anyhow::Result<String> {
    let Place { namespace, name } = place(order)?;
    let lines = inventory::audit::lines_of(&sources.ledgers.inventory, &order.id)
        .await
        .context("failed to read what is held")?;
    let nothing = money::Money::zero(money::Currency::EUR);
    let line = |(sku, quantity): (String, i64)| {
        let quantity = u32::try_from(quantity).context("a quantity that was never ordered")?;
        anyhow::Ok(resources::Line { sku, quantity, unit_price: nothing, total: nothing })
    };
    let command = Command {
        order_id: order.id.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        uid: None,
        generation: 0,
        sent_at: Timestamp::now(),
        spec: StockReservationSpec {
            order_ref: OrderReference { name: name.clone(), id: order.id.clone() },
            lines: lines.into_iter().map(line).collect::<anyhow::Result<_>>()?,
            total: nothing,
            desired,
            expires_at: None,
        },
    };
    let status: StockReservationStatus =
        ask_subject(&sources.nats, StockReservationSpec::APPLY, &command, PATIENCE)
            .await
            .context("failed to ask inventory: is it running?")?;
    Ok(format!(
        "inventory answers {}",
        status.phase.map_or_else(|| "nothing".to_owned(), |phase| format!("{phase:?}"))
    ))
}

async fn report_again(sources: &Sources, order: &OrderName, child: Child) -> anyhow::Result<String> {
    let place = place(order)?;
    match child {
        Child::StockReservation => {
            command_again(sources, place, |it: &StockReservation| {
                (it.spec.order_ref.clone(), it.spec.clone())
            })
            .await
        }
        Child::Payment => {
            command_again(sources, place, |it: &Payment| (it.spec.order_ref.clone(), it.spec.clone())).await
        }
        Child::Shipment => {
            command_again(sources, place, |it: &Shipment| (it.spec.order_ref.clone(), it.spec.clone())).await
        }
    }
}

/// Sends what the operator sent: the same wish of the same generation moves nothing, and is answered by a report.
async fn command_again<C, S>(
    sources: &Sources,
    place: &Place,
    spec: impl Fn(&C) -> (OrderReference, S),
) -> anyhow::Result<String>
where
    C: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + for<'de> Deserialize<'de>,
    S: CommandTarget + Serialize,
{
    let api: Api<C> = Api::namespaced(sources.cluster.client().clone(), &place.namespace);
    let Some(child) = api.get_opt(&place.name).await.context("failed to read the child")? else {
        return Ok("the child is gone meanwhile".to_owned());
    };
    let (reference, spec) = spec(&child);
    let command = Command {
        order_id: reference.id,
        namespace: place.namespace.clone(),
        name: place.name.clone(),
        uid: child.uid(),
        generation: child.meta().generation.unwrap_or_default(),
        sent_at: Timestamp::now(),
        spec,
    };
    chassis::publish_command(&sources.jetstream, "audit", &command).await?;
    Ok("sent".to_owned())
}

async fn retell(sources: &Sources, order: &OrderName, missing: &[i64]) -> anyhow::Result<String> {
    let place = place(order)?;
    let api: Api<Order> = Api::namespaced(sources.cluster.client().clone(), &place.namespace);
    let live = api.get_opt(&place.name).await.context("failed to read the order")?;
    let live = live.filter(|live| resources::order_id(live).as_deref() == Some(order.id.as_str()));
    let status = live.and_then(|live| live.status);
    let told = orders::audit::told_again(&sources.ledgers.orders, &order.id, status.as_ref(), missing)
        .await
        .context("failed to read what is known of the order")?;
    for event in &told {
        chassis::publish_event_again(&sources.jetstream, event).await?;
    }
    anyhow::ensure!(
        told.len() == missing.len(),
        "{} of {} transitions are known to no one any more",
        missing.len() - told.len(),
        missing.len()
    );
    Ok(format!("told {}", told.len()))
}

/// Best effort: the repair itself is written down in the database.
async fn tell(sources: &Sources, place: &Place, finding: &Finding, note: &str) {
    let client = sources.cluster.client();
    let api: Api<Order> = Api::namespaced(client.clone(), &place.namespace);
    let Ok(Some(order)) = api.get_opt(&place.name).await else { return };
    let reporter = Reporter { controller: "supercargo-audit".to_owned(), instance: None };
    let event = Event {
        type_: EventType::Normal,
        reason: "Repaired".to_owned(),
        note: Some(format!("{}: {note}", finding.rule.name()).chars().take(1024).collect()),
        action: "Audit".to_owned(),
        secondary: None,
    };
    if let Err(error) = Recorder::new(client.clone(), reporter).publish(&event, &order.object_ref(&())).await
    {
        tracing::warn!("failed to tell of a repair by an Event: {error}");
    }
}
