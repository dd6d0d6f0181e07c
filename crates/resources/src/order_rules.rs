//! What may change on an order, and when: root rules, since what is allowed depends on the status.

use kube::core::Rule;

/// Before the order is quoted, or while it is Placed and suspended.
const STILL_OPEN: &str = "(!has(oldSelf.status) || !has(oldSelf.status.phase) || \
     (oldSelf.status.phase == 'Placed' && oldSelf.spec.suspend))";

/// `old` and `new` of an optional field of the spec are the same.
fn unchanged(field: &str) -> String {
    format!(
        "(has(self.spec.{field}) == has(oldSelf.spec.{field}) && \
         (!has(self.spec.{field}) || self.spec.{field} == oldSelf.spec.{field}))"
    )
}

fn phase_is_one_of(phases: &str) -> String {
    format!("(!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase in [{phases}])")
}

pub(crate) fn name_fits_a_label() -> Rule {
    Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: the order's children carry it as a label, choose a shorter one",
    )
}

pub(crate) fn items_are_fixed() -> Rule {
    Rule::new(format!("{STILL_OPEN} || self.spec.items == oldSelf.spec.items")).message(
        "spec.items cannot change once the order is placed, unless it is Placed and suspended: cancel this order \
         (set spec.cancel.reason) and place another",
    )
    .field_path(".spec.items")
}

pub(crate) fn customer_is_fixed() -> Rule {
    Rule::new(format!("{STILL_OPEN} || self.spec.customer == oldSelf.spec.customer")).message(
        "spec.customer cannot change once the order is placed, unless it is Placed and suspended: cancel this order \
         (set spec.cancel.reason) and place another",
    )
    .field_path(".spec.customer")
}

pub(crate) fn pricing_is_fixed() -> Rule {
    Rule::new(format!("{STILL_OPEN} || ({} && {})", unchanged("coupon"), unchanged("expectedTotal"))).message(
        "spec.coupon and spec.expectedTotal cannot change once the order is placed, unless it is Placed and \
         suspended: cancel this order (set spec.cancel.reason) and place another",
    )
    .field_path(".spec.expectedTotal")
}

pub(crate) fn shipping_is_fixed() -> Rule {
    Rule::new(format!(
        "{} || (self.spec.shippingAddress == oldSelf.spec.shippingAddress && \
         self.spec.shippingService == oldSelf.spec.shippingService)",
        phase_is_one_of("'Placed', 'Reserved', 'AwaitingPayment'")
    ))
    .message(
        "spec.shippingAddress and spec.shippingService cannot change once the order is paid: ask the carrier, or \
         cancel (set spec.cancel.reason) and place another",
    )
    .field_path(".spec.shippingAddress")
}

pub(crate) fn payment_is_fixed() -> Rule {
    Rule::new(format!("{} || {}", phase_is_one_of("'Placed', 'AwaitingPayment'"), unchanged("payment")))
        .message(
            "spec.payment cannot change while a payment is under way or made: wait until the order is in \
         AwaitingPayment, then set another method or raise spec.payment.retry",
        )
        .field_path(".spec.payment")
}

pub(crate) fn cancel_stays() -> Rule {
    Rule::new("!has(oldSelf.spec.cancel) || has(self.spec.cancel)")
        .message("spec.cancel cannot be taken back: place a new order instead")
        .field_path(".spec.cancel")
}

pub(crate) fn sequence_never_falls() -> Rule {
    Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.sequence) || \
         (has(self.status) && has(self.status.sequence) && self.status.sequence >= oldSelf.status.sequence)",
    )
    .message(
        "status.sequence cannot fall: this status was decided on an older state of the order, read it again",
    )
    .field_path(".status.sequence")
}

/// A worker's report never replaces a newer one.
pub(crate) fn revision_never_falls() -> Rule {
    Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.revision) || \
         (has(self.status) && has(self.status.revision) && self.status.revision >= oldSelf.status.revision)",
    )
    .message("status.revision cannot fall: a newer report is already here, drop this one")
    .field_path(".status.revision")
}

/// A child belongs to one order for ever.
pub(crate) fn order_reference_is_fixed() -> Rule {
    Rule::new("self.spec.orderRef == oldSelf.spec.orderRef")
        .message("spec.orderRef cannot change: a child belongs to one order for ever")
        .field_path(".spec.orderRef")
}

/// Attempts only count up, and an undone attempt is not revived: going on takes a new attempt.
pub(crate) fn attempts_only_rise(undone: &str) -> Rule {
    Rule::new(format!(
        "self.spec.attempt > oldSelf.spec.attempt || (self.spec.attempt == oldSelf.spec.attempt && \
         (!(oldSelf.spec.desired in [{undone}]) || self.spec.desired in [{undone}]))"
    ))
    .message(
        "spec.attempt cannot fall, and an undone attempt cannot be revived: raise spec.attempt for a new one",
    )
    .field_path(".spec.attempt")
}
