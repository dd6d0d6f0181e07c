//! What a customer is told of an event. Pure: the same event makes the same mail.

use events::{Contact, Event, EventError, EventType, OrderTransition, PaymentDetails, ShipmentChanged};
use lettre::Address;
use resources::PaymentPhase;

use crate::letter::{Letter, LetterLine, Tracking};
use crate::settings::Shop;
use crate::text::{one_line, safe_link};
use crate::words;

/// Why an order comes into a phase of which its customer was told before: a person has repaired it.
const BACK_AGAIN: [&str; 2] = ["RetryRequested", "Resumed"];

/// The reason with which an order that is `Shipped` tells of a problem; shipping tells of it in more detail.
const SHIPMENT_PROBLEM: &str = "ShipmentProblem";
/// The reason with which an order returns to `Shipped` because it could not be stopped any more.
const CANCEL_REFUSED: &str = "CancelRefused";

/// Which letter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// The order is taken.
    Placed,
    /// The customer has to do something about the payment.
    PaymentNeeded,
    /// It is paid.
    Paid,
    /// It is on its way.
    Shipped,
    /// It is done.
    Completed,
    /// It ended by a failure.
    Failed,
    /// It ended by wish.
    Cancelled,
    /// The parcel meets a problem.
    Problem,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Placed,
        Self::PaymentNeeded,
        Self::Paid,
        Self::Shipped,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Problem,
    ];

    /// The event that is told by it.
    #[must_use]
    pub const fn event_type(self) -> EventType {
        match self {
            Self::Placed => EventType::OrderPlaced,
            Self::PaymentNeeded => EventType::OrderPaymentNeeded,
            Self::Paid => EventType::OrderPaid,
            Self::Shipped => EventType::OrderShipped,
            Self::Completed => EventType::OrderCompleted,
            Self::Failed => EventType::OrderFailed,
            Self::Cancelled => EventType::OrderCancelled,
            Self::Problem => EventType::ShipmentException,
        }
    }

    /// Its name, as of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::PaymentNeeded => "payment_needed",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Problem => "problem",
        }
    }

    /// The letter that tells `event_type`, if any does.
    #[must_use]
    pub fn of(event_type: EventType) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.event_type() == event_type)
    }

    fn subject(self, order: &str) -> String {
        match self {
            Self::Placed => format!("Your order {order} is placed"),
            Self::PaymentNeeded => format!("Payment needed for your order {order}"),
            Self::Paid => format!("Your order {order} is paid"),
            Self::Shipped => format!("Your order {order} has shipped"),
            Self::Completed => format!("Your order {order} is completed"),
            Self::Failed => format!("Your order {order} has failed"),
            Self::Cancelled => format!("Your order {order} is cancelled"),
            Self::Problem => format!("A problem with the delivery of your order {order}"),
        }
    }
}

/// The subjects of the events that are told.
#[must_use]
pub fn subjects() -> Vec<String> {
    Template::ALL.into_iter().map(|template| template.event_type().subject().to_owned()).collect()
}

/// A mail, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Which letter it is.
    pub template: Template,
    /// The order id.
    pub order_id: String,
    /// The order's namespace and name: `shop/web-1001`.
    pub order_name: String,
    /// To whom.
    pub recipient: Address,
    /// Its subject.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

/// Why an event that is to be told cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Its data cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Nobody knows yet whom to tell.
    #[error("the customer of the order {0} is not known yet: none of its own events has arrived")]
    NobodyKnown(String),
    /// There is no such address.
    #[error("the customer of the order {order_id} has the email address {email:?}, which is none: {fault}")]
    NoAddress {
        /// The order id.
        order_id: String,
        /// The address.
        email: String,
        /// What is wrong with it.
        fault: lettre::address::AddressError,
    },
    /// A template failed, which would be a defect of it.
    #[error("failed to write the letter {template}")]
    Template {
        /// Its name.
        template: &'static str,
        /// What failed.
        source: askama::Error,
    },
}

/// The mail that tells `event`; `None` when its customer is not told of it.
///
/// Events of parcels do not say whom they are for: `known` is the contact that the order's own events told.
///
/// # Errors
/// When it should be told and cannot be.
pub fn compose(event: &Event, known: Option<&Contact>, shop: &Shop) -> Result<Option<Mail>, ComposeError> {
    let Some(template) = Template::of(event.event_type) else { return Ok(None) };
    let (about, letter) = if template == Template::Problem {
        let changed: ShipmentChanged = event.data()?;
        let contact = known.cloned().ok_or_else(|| ComposeError::NobodyKnown(changed.order_id.clone()))?;
        let letter = problem_letter(&changed, &contact, shop);
        (
            About { order_id: changed.order_id, namespace: changed.namespace, name: changed.name, contact },
            letter,
        )
    } else {
        let transition: OrderTransition = event.data()?;
        if template == Template::Shipped && transition.reason.as_deref() == Some(SHIPMENT_PROBLEM) {
            return Ok(None);
        }
        if transition.reason.as_deref().is_some_and(|reason| BACK_AGAIN.contains(&reason)) {
            return Ok(None);
        }
        let letter = order_letter(&transition, shop);
        let OrderTransition { order_id, namespace, name, customer, .. } = transition;
        (About { order_id, namespace, name, contact: customer }, letter)
    };
    let About { order_id, namespace, name, contact } = about;
    let recipient = contact.email.parse().map_err(|fault| ComposeError::NoAddress {
        order_id: order_id.clone(),
        email: contact.email.clone(),
        fault,
    })?;
    let (text, html) = letter
        .write(template)
        .map_err(|source| ComposeError::Template { template: template.name(), source })?;
    let subject = template.subject(&letter.order);
    Ok(Some(Mail {
        template,
        order_id,
        order_name: format!("{namespace}/{name}"),
        recipient,
        subject,
        text,
        html,
    }))
}

struct About {
    order_id: String,
    namespace: String,
    name: String,
    contact: Contact,
}

fn order_letter(transition: &OrderTransition, shop: &Shop) -> Letter {
    let payment = transition.payment.as_ref();
    let provider = payment.and_then(|payment| payment.message.as_deref());
    let reason = transition.reason.as_deref();
    // The provider says better than we do why it declined.
    let detail = match reason {
        Some("PaymentDeclined") => provider.or(transition.message.as_deref()),
        _ => transition.message.as_deref(),
    };
    let default = || words::default_explanation(transition.phase).map(str::to_owned);
    Letter {
        lines: transition
            .lines
            .iter()
            .map(|line| LetterLine {
                sku: one_line(&line.sku, 63),
                quantity: line.quantity,
                unit_price: line.unit_price.to_string(),
                total: line.total.to_string(),
            })
            .collect(),
        total: transition.total.map(|total| total.to_string()),
        explanation: words::explanation(reason, detail).or_else(default),
        pay_before: payment.and_then(|payment| payment.pay_before).map(words::moment),
        action_url: payment.and_then(|payment| payment.action_url.as_deref()).and_then(safe_link),
        received: payment.and_then(received),
        promised: payment.is_some_and(|payment| payment.phase == Some(PaymentPhase::Authorized)),
        tracking: tracking(transition.tracking_number.as_deref(), transition.tracking_url.as_deref()),
        estimated_delivery: transition.estimated_delivery.map(words::day),
        cancel_refused: reason == Some(CANCEL_REFUSED),
        money: words::money_at_the_end(payment),
        ..Letter::to(&transition.customer, &transition.name, shop)
    }
}

fn problem_letter(changed: &ShipmentChanged, contact: &Contact, shop: &Shop) -> Letter {
    Letter {
        explanation: words::explanation(Some(SHIPMENT_PROBLEM), changed.message.as_deref()),
        tracking: tracking(changed.tracking_number.as_deref(), changed.tracking_url.as_deref()),
        estimated_delivery: changed.estimated_delivery.map(words::day),
        ..Letter::to(contact, &changed.name, shop)
    }
}

fn received(payment: &PaymentDetails) -> Option<String> {
    payment.captured.filter(|captured| !captured.is_zero()).map(|captured| captured.to_string())
}

fn tracking(number: Option<&str>, url: Option<&str>) -> Option<Tracking> {
    let url = url.and_then(safe_link);
    let number = number.map(|number| one_line(number, 200)).filter(|number| !number.is_empty());
    (number.is_some() || url.is_some()).then_some(Tracking { number, url })
}

#[cfg(test)]
mod tests;
