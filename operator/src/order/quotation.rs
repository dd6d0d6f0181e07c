//! What must be known before an order is placed: asked of three services at the same time.

use events::questions::{CheckCustomerAnswer, QuoteAnswer, RecallNameAnswer};

/// The three answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quotation {
    /// From catalog: what it costs.
    pub quote: QuoteAnswer,
    /// From accounts: whether the customer may order.
    pub customer: CheckCustomerAnswer,
    /// From orders: whether the name's goods went out before.
    pub recalled: RecallNameAnswer,
}
