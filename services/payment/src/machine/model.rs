//! An order's money as this service knows it.

use money::Money;
use resources::PaymentDesired;

use super::{Attempt, PartialRefund, Summary};

/// Everything that is known of one order's money.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// The order id.
    pub order_id: String,
    /// The namespace of the order.
    pub namespace: String,
    /// The name of the order.
    pub name: String,
    /// The resource that is answered to; none when the wish came without one.
    pub child: Option<Child>,
    /// What is wanted.
    pub wish: Wish,
    /// Nothing at this attempt or an earlier one may ever take money again.
    pub undone_attempt: Option<u32>,
    /// The attempts, by number.
    pub attempts: Vec<Attempt>,
    /// Parts of the money that staff give back, by number.
    pub partials: Vec<PartialRefund>,
    /// What was last shown of it.
    pub shown: Summary,
    /// The number of that.
    pub revision: i64,
    /// The last number that was reported to the resource.
    pub told_revision: i64,
}

/// The `Payment` resource that is answered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its UID.
    pub uid: String,
    /// The newest generation that was taken in.
    pub generation: i64,
}

/// What is wanted of an order's money.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What is to come true.
    pub desired: PaymentDesired,
    /// Of which attempt.
    pub attempt: u32,
    /// How much the order costs.
    pub amount: Money,
    /// The provider's token of the method.
    pub method: Option<String>,
}

impl Wish {
    /// True when no money is to be kept.
    #[must_use]
    pub const fn is_undo(&self) -> bool {
        match self.desired {
            PaymentDesired::Cancelled | PaymentDesired::Refunded => true,
            PaymentDesired::Captured | PaymentDesired::Authorized => false,
        }
    }
}

impl Payment {
    /// The attempt of that number.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// The attempt of that number, to be changed.
    pub fn attempt_mut(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.number == number)
    }

    /// How much was taken, over all attempts.
    #[must_use]
    pub fn captured(&self) -> Money {
        self.sum(|attempt| attempt.captured)
    }

    /// How much of it was given back.
    #[must_use]
    pub fn refunded(&self) -> Money {
        self.sum(|attempt| attempt.refunded)
    }

    fn sum(&self, of: fn(&Attempt) -> i64) -> Money {
        let currency = self.wish.amount.currency();
        // A stray may be of another currency: it adds up in the ledger alone.
        let same = self.attempts.iter().filter(|attempt| attempt.amount.currency() == currency);
        Money::from_minor_units(same.map(of).fold(0, i64::saturating_add), currency)
    }

    /// True when every attempt is void for certain or refunded, and no stray is known to hold money.
    #[must_use]
    pub fn keeps_nothing(&self) -> bool {
        self.attempts
            .iter()
            .all(|attempt| if attempt.is_stray() { !attempt.holds_money() } else { attempt.is_undone() })
    }
}
