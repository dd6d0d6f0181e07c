//! What is checked: each rule belongs to one of the five statements of the design's section 7.

use serde::{Serialize, Serializer};

/// A rule, by what is wrong where it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Counters and movements of the stock ledger differ.
    StockLedger,
    /// Goods are held for an order that nobody knows.
    HoldWithoutOrder,
    /// Counters and entries of the payment ledger differ.
    MoneyLedger,
    /// More than one charge of an order keeps money.
    DoubleCapture,
    /// The provider's books and ours differ.
    ProviderDiffers,
    /// The provider holds money of an order that was never charged for.
    ProviderStranger,
    /// Money is kept, or promised, for which nothing was delivered.
    MoneyKept,
    /// Goods were delivered, or are on their way, and are not paid for.
    Unpaid,
    /// More money is kept than the order costs.
    Overpaid,
    /// Goods are held for an order that has ended.
    HoldOfEnded,
    /// Goods of an order that ended without them were booked out.
    GoodsGone,
    /// Goods were delivered, or are on their way, and not booked out.
    NotBookedOut,
    /// A paid order holds no goods.
    PaidWithoutGoods,
    /// An order has ended as delivered and no parcel has left.
    NotSent,
    /// A parcel travels for an order that ended without goods.
    ParcelTravels,
    /// More than one label of an order is live.
    TwoParcels,
    /// An order is neither there nor archived.
    OrderLost,
    /// Transitions are missing in the history.
    HistoryGap,
    /// A phase was left out.
    PhaseSkipped,
    /// Two tellings of one transition differ.
    HistoryContradiction,
    /// The resource is behind the history.
    ResourceBehind,
    /// The status of a child is behind its ledger.
    StatusBehind,
    /// An unfinished order does not say what it waits for.
    NoReason,
    /// A phase takes longer than its deadline.
    Overdue,
    /// An event or a report was committed and not told.
    OutboxStale,
    /// Work is due and nobody does it.
    WorkOverdue,
    /// A message could not be handled.
    DeadLetter,
    /// A consumer of a stream is far behind.
    ConsumerBehind,
    /// The status of a child is ahead of its ledger.
    LedgerBehind,
    /// An event was told and has not arrived in the history.
    EventMissing,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::StockLedger,
        Self::HoldWithoutOrder,
        Self::MoneyLedger,
        Self::DoubleCapture,
        Self::ProviderDiffers,
        Self::ProviderStranger,
        Self::MoneyKept,
        Self::Unpaid,
        Self::Overpaid,
        Self::HoldOfEnded,
        Self::GoodsGone,
        Self::NotBookedOut,
        Self::PaidWithoutGoods,
        Self::NotSent,
        Self::ParcelTravels,
        Self::TwoParcels,
        Self::OrderLost,
        Self::HistoryGap,
        Self::PhaseSkipped,
        Self::HistoryContradiction,
        Self::ResourceBehind,
        Self::StatusBehind,
        Self::NoReason,
        Self::Overdue,
        Self::OutboxStale,
        Self::WorkOverdue,
        Self::DeadLetter,
        Self::ConsumerBehind,
        Self::LedgerBehind,
        Self::EventMissing,
    ];

    /// Which of the five statements it belongs to.
    pub const fn statement(self) -> u8 {
        match self {
            Self::StockLedger | Self::HoldWithoutOrder => 1,
            Self::MoneyLedger
            | Self::DoubleCapture
            | Self::ProviderDiffers
            | Self::ProviderStranger
            | Self::Overpaid => 2,
            Self::MoneyKept
            | Self::Unpaid
            | Self::HoldOfEnded
            | Self::GoodsGone
            | Self::NotBookedOut
            | Self::PaidWithoutGoods
            | Self::NotSent
            | Self::ParcelTravels
            | Self::TwoParcels => 3,
            Self::OrderLost
            | Self::HistoryGap
            | Self::PhaseSkipped
            | Self::HistoryContradiction
            | Self::ResourceBehind
            | Self::StatusBehind
            | Self::NoReason
            | Self::Overdue
            | Self::OutboxStale
            | Self::WorkOverdue
            | Self::DeadLetter
            | Self::ConsumerBehind => 4,
            Self::LedgerBehind | Self::EventMissing => 5,
        }
    }

    /// Its name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StockLedger => "stock-ledger",
            Self::HoldWithoutOrder => "hold-without-order",
            Self::MoneyLedger => "money-ledger",
            Self::DoubleCapture => "double-capture",
            Self::ProviderDiffers => "provider-differs",
            Self::ProviderStranger => "provider-stranger",
            Self::MoneyKept => "money-kept",
            Self::Unpaid => "unpaid",
            Self::Overpaid => "overpaid",
            Self::HoldOfEnded => "hold-of-ended",
            Self::GoodsGone => "goods-gone",
            Self::NotBookedOut => "not-booked-out",
            Self::PaidWithoutGoods => "paid-without-goods",
            Self::NotSent => "not-sent",
            Self::ParcelTravels => "parcel-travels",
            Self::TwoParcels => "two-parcels",
            Self::OrderLost => "order-lost",
            Self::HistoryGap => "history-gap",
            Self::PhaseSkipped => "phase-skipped",
            Self::HistoryContradiction => "history-contradiction",
            Self::ResourceBehind => "resource-behind",
            Self::StatusBehind => "status-behind",
            Self::NoReason => "no-reason",
            Self::Overdue => "overdue",
            Self::OutboxStale => "outbox-stale",
            Self::WorkOverdue => "work-overdue",
            Self::DeadLetter => "dead-letter",
            Self::ConsumerBehind => "consumer-behind",
            Self::LedgerBehind => "ledger-behind",
            Self::EventMissing => "event-missing",
        }
    }

    /// What to do about it, in a sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::StockLedger => {
                "Count the article (supercargo catalog import) once nothing moves it, and look for who wrote past the ledger."
            }
            Self::HoldWithoutOrder => "supercargo audit --repair releases the hold.",
            Self::MoneyLedger => {
                "Compare the order's ledger with the provider's dashboard, and correct the ledger by an entry."
            }
            Self::DoubleCapture => {
                "Give one charge back at the provider's dashboard; its webhook books it here."
            }
            Self::ProviderDiffers => {
                "Look the order id up at the provider's dashboard: what was done there by hand must be booked here, \
                 and what is only booked here was never done."
            }
            Self::ProviderStranger => {
                "Look the order id up at the provider's dashboard: void or refund the charge, or find out whose it is."
            }
            Self::MoneyKept => "Give the money back at the provider's dashboard; its webhook books it here.",
            Self::Unpaid => "Ask the customer to pay, or write the order off: it has its goods.",
            Self::Overpaid => {
                "Give the difference back at the provider's dashboard; its webhook books it here."
            }
            Self::HoldOfEnded => "supercargo audit --repair releases the hold.",
            Self::GoodsGone => "Find out where the goods are; when they are in the house, count the article.",
            Self::NotBookedOut => {
                "supercargo audit --repair books out what is still held; else count the article."
            }
            Self::PaidWithoutGoods => "Count the article and order it in, or cancel the order.",
            Self::NotSent => "Ask the carrier for the parcel; send the goods by hand if there is none.",
            Self::ParcelTravels => "Have the carrier void or call back the label.",
            Self::TwoParcels => "Have the carrier void the label that is not needed.",
            Self::OrderLost => {
                "Restore the order under its id (annotation supercargo.dev/order-id), so that it goes on or is undone."
            }
            Self::HistoryGap => "supercargo audit --repair tells the missing transitions again.",
            Self::PhaseSkipped => "Report it as a defect, with supercargo order history.",
            Self::HistoryContradiction => {
                "Report it as a defect, with supercargo order history: two leaders told it otherwise."
            }
            Self::ResourceBehind => "Look whether the operator runs and may write the order's status.",
            Self::StatusBehind => "supercargo audit --repair has it reported again.",
            Self::NoReason => "Look whether the operator runs; describe the order for its Events.",
            Self::Overdue => "Look into the service that it waits for: /ready, its log, its dead letters.",
            Self::OutboxStale => {
                "Look whether the service runs and reaches NATS and the API server; --repair has it tried at once."
            }
            Self::WorkOverdue => "Look whether the service runs, and what its last error says.",
            Self::DeadLetter => {
                "See why with supercargo dead-letters show, mend it, then redrive or drop the message."
            }
            Self::ConsumerBehind => "Look whether the service of that consumer runs and keeps up.",
            Self::LedgerBehind => {
                "The database has lost what it had acknowledged: restore it, and look at its durability settings."
            }
            Self::EventMissing => "supercargo audit --repair has the event told again.",
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_a_statement_and_an_advice() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!((1..=5).contains(&rule.statement()), "{rule:?}");
            assert!(rule.advice().ends_with('.'), "{rule:?}");
        }
    }

    #[test]
    fn the_guide_explains_every_rule() {
        let guide = include_str!("../../docs/audit.md");
        for rule in Rule::ALL {
            assert!(
                guide.contains(&format!("`{}`", rule.name())),
                "docs/audit.md does not tell of {}",
                rule.name()
            );
        }
    }
}
