//! Telling transitions again: `orders` asks when it misses some, or when the stream of events was lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use events::questions::{Question, Reply, TellAgain, TellAgainAnswer};
use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use resources::Order;

use crate::order::Controller;

/// Answers while this replica leads; dropped when it does no more. Every scope answers for its own orders.
pub(crate) async fn answer(
    orders: &Store<Order>,
    controller: &Arc<Controller>,
    wake: &UnboundedSender<ObjectRef<Order>>,
    leader: &str,
) {
    let nats = &controller.world.nats;
    let mut questions = match nats.subscribe(TellAgain::SUBJECT).await {
        Ok(questions) => questions,
        Err(error) => {
            tracing::error!("failed to subscribe to {}: {error}", TellAgain::SUBJECT);
            return std::future::pending().await;
        }
    };
    while let Some(message) = questions.next().await {
        let reply = match serde_json::from_slice::<TellAgain>(&message.payload) {
            Ok(question) => {
                let found = tell_again(&question, orders, controller, wake);
                let left = controller.memory.telling_again();
                Reply::Answer(TellAgainAnswer { found, left, leader: leader.to_owned() })
            }
            Err(error) => Reply::Invalid(format!("the question cannot be read: {error}")),
        };
        if let (Some(to), Ok(payload)) = (message.reply, serde_json::to_vec(&reply))
            && let Err(error) = nats.publish(to, payload.into()).await
        {
            tracing::warn!("failed to reply; the asker will ask again: {error}");
        }
    }
    std::future::pending().await
}

fn tell_again(
    question: &TellAgain,
    orders: &Store<Order>,
    controller: &Controller,
    wake: &UnboundedSender<ObjectRef<Order>>,
) -> u64 {
    let wanted: Option<BTreeSet<&str>> =
        question.orders.as_ref().map(|ids| ids.iter().map(String::as_str).collect());
    let mut found = 0;
    for order in orders.state() {
        let (Some(uid), Some(id)) = (order.uid(), resources::order_id(&order)) else { continue };
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(id.as_str())) {
            continue;
        }
        found += 1;
        controller.memory.change(&uid, |memory| {
            memory.tells_again = true;
            memory.announced = 0;
        });
        // Nobody listens once the controllers stop.
        let _ = wake.unbounded_send(ObjectRef::from_obj(&*order));
    }
    if found > 0 {
        tracing::info!(found, "telling the transitions of orders again");
    }
    found
}
