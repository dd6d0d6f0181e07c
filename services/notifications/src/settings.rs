//! Where mail goes out, and as whom.

use std::borrow::Cow;
use std::fmt;

use chassis::{SettingError, required};
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use url::Url;

const SMTP_EXAMPLE: &str = "smtp://user:password@mail.example.com:587";

/// What the service can be told by environment or flag.
#[derive(clap::Args, Clone)]
#[group(id = "notifications")]
pub struct Settings {
    /// Where mail is sent, for example smtp://user:password@mail.example.com:587, or smtps:// for TLS from the start; user
    /// and password are optional. smtp:// uses STARTTLS where the server offers it; ?tls=required insists, ?tls=none does not.
    #[arg(long, env = "SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Whom mails are from, for example "Mug Shop <shop@example.com>".
    #[arg(long, env = "MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// What the shop calls itself in its mails.
    #[arg(long, env = "SHOP_NAME", default_value = "Supercargo shop", value_name = "NAME")]
    pub shop_name: String,
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { smtp_url: _, mail_from, shop_name } = self;
        formatter
            .debug_struct("Settings")
            .field("mail_from", mail_from)
            .field("shop_name", shop_name)
            .finish_non_exhaustive()
    }
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    /// What the shop calls itself.
    pub name: String,
    /// Whom mails are from.
    pub from: Mailbox,
}

/// Where mail is sent, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
}

/// Without user and password.
impl fmt::Debug for SmtpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, credentials: _, tls } = self;
        formatter
            .debug_struct("SmtpUrl")
            .field("host", host)
            .field("port", port)
            .field("tls", tls)
            .finish_non_exhaustive()
    }
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the start.
    Wrapped,
    /// By STARTTLS, or not at all.
    Required,
    /// By STARTTLS where the server offers it.
    WhereOffered,
    /// Never.
    Never,
}

impl Settings {
    /// Who writes.
    ///
    /// # Errors
    /// When `MAIL_FROM` or `SHOP_NAME` is missing or wrong.
    pub fn shop(&self) -> Result<Shop, SettingError> {
        let example = "shop@example.com";
        let from = required("MAIL_FROM", self.mail_from.as_deref(), example)?;
        let from: Mailbox = from.parse().map_err(|error| SettingError {
            name: "MAIL_FROM".into(),
            fault: format!("is no email address ({from:?}: {error})"),
            example: example.into(),
        })?;
        let name = required("SHOP_NAME", Some(&self.shop_name), "Supercargo shop")?;
        if name.chars().any(char::is_control) || name.chars().count() > 100 {
            return Err(SettingError {
                name: "SHOP_NAME".into(),
                fault: "is no name: one line of at most 100 characters".into(),
                example: "Supercargo shop".into(),
            });
        }
        let from = Mailbox::new(from.name.or_else(|| Some(name.clone())), from.email);
        Ok(Shop { name, from })
    }

    /// Where mail is sent.
    ///
    /// # Errors
    /// When `SMTP_URL` is missing or wrong.
    pub fn smtp_url(&self) -> Result<SmtpUrl, SettingError> {
        let text = required("SMTP_URL", self.smtp_url.as_deref(), SMTP_EXAMPLE)?;
        // The value is not repeated: it may hold a password.
        parse_smtp_url(&text).map_err(|fault| SettingError {
            name: "SMTP_URL".into(),
            fault,
            example: SMTP_EXAMPLE.into(),
        })
    }
}

fn parse_smtp_url(text: &str) -> Result<SmtpUrl, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL ({error})"))?;
    let scheme = url.scheme();
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no mail server")?;
    let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let tls = match (scheme, tls.as_deref()) {
        ("smtps", None) => SmtpTls::Wrapped,
        ("smtp", None | Some("opportunistic")) => SmtpTls::WhereOffered,
        ("smtp", Some("required")) => SmtpTls::Required,
        ("smtp", Some("none")) => SmtpTls::Never,
        ("smtp" | "smtps", Some(other)) => {
            return Err(format!(
                "has tls={other:?}, which {scheme}:// does not know: smtp:// knows required and none"
            ));
        }
        _ => return Err(format!("begins with {scheme}:// instead of smtp:// or smtps://")),
    };
    let credentials = match (decoded(url.username())?, url.password()) {
        (user, None) if user.is_empty() => None,
        (_, None) => return Err("has a user but no password".to_owned()),
        (user, Some(password)) => Some((user, decoded(password)?)),
    };
    let port = url.port().unwrap_or(match (tls, &credentials) {
        (SmtpTls::Wrapped, _) => 465,
        (SmtpTls::Required | SmtpTls::WhereOffered | SmtpTls::Never, Some(_)) => 587,
        (SmtpTls::Required | SmtpTls::WhereOffered | SmtpTls::Never, None) => 25,
    });
    Ok(SmtpUrl { host: host.trim_matches(['[', ']']).to_owned(), port, credentials, tls })
}

/// Percent-decoded: a password may hold any character.
fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "has a user or password that is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(smtp_url: &str, mail_from: &str) -> Settings {
        Settings {
            smtp_url: Some(smtp_url.into()),
            mail_from: Some(mail_from.into()),
            shop_name: "Mug Shop".into(),
        }
    }

    #[test]
    fn urls_of_mail_servers_are_read() {
        let user = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (text, host, port, credentials, tls) in [
            ("smtp://127.0.0.1:12525", "127.0.0.1", 12525, None, SmtpTls::WhereOffered),
            ("smtp://mail.example.com", "mail.example.com", 25, None, SmtpTls::WhereOffered),
            ("smtp://u:p@mail.example.com", "mail.example.com", 587, user("u", "p"), SmtpTls::WhereOffered),
            ("smtp://u%40x:p%3A%2F@[::1]:26?tls=none", "::1", 26, user("u@x", "p:/"), SmtpTls::Never),
            ("smtps://u:p@mail.example.com", "mail.example.com", 465, user("u", "p"), SmtpTls::Wrapped),
            ("smtp://mail.example.com?tls=required", "mail.example.com", 25, None, SmtpTls::Required),
        ] {
            let url = settings(text, "shop@example.com").smtp_url().unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.credentials, url.tls),
                (host, port, credentials, tls),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_fault_and_an_example_and_without_its_password() {
        for (text, fault) in [
            ("", "the setting SMTP_URL is empty"),
            ("mail.example.com", "SMTP_URL is no URL"),
            ("http://secret:secret@mail.example.com", "begins with http:// instead of smtp:// or smtps://"),
            ("smtp://user@mail.example.com", "has a user but no password"),
            ("smtp://u:secret@mail.example.com?tls=maybe", "has tls=\"maybe\""),
        ] {
            let error = settings(text, "shop@example.com").smtp_url().unwrap_err().to_string();
            assert!(error.contains(fault) && error.contains("for example SMTP_URL=smtp://"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        for from in ["nobody", "a@b\r\nBcc: c@d"] {
            let error = settings("smtp://h", from).shop().unwrap_err().to_string();
            assert!(error.contains("MAIL_FROM is no email address"), "{error}");
        }
        let missing = Settings { mail_from: None, ..settings("smtp://h", "") };
        assert!(missing.shop().unwrap_err().to_string().contains("the setting MAIL_FROM is missing"));
    }

    #[test]
    fn mails_are_from_the_shop_by_its_name_unless_the_address_has_one() {
        let plain = settings("smtp://h", "shop@example.com").shop().unwrap();
        assert_eq!(plain.from.to_string(), "Mug Shop <shop@example.com>");
        let named = settings("smtp://h", "Orders <shop@example.com>").shop().unwrap();
        assert_eq!(named.from.to_string(), "Orders <shop@example.com>");
    }
}
