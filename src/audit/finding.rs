//! What does not hold.

use serde::Serialize;

use super::rule::Rule;

/// Something that does not hold: which order, what is wrong and by how much, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderName>,
    /// What else it is about: an article, an event, a consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// How it is mended without a person; absent where one is needed.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// An order by id, and by name as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderName {
    /// The order id.
    pub id: String,
    /// Its namespace and name, where anybody knows them.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// Where an order is, or was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// How something is mended without a person. No remedy moves money.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Inventory is asked to release what it holds.
    Release,
    /// Inventory is asked to book out what it holds.
    BookOut,
    /// The service of that child is commanded once more what it was, and reports what is.
    ReportAgain(Child),
    /// The transitions of these numbers are told again.
    Retell(Vec<i64>),
    /// The event in that row of a service's outbox is told again.
    TellAgain {
        /// The service.
        service: &'static str,
        /// The row.
        row: i64,
    },
    /// The row of a service's outbox is tried at once.
    TellNow {
        /// The service.
        service: &'static str,
        /// The row.
        row: i64,
    },
}

/// A child of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    /// The goods.
    StockReservation,
    /// The money.
    Payment,
    /// The parcel.
    Shipment,
}

impl Child {
    /// Its kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::StockReservation => "StockReservation",
            Self::Payment => "Payment",
            Self::Shipment => "Shipment",
        }
    }

    /// The service that keeps its ledger.
    pub const fn service(self) -> &'static str {
        match self {
            Self::StockReservation => "inventory",
            Self::Payment => "payment",
            Self::Shipment => "shipping",
        }
    }
}

impl Finding {
    /// A finding about nothing in particular.
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            order: None,
            about: None,
            message: message.into(),
            found: None,
            expected: None,
            remedy: None,
        }
    }

    /// About this order.
    pub fn of(mut self, order: OrderName) -> Self {
        self.order = Some(order);
        self
    }

    /// About this.
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// With what is there and what should be.
    pub fn instead(mut self, found: impl ToString, expected: impl ToString) -> Self {
        self.found = Some(found.to_string());
        self.expected = Some(expected.to_string());
        self
    }

    /// With how it is mended.
    pub fn mended_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}
