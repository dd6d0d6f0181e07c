//! The letters: what the templates may say, and their files.

use events::Contact;

use crate::compose::Template;
use crate::settings::Shop;
use crate::text::{one_line, tidy};

/// Everything that a template may say. Texts of others are one line each; HTML templates escape them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    /// What the shop calls itself.
    pub shop: String,
    /// Whom to greet.
    pub name: Option<String>,
    /// The order's name.
    pub order: String,
    /// What was ordered.
    pub lines: Vec<LetterLine>,
    /// What it costs.
    pub total: Option<String>,
    /// Why it is where it is.
    pub explanation: Option<String>,
    /// Until when to pay.
    pub pay_before: Option<String>,
    /// Where to confirm the payment.
    pub action_url: Option<String>,
    /// How much was taken.
    pub received: Option<String>,
    /// The bank has promised the money; it is taken when the parcel leaves.
    pub promised: bool,
    /// How to follow the parcel.
    pub tracking: Option<Tracking>,
    /// When it is expected.
    pub estimated_delivery: Option<String>,
    /// It could not be stopped any more.
    pub cancel_refused: bool,
    /// What becomes of the money at an end without goods.
    pub money: String,
}

/// A line of the quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LetterLine {
    pub sku: String,
    pub quantity: u32,
    pub unit_price: String,
    pub total: String,
}

/// How to follow a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tracking {
    pub number: Option<String>,
    pub url: Option<String>,
}

impl Letter {
    /// A letter that says nothing yet.
    pub(crate) fn to(contact: &Contact, order: &str, shop: &Shop) -> Self {
        let name = one_line(&contact.name, 200);
        Self {
            shop: one_line(&shop.name, 100),
            name: (!name.is_empty()).then_some(name),
            order: one_line(order, 253),
            ..Self::default()
        }
    }

    /// As text and as HTML.
    pub(crate) fn write(&self, template: Template) -> Result<(String, String), askama::Error> {
        match template {
            Template::Placed => placed::write(self),
            Template::PaymentNeeded => payment_needed::write(self),
            Template::Paid => paid::write(self),
            Template::Shipped => shipped::write(self),
            Template::Completed => completed::write(self),
            Template::Failed => failed::write(self),
            Template::Cancelled => cancelled::write(self),
            Template::Problem => problem::write(self),
        }
    }
}

macro_rules! letters {
    ($($name:ident: $text:literal, $html:literal;)+) => {$(
        mod $name {
            use askama::Template;

            use super::{Letter, tidy};

            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                letter: &'a Letter,
            }

            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                letter: &'a Letter,
            }

            pub(super) fn write(letter: &Letter) -> Result<(String, String), askama::Error> {
                Ok((tidy(&Text { letter }.render()?), Html { letter }.render()?))
            }
        }
    )+};
}

letters! {
    placed: "placed.txt", "placed.html";
    payment_needed: "payment_needed.txt", "payment_needed.html";
    paid: "paid.txt", "paid.html";
    shipped: "shipped.txt", "shipped.html";
    completed: "completed.txt", "completed.html";
    failed: "failed.txt", "failed.html";
    cancelled: "cancelled.txt", "cancelled.html";
    problem: "problem.txt", "problem.html";
}
