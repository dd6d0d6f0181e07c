//! Events become messages, in one transaction with their inbox key.

use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Transaction};
use events::{Entity, Event, OrderTransition};

use crate::compose::{ComposeError, Template, compose};
use crate::settings::Shop;
use crate::store;

/// The durable consumer of events.
pub const NOTIFY_CONSUMER: &str = "notifications-events";

/// Writes a message for each event that the customer should hear of.
#[derive(Clone, Debug)]
pub struct Notify {
    shop: Shop,
}

impl Notify {
    /// Writes in the name of `shop`.
    #[must_use]
    pub const fn new(shop: Shop) -> Self {
        Self { shop }
    }

    async fn notify_in_tx(
        &self,
        message: &Message,
        transaction: &mut Transaction,
    ) -> Result<(), HandleError> {
        let event = message.event()?;
        let known = if event.event_type.entity() == Entity::Order {
            remember_in_tx(&event, transaction).await?;
            None
        } else {
            store::contact_in_tx(transaction, &event.attributes.subject).await?
        };
        if let Some(mail) = compose(&event, known.as_ref(), &self.shop).map_err(refusal)? {
            store::accept_in_tx(transaction, &event, &mail, chassis::clock::now()).await?;
        }
        Ok(())
    }
}

/// Events of parcels do not say whom they are for: their order's events do.
async fn remember_in_tx(event: &Event, transaction: &mut Transaction) -> Result<(), HandleError> {
    let OrderTransition { order_id, sequence, customer, .. } =
        event.data().map_err(|error| refusal(ComposeError::Event(error)))?;
    store::remember_contact_in_tx(transaction, &order_id, sequence, &customer).await?;
    Ok(())
}

/// Only whom to tell can become known later; everything else stays as wrong as it is.
fn refusal(error: ComposeError) -> HandleError {
    match error {
        ComposeError::NobodyKnown(_) => HandleError::TooEarly(error.into()),
        ComposeError::Event(_) | ComposeError::NoAddress { .. } | ComposeError::Template { .. } => {
            HandleError::Malformed(format!("{:#}", anyhow::Error::from(error)))
        }
    }
}

#[async_trait]
impl Handler for Notify {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        self.notify_in_tx(message, transaction).await
    }

    /// A dead letter that is redriven comes here: its message is sent anew, any other is left alone.
    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        if message.event().is_ok_and(|event| Template::of(event.event_type).is_some()) {
            self.notify_in_tx(message, transaction).await?;
        }
        Ok(())
    }
}
