//! Form-encoded parameters with Stripe's brackets.

use std::collections::BTreeMap;

use super::errors::ApiError;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a query or a body.
    pub fn parse(bytes: &[u8]) -> Form {
        Form(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// Refuses every parameter whose name is not among these.
    pub fn allow(&self, names: &[&str]) -> Result<(), ApiError> {
        let unknown =
            self.0.iter().find(|(name, _)| !names.contains(&name.split('[').next().unwrap_or(name)));
        match unknown {
            Some((name, _)) => {
                let message = format!("Received unknown parameter: {name}");
                Err(ApiError::parameter("parameter_unknown", name, message))
            }
            None => Ok(()),
        }
    }

    /// A text; an empty one counts as not given.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .rev()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    }

    /// A whole number that is not negative.
    pub fn amount(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if number >= 0 => Ok(Some(number)),
            Ok(_) => Err(ApiError::parameter(
                "parameter_invalid_integer",
                name,
                "This value must be greater than or equal to 0.",
            )),
            Err(_) => Err(ApiError::parameter(
                "parameter_invalid_integer",
                name,
                format!("Invalid integer: {text}"),
            )),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                let message = format!("Invalid boolean: {other}");
                Err(ApiError::parameter("parameter_invalid_boolean", name, message))
            }
        }
    }

    /// One of a few words.
    pub fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        match self.text(name) {
            Some(text) if !words.contains(&text.as_str()) => {
                let message = format!("Invalid {name}: must be one of {}", words.join(", "));
                Err(ApiError::parameter("parameter_invalid_enum", name, message))
            }
            text => Ok(text),
        }
    }

    /// Three letters, in small ones.
    pub fn currency(&self) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text("currency") else { return Ok(None) };
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Some(text.to_lowercase()));
        }
        let message = format!("Invalid currency: {text}. It must be a three-letter ISO code, e.g. eur.");
        Err(ApiError::parameter("parameter_invalid_currency", "currency", message))
    }

    /// `name[key]=value` pairs; empty values are kept, as they mean removal.
    pub fn pairs(&self, name: &str) -> BTreeMap<String, String> {
        let inner =
            |key: &str| Some(key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned());
        self.0.iter().filter_map(|(key, value)| Some((inner(key)?, value.clone()))).collect()
    }

    /// Metadata within Stripe's bounds.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let pairs = self.pairs("metadata");
        let fits = pairs.len() <= 50
            && pairs.iter().all(|(key, value)| key.chars().count() <= 40 && value.chars().count() <= 500);
        if fits {
            return Ok(pairs);
        }
        let message =
            "Metadata can have up to 50 keys of up to 40 characters, with values of up to 500 characters.";
        Err(ApiError::parameter("parameter_invalid_metadata", "metadata", message))
    }

    /// Those of the named texts that were given.
    pub fn texts(&self, names: &[&str]) -> BTreeMap<String, String> {
        names.iter().filter_map(|name| Some(((*name).to_owned(), self.text(name)?))).collect()
    }

    /// The parameters in one order, for a fingerprint.
    pub fn canonical(&self) -> Vec<&str> {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        pairs.into_iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_numbers_and_flags_are_read() {
        let form = Form::parse(
            b"amount=3180&metadata[order_id]=a%20b&metadata%5Battempt%5D=1&confirm=true&currency=EUR",
        );
        assert_eq!(form.amount("amount").unwrap(), Some(3180));
        assert_eq!(form.metadata().unwrap()["order_id"], "a b");
        assert_eq!(form.metadata().unwrap()["attempt"], "1");
        assert!(form.flag("confirm").unwrap());
        assert_eq!(form.currency().unwrap().as_deref(), Some("eur"));
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let form = Form::parse(b"amount=-1&confirm=yes&currency=euro&reason=x&other=1");
        assert_eq!(form.amount("amount").unwrap_err().code(), "parameter_invalid_integer");
        assert!(form.flag("confirm").is_err());
        assert!(form.currency().is_err());
        assert!(form.one_of("reason", &["duplicate"]).is_err());
        assert_eq!(
            form.allow(&["amount", "confirm", "currency", "reason"]).unwrap_err().code(),
            "parameter_unknown"
        );
        for number in ["1.5", "1e3", "99999999999999999999", " 1"] {
            assert!(Form::parse(format!("amount={number}").as_bytes()).amount("amount").is_err(), "{number}");
        }
    }

    #[test]
    fn the_order_of_parameters_does_not_change_the_request() {
        assert_eq!(Form::parse(b"a=1&b=2").canonical(), Form::parse(b"b=2&a=1").canonical());
    }
}
