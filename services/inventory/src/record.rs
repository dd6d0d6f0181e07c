//! What the ledger keeps of an order, and what is reported of it, pure.

use resources::{ReservationDesired, Shortage, StockReservationStatus};

use crate::reservation::{Child, State};

/// How many short articles a message names before it only counts them.
const NAMED: usize = 5;

/// What is kept of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The child that was heard last.
    pub child: Option<Child>,
    /// What was wished last.
    pub desired: Option<ReservationDesired>,
    /// The number of the report.
    pub revision: i64,
    /// What has come true.
    pub state: State,
}

/// What a decided wish leaves of the requester: recorded together with the new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The child, when one asked.
    pub child: Option<Child>,
    /// What was wished; absent when time passed and nobody wished.
    pub desired: Option<ReservationDesired>,
}

impl Reservation {
    /// An order that nothing was heard of before.
    #[must_use]
    pub const fn unknown(order_id: String, namespace: String, name: String) -> Self {
        Self { order_id, namespace, name, child: None, desired: None, revision: 0, state: State::Unknown }
    }

    /// The reservation after a decision. The revision rises whenever another status is reported or another event told.
    #[must_use]
    pub fn after(&self, heard: Heard, next: State) -> Self {
        let Heard { child, desired } = heard;
        let mut after = Self {
            order_id: self.order_id.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            child: child.or_else(|| self.child.clone()),
            desired: desired.or(self.desired),
            revision: self.revision,
            state: next,
        };
        if after.status() != self.status() || !after.state.tells_the_same_as(&self.state) {
            after.revision += 1;
        }
        after
    }

    /// The whole status, as in the resource.
    #[must_use]
    pub fn status(&self) -> StockReservationStatus {
        let (reason, message) = self.words();
        StockReservationStatus {
            phase: Some(self.state.phase()),
            revision: self.revision,
            observed_generation: self.child.as_ref().map(|child| child.generation),
            shortages: self.state.shortages().to_vec(),
            reason: reason.map(str::to_owned),
            message: Some(message),
        }
    }

    /// The word for machines and the sentence for people.
    fn words(&self) -> (Option<&'static str>, String) {
        match &self.state {
            State::Unknown => (None, "Nothing was asked for yet.".into()),
            State::Held { goods: _, expires_at: None } => (None, "All articles are set aside.".into()),
            State::Held { goods: _, expires_at: Some(expiry) } => {
                (None, format!("All articles are set aside until {}.", expiry.strftime("%Y-%m-%d %H:%M UTC")))
            }
            State::Insufficient { goods: _, shortages } => match self.desired {
                Some(ReservationDesired::Committed) => (
                    Some("BookedOutShort"),
                    format!(
                        "The goods were sent, but the stock is too low to book them out: {} Count these articles.",
                        shortage_sentences(shortages)
                    ),
                ),
                Some(ReservationDesired::Held | ReservationDesired::Released) | None => {
                    (Some("OutOfStock"), shortage_sentences(shortages))
                }
            },
            State::Committed { .. } => (None, "The articles have left the warehouse.".into()),
            State::Released { .. } => (None, "No articles are set aside any more.".into()),
            State::Expired { .. } => (
                Some("HoldExpired"),
                "The articles were set aside until the time to pay was over; they are free for others now."
                    .into(),
            ),
        }
    }
}

/// What is short, in sentences that can be read out to a customer.
fn shortage_sentences(shortages: &[Shortage]) -> String {
    let mut sentences: Vec<String> = shortages.iter().take(NAMED).map(shortage_sentence).collect();
    match shortages.len().saturating_sub(NAMED) {
        0 => {}
        1 => sentences.push("1 more article is short.".into()),
        more => sentences.push(format!("{more} more articles are short.")),
    }
    sentences.join(" ")
}

fn shortage_sentence(shortage: &Shortage) -> String {
    let Shortage { sku, requested, available } = shortage;
    match available {
        ..=0 => format!("{sku} is out of stock ({requested} ordered)."),
        1 => format!("Only 1 piece of {sku} is left ({requested} ordered)."),
        pieces => format!("Only {pieces} pieces of {sku} are left ({requested} ordered)."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Goods;

    fn unknown() -> Reservation {
        Reservation::unknown("order-1".into(), "shop".into(), "web-1".into())
    }

    fn heard(generation: i64) -> Heard {
        Heard { child: Some(Child { uid: "u".into(), generation }), desired: Some(ReservationDesired::Held) }
    }

    fn held() -> State {
        State::Held { goods: Goods::sum([("MUG", 1)]).unwrap(), expires_at: None }
    }

    fn short(sku: &str, requested: i64, available: i64) -> Shortage {
        Shortage { sku: sku.into(), requested, available }
    }

    fn insufficient(shortages: Vec<Shortage>) -> State {
        State::Insufficient { goods: Goods::default(), shortages }
    }

    #[test]
    fn the_revision_rises_with_every_other_status_and_only_then() {
        let first = unknown().after(heard(1), held());
        assert_eq!((first.revision, first.status().observed_generation), (1, Some(1)));
        assert_eq!(first.after(heard(1), held()), first);
        let second = first.after(heard(2), held());
        assert_eq!((second.revision, second.status().observed_generation), (2, Some(2)));
    }

    #[test]
    fn a_passing_of_time_keeps_what_was_heard() {
        let first = unknown().after(heard(7), held());
        let expired =
            first.after(Heard { child: None, desired: None }, State::Expired { goods: Goods::default() });
        assert_eq!((expired.child, expired.desired), (first.child, first.desired));
        assert_eq!(expired.revision, 2);
    }

    #[test]
    fn a_shortage_is_told_in_words_for_the_customer() {
        let shortages = vec![short("MUG", 2, 0), short("TEA", 3, 1), short("CUP", 9, 4)];
        let status = unknown().after(heard(1), insufficient(shortages.clone())).status();
        assert_eq!(status.reason.as_deref(), Some("OutOfStock"));
        assert_eq!(
            status.message.as_deref(),
            Some(
                "MUG is out of stock (2 ordered). Only 1 piece of TEA is left (3 ordered). \
                 Only 4 pieces of CUP are left (9 ordered)."
            )
        );
        assert_eq!(status.shortages, shortages);
    }

    #[test]
    fn the_longest_message_fits_the_resource() {
        let longest = short(&"X".repeat(63), i64::MAX, i64::MAX - 1);
        let mut wish = heard(1);
        wish.desired = Some(ReservationDesired::Committed);
        let status = unknown().after(wish, insufficient(vec![longest; 100])).status();
        let message = status.message.unwrap();
        assert!(
            message.contains("95 more articles are short.") && message.len() <= 1024,
            "{}",
            message.len()
        );
    }
}
