//! Money as decimal text outside and integer minor units inside, never a float.
//!
//! Outside (resources, messages, REST) an amount is `{amount: "31.80", currency: EUR}`. Inside it is a count of the
//! currency's minor unit (ISO 4217): cents for EUR, yen for JPY, fils for BHD. Every operation that could overflow
//! or mix currencies answers an error.

mod currency;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use currency::Currency;

/// The largest amount that is accepted, in minor units: twelve digits before the point of a three-decimal currency.
pub const GREATEST_MINOR_UNITS: i64 = 999_999_999_999_999;

/// An amount of one currency. Not negative when read from text; differences are taken by [`Money::checked_sub`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor_units: i64,
    currency: Currency,
}

/// Why a text is no amount, or a calculation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is not a plain decimal number.
    #[error("{0:?} is not an amount: write digits with at most one point, like \"31.80\"")]
    NotDecimal(String),
    /// The text has more decimals than the currency has.
    #[error("{amount:?} has too many decimals: {currency} has {decimals}")]
    TooPrecise {
        /// The text as given.
        amount: String,
        /// The currency it was given in.
        currency: Currency,
        /// The decimals that the currency has.
        decimals: u32,
    },
    /// The amount is beyond [`GREATEST_MINOR_UNITS`], or below zero.
    #[error("the amount is out of range: from 0 to 999999999999 is accepted")]
    OutOfRange,
    /// Not three capital letters.
    #[error("{0:?} is not a currency: use the three capital letters of ISO 4217, like \"EUR\"")]
    NotCurrency(String),
    /// Two amounts of different currencies met in one calculation.
    #[error("cannot combine {0} with {1}: amounts of one order share one currency")]
    CurrencyMismatch(Currency, Currency),
}

impl Money {
    /// An amount of `minor_units` (cents, yen, fils) of `currency`.
    #[must_use]
    pub const fn from_minor_units(minor_units: i64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::from_minor_units(0, currency)
    }

    /// Reads decimal text: `Money::parse("31.80", eur)`. Fewer decimals than the currency has are filled with zeros.
    ///
    /// # Errors
    /// When the text is no plain decimal, too precise for the currency, or out of range.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let not_decimal = || MoneyError::NotDecimal(amount.to_owned());
        let (whole, fraction) = match amount.split_once('.') {
            Some((_, "")) => return Err(not_decimal()),
            Some((whole, fraction)) => (whole, fraction),
            None => (amount, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(not_decimal());
        }
        let decimals = currency.decimals();
        let places = u32::try_from(fraction.len()).map_err(|_| MoneyError::OutOfRange)?;
        let Some(missing) = decimals.checked_sub(places) else {
            return Err(MoneyError::TooPrecise { amount: amount.to_owned(), currency, decimals });
        };
        let minor_units = format!("{whole}{fraction}")
            .parse::<i64>()
            .ok()
            .and_then(|digits| digits.checked_mul(10_i64.pow(missing)))
            .filter(|minor_units| *minor_units <= GREATEST_MINOR_UNITS)
            .ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor_units, currency })
    }

    /// The count of the currency's minor unit.
    #[must_use]
    pub const fn minor_units(&self) -> i64 {
        self.minor_units
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// True when there is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.minor_units == 0
    }

    /// The decimal text with all the currency's decimals: `31.80`.
    #[must_use]
    pub fn amount(&self) -> String {
        let decimals = self.currency.decimals();
        let scale = 10_u64.pow(decimals);
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let units = self.minor_units.unsigned_abs();
        match decimals {
            0 => format!("{sign}{units}"),
            _ => format!(
                "{sign}{}.{:0width$}",
                units / scale,
                units % scale,
                width = usize::try_from(decimals).unwrap_or(0)
            ),
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum is out of range.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference would be below zero.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// This amount, `quantity` times.
    ///
    /// # Errors
    /// When the product is out of range.
    pub fn checked_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        let product = self.minor_units.checked_mul(i64::from(quantity));
        Self::in_range(product, self.currency)
    }

    fn combine(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        Self::in_range(operation(self.minor_units, other.minor_units), self.currency)
    }

    fn in_range(minor_units: Option<i64>, currency: Currency) -> Result<Self, MoneyError> {
        minor_units
            .filter(|minor_units| (0..=GREATEST_MINOR_UNITS).contains(minor_units))
            .map(|minor_units| Self { minor_units, currency })
            .ok_or(MoneyError::OutOfRange)
    }
}

/// `31.80 EUR`
impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Reads `31.80 EUR`, the form that [`fmt::Display`] writes.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (amount, currency) =
            text.split_once(' ').ok_or_else(|| MoneyError::NotDecimal(text.to_owned()))?;
        Self::parse(amount, currency.parse()?)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    amount: Cow<'a, str>,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { amount: self.amount().into(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Self::parse(&wire.amount, wire.currency).map_err(de::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "An amount of money: decimal text and a currency.",
            "required": ["amount", "currency"],
            "properties": {
                "amount": {
                    "type": "string",
                    "description": "Decimal text, like \"31.80\": at most as many decimals as the currency has.",
                    "maxLength": 16,
                    "pattern": "^[0-9]{1,12}(\\.[0-9]{1,3})?$"
                },
                "currency": {
                    "type": "string",
                    "description": "The three capital letters of ISO 4217, like EUR.",
                    "maxLength": 3,
                    "pattern": "^[A-Z]{3}$"
                }
            },
            "x-kubernetes-validations": [{
                "rule": Currency::decimals_rule(),
                "message": "amount has more decimals than the currency: write for example 31.80 EUR, 3180 JPY or 3.180 KWD"
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn text_is_read_to_the_minor_unit_and_written_with_all_decimals() {
        for (text, minor_units, written) in [
            ("31.80 EUR", 3180, "31.80 EUR"),
            ("31.8 EUR", 3180, "31.80 EUR"),
            ("31 EUR", 3100, "31.00 EUR"),
            ("0.05 EUR", 5, "0.05 EUR"),
            ("3180 JPY", 3180, "3180 JPY"),
            ("1.005 KWD", 1005, "1.005 KWD"),
        ] {
            assert_eq!(money(text).minor_units(), minor_units, "{text}");
            assert_eq!(money(text).to_string(), written);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".5", "5.", "-1", "+1", "1e3", "1,00", "1.2.3", " 1", "1.005", "1000000000000000000"]
        {
            assert!(Money::parse(text, Currency::EUR).is_err(), "{text}");
        }
        assert!("12.5".parse::<Money>().is_err());
        assert!("12.5 eur".parse::<Money>().is_err());
        assert!("1.5 JPY".parse::<Money>().is_err());
    }

    #[test]
    fn calculations_keep_to_one_currency_and_to_the_range() {
        assert_eq!(money("1.50 EUR").checked_mul(3), Ok(money("4.50 EUR")));
        assert_eq!(money("1.50 EUR").checked_add(money("0.50 EUR")), Ok(money("2.00 EUR")));
        assert_eq!(money("1.50 EUR").checked_sub(money("2.00 EUR")), Err(MoneyError::OutOfRange));
        assert!(matches!(
            money("1.50 EUR").checked_add(money("1.50 USD")),
            Err(MoneyError::CurrencyMismatch(..))
        ));
        assert_eq!(money("999999999999 EUR").checked_mul(10_000), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn the_wire_form_is_an_object_of_two_texts() {
        let json = serde_json::to_value(money("31.80 EUR")).unwrap();
        assert_eq!(json, serde_json::json!({"amount": "31.80", "currency": "EUR"}));
        assert_eq!(serde_json::from_value::<Money>(json).unwrap(), money("31.80 EUR"));
        assert!(serde_json::from_str::<Money>(r#"{"amount": 31.8, "currency": "EUR"}"#).is_err());
    }
}
