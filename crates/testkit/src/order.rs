//! Orders, made step by step.

use resources::{Address, Cancel, Customer, Item, Order, OrderSpec, PaymentChoice, ShippingService};

/// An order of a guest in Berlin who pays by `pm_card_visa`; add items.
#[must_use]
pub fn order() -> OrderBuilder {
    OrderBuilder {
        name: None,
        spec: OrderSpec {
            customer: Customer { id: None, email: format!("{}@example.com", crate::unique("shopper")) },
            items: Vec::new(),
            shipping_address: Address {
                name: "A. Shopper".into(),
                line1: "1 High Street".into(),
                line2: None,
                city: "Berlin".into(),
                region: None,
                postal_code: Some("10115".into()),
                country: "DE".into(),
                phone: None,
            },
            shipping_service: ShippingService::Standard,
            payment: Some(PaymentChoice { method: Some("pm_card_visa".into()), retry: 0 }),
            coupon: None,
            expected_total: None,
            suspend: false,
            cancel: None,
            ttl_seconds_after_finished: None,
        },
    }
}

/// An order on its way to be placed.
#[derive(Clone, Debug)]
pub struct OrderBuilder {
    name: Option<String>,
    spec: OrderSpec,
}

impl OrderBuilder {
    /// Under this name instead of a unique one.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// So many of an article.
    #[must_use]
    pub fn item(mut self, sku: &str, quantity: u32) -> Self {
        self.spec.items.push(Item { sku: sku.to_owned(), quantity });
        self
    }

    /// Paid like this.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.spec.payment = Some(PaymentChoice { method: Some(method.to_owned()), retry: 0 });
        self
    }

    /// Without a word of how it is paid.
    #[must_use]
    pub fn without_method(mut self) -> Self {
        self.spec.payment = None;
        self
    }

    /// Of a user of `accounts` instead of a guest.
    #[must_use]
    pub fn customer(mut self, id: &str, email: &str) -> Self {
        self.spec.customer = Customer { id: Some(id.to_owned()), email: email.to_owned() };
        self
    }

    /// To a street that the carrier of the sandbox knows: `LOST`, `RETURN`, `EXCEPTION`, `UNDELIVERABLE`.
    #[must_use]
    pub fn to_street(mut self, line1: &str) -> Self {
        self.spec.shipping_address.line1 = line1.to_owned();
        self
    }

    /// To this address.
    #[must_use]
    pub fn to(mut self, address: Address) -> Self {
        self.spec.shipping_address = address;
        self
    }

    /// The quick way.
    #[must_use]
    pub fn express(mut self) -> Self {
        self.spec.shipping_service = ShippingService::Express;
        self
    }

    /// With a coupon.
    #[must_use]
    pub fn coupon(mut self, code: &str) -> Self {
        self.spec.coupon = Some(code.to_owned());
        self
    }

    /// The total that the shopper saw.
    #[must_use]
    pub fn expecting(mut self, total: money::Money) -> Self {
        self.spec.expected_total = Some(total);
        self
    }

    /// Suspended from the start.
    #[must_use]
    pub fn suspended(mut self) -> Self {
        self.spec.suspend = true;
        self
    }

    /// Cancelled from the start.
    #[must_use]
    pub fn cancelled(mut self, reason: &str) -> Self {
        self.spec.cancel = Some(Cancel { reason: reason.to_owned() });
        self
    }

    /// Archived and deleted so many seconds after its end.
    #[must_use]
    pub fn gone_after(mut self, seconds: i64) -> Self {
        self.spec.ttl_seconds_after_finished = Some(seconds);
        self
    }

    /// The resource.
    #[must_use]
    pub fn build(self) -> Order {
        let name = self.name.unwrap_or_else(|| crate::unique("order"));
        Order::new(&name, self.spec)
    }
}
