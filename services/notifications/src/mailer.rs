//! SMTP: a message becomes a mail, and the server's answer a verdict.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{LostAnswer, Point};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport, Message, Tokio1Executor};

use crate::settings::{SmtpTls, SmtpUrl};
use crate::store::Outgoing;
use crate::text::{header_value, one_line};

/// How long one command of the dialogue may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);
/// How long a whole mail may take, well within the worklist's lease.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends messages.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    /// Returns when the message is accepted by who answers for it from then on.
    async fn send(&self, message: &Outgoing) -> Result<(), SendError>;
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Another try may work.
    #[error("{0}")]
    ForNow(String),
    /// No try will work.
    #[error("{0}")]
    ForGood(String),
}

impl LostAnswer for SendError {
    fn lost(point: Point) -> Self {
        Self::ForNow(format!("the answer at {point} was lost"))
    }
}

/// Sends by SMTP, over a few connections that are kept open.
#[derive(Clone, Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// Sends by the server of `url`; connects when there is something to send.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn new(url: &SmtpUrl, from: Mailbox) -> anyhow::Result<Self> {
        let SmtpUrl { host, port, credentials, tls } = url;
        let parameters = || {
            TlsParameters::new(host.clone())
                .with_context(|| format!("failed to prepare TLS to the mail server {host} of SMTP_URL"))
        };
        let tls = match tls {
            SmtpTls::Wrapped => Tls::Wrapper(parameters()?),
            SmtpTls::Required => Tls::Required(parameters()?),
            SmtpTls::WhereOffered => Tls::Opportunistic(parameters()?),
            SmtpTls::Never => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(*port)
            .tls(tls)
            .timeout(Some(COMMAND_PATIENCE));
        if let Some((user, password)) = credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { transport: builder.build(), from })
    }
}

#[async_trait]
impl Sender for Mailer {
    async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        let mail = build(message, &self.from)
            .map_err(|error| SendError::ForGood(format!("the mail cannot be written: {error}")))?;
        match tokio::time::timeout(PATIENCE, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(verdict(&error)),
            Err(_) => Err(SendError::ForNow(format!("the mail server did not answer within {PATIENCE:?}"))),
        }
    }
}

/// A refusal for good is a permanent answer about this mail; one about our credentials is about the setting.
fn verdict(error: &smtp::Error) -> SendError {
    let text = one_line(&format!("the mail server did not take the mail: {error}"), 500);
    let code = error.status().map(u16::from);
    match code {
        Some(530 | 534 | 535 | 538) => {
            SendError::ForNow(format!("{text}; are user and password in SMTP_URL right?"))
        }
        Some(500..) => SendError::ForGood(text),
        Some(_) | None => SendError::ForNow(text),
    }
}

/// The mail, with headers by which people and programs find its order.
pub(crate) fn build(message: &Outgoing, from: &Mailbox) -> Result<Message, lettre::error::Error> {
    let Outgoing { event, order_name, recipient, subject, text, html, message_id, created_at, .. } = message;
    let created_at = SystemTime::from(*created_at);
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, recipient.clone()))
        .subject(one_line(subject, 300))
        .date(created_at)
        .message_id(Some(header_value(message_id)))
        .header(OrderIdHeader(header_value(&event.attributes.subject)))
        .header(OrderNameHeader(header_value(order_name)))
        .header(EventIdHeader(header_value(&event.attributes.id)))
        .header(EventTypeHeader(event.event_type.name().to_owned()))
        .header(AutoSubmittedHeader("auto-generated".to_owned()))
        .multipart(
            MultiPart::alternative()
                .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text.clone()))
                .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html.clone())),
        )
}

macro_rules! text_headers {
    ($($(#[$doc:meta])* $header:ident = $name:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        struct $header(String);

        impl Header for $header {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    )+};
}

text_headers! {
    /// The order id.
    OrderIdHeader = "X-Order-Id";
    /// The order's namespace and name.
    OrderNameHeader = "X-Order-Name";
    /// The event's CloudEvents id.
    EventIdHeader = "X-Event-Id";
    /// The event's name.
    EventTypeHeader = "X-Event-Type";
    /// Keeps auto-responders from answering (RFC 3834).
    AutoSubmittedHeader = "Auto-Submitted";
}

#[cfg(test)]
mod tests {
    use events::{Event, EventType};
    use jiff::Timestamp;

    use super::*;

    fn outgoing() -> Outgoing {
        let at: Timestamp = "2026-11-20T14:05:09Z".parse().unwrap();
        Outgoing {
            event: Event::new(EventType::OrderPaid, "operator", "o-1/3".into(), "o-1", at, &()).unwrap(),
            order_name: "shop/web-1".into(),
            recipient: "shopper@example.com".parse().unwrap(),
            subject: "Your order web-1 is paid".into(),
            text: "Hello Zoë".into(),
            html: "<p>Hello Zoë</p>".into(),
            message_id: "<o-1.3@supercargo.dev>".into(),
            created_at: at,
            since: at,
            tries: 0,
        }
    }

    fn source(message: &Outgoing) -> String {
        let from = "Mug Shop <shop@example.com>".parse().unwrap();
        String::from_utf8(build(message, &from).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_names_its_order_and_event_in_headers() {
        let source = source(&outgoing());
        for line in [
            "X-Order-Id: o-1\r\n",
            "X-Order-Name: shop/web-1\r\n",
            "X-Event-Id: o-1/3\r\n",
            "X-Event-Type: order.paid\r\n",
            "Message-ID: <o-1.3@supercargo.dev>\r\n",
            "To: shopper@example.com\r\n",
            "Subject: Your order web-1 is paid\r\n",
            "Date: Fri, 20 Nov 2026 14:05:09 +0000\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(source.contains(line), "{line} is not in\n{source}");
        }
    }

    #[test]
    fn nothing_that_others_wrote_can_add_a_header() {
        let mut message = outgoing();
        let forged = "x\r\nBcc: all@example.com\r\n\r\nforged";
        message.subject = forged.into();
        message.order_name = forged.into();
        message.message_id = forged.into();
        message.event.attributes.id = forged.into();
        message.event.attributes.subject = forged.into();
        let source = source(&message);
        let headers = source.split("\r\n\r\n").next().unwrap();
        assert!(headers.contains("multipart/alternative"), "the head ends early:\n{headers}");
        let names: Vec<&str> = headers
            .lines()
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert!(!names.contains(&"Bcc"), "{headers}");
    }
}
