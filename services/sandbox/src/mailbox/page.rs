//! The mailbox as a page: no scripts, nothing from elsewhere; what mails say is escaped, their HTML locked in a frame.

use super::store::{Filter, Message};
use crate::common::escape_html;

/// How many messages the page shows.
pub(crate) const SHOWN: usize = 200;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b2430; --quiet: #66707d; --paper: #fff; --ground: #f3f5f8; --line: #dde2e9;
  --accent: #1f5fd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #98a3b1; --paper: #1a2029; --ground: #11151b;
  --line: #2b3440; --accent: #7fb0ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.3rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: 1rem; }
input, button { font: inherit; padding: .4rem .7rem; border: 1px solid var(--line); border-radius: .4rem;
  background: var(--paper); color: var(--ink); }
input { flex: 1 1 10rem; min-width: 0; }
button { cursor: pointer; }
.sheet { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; margin-bottom: 1rem; }
.row { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .7rem 1rem; color: inherit;
  border-top: 1px solid var(--line); }
.row:first-child { border-top: 0; }
.row:hover { background: var(--ground); text-decoration: none; }
.row b { overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: .87rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; padding: 1rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 0; padding: 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; }
iframe { display: block; width: 100%; height: 36rem; border: 0; background: #fff; }
h2 { font-size: .87rem; margin: 0; padding: .5rem 1rem; color: var(--quiet); border-bottom: 1px solid var(--line); }
summary { padding: .5rem 1rem; color: var(--quiet); cursor: pointer; }
";

fn frame(title: &str, head: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{head}<title>{}</title>\
         <style>{STYLE}</style></head>\n<body><main>{content}</main></body></html>\n",
        escape_html(title)
    )
}

/// The list.
pub(crate) fn list(messages: &[Message], filter: &Filter) -> String {
    let field = |name: &str, hint: &str, value: &Option<String>| {
        let value = escape_html(value.as_deref().unwrap_or_default());
        format!("<input name=\"{name}\" placeholder=\"{hint}\" aria-label=\"{hint}\" value=\"{value}\">")
    };
    let fields = [
        field("to", "To", &filter.to),
        field("subject", "Subject", &filter.subject),
        // An empty order would mean an order without a name.
        filter.order.as_ref().map(|order| field("order", "Order", &Some(order.clone()))).unwrap_or_default(),
    ];
    let rows: String = messages.iter().map(row).collect();
    let sheet = match messages.is_empty() {
        true => "<div class=\"sheet\"><div class=\"row quiet\">No messages. Mail sent by SMTP shows here.</div></div>".to_owned(),
        false => format!("<div class=\"sheet\">{rows}</div>"),
    };
    let shown = match messages.len() {
        SHOWN => format!("The newest {SHOWN}; <a href=\"/messages\">all as JSON</a>"),
        count => format!("{count} shown; <a href=\"/messages\">as JSON</a>"),
    };
    let content = format!(
        "<h1>Mailbox</h1><form action=\"/\">{}<button>Search</button></form>{sheet}<p class=\"quiet\">{shown}</p>",
        fields.concat()
    );
    frame("Mailbox", "<meta http-equiv=\"refresh\" content=\"15\">", &content)
}

fn row(message: &Message) -> String {
    format!(
        "<a class=\"row\" href=\"/view/{}\"><b>{}</b><span class=\"quiet\">{}</span><span class=\"quiet\">{}</span></a>",
        escape_html(&message.id),
        escape_html(subject(message)),
        escape_html(&message.received_at),
        escape_html(&message.to.join(", ")),
    )
}

fn subject(message: &Message) -> &str {
    if message.subject.is_empty() { "(no subject)" } else { &message.subject }
}

/// One message.
pub(crate) fn message(message: &Message) -> String {
    let id = escape_html(&message.id);
    let order = message.order.as_ref().map(|order| {
        let order = escape_html(order);
        format!("<dt>Order</dt><dd>{order}</dd>")
    });
    let html = message.html.as_ref().map(|html| {
        let html = escape_html(html);
        format!("<div class=\"sheet\"><h2>HTML</h2><iframe sandbox title=\"The HTML part\" srcdoc=\"{html}\"></iframe></div>")
    });
    let text = message
        .text
        .as_ref()
        .map(|text| format!("<div class=\"sheet\"><h2>Text</h2><pre>{}</pre></div>", escape_html(text)));
    let headers: String =
        message.headers.iter().map(|(name, value)| escape_html(&format!("{name}: {value}\n"))).collect();
    let content = format!(
        "<p><a href=\"/\">← Mailbox</a></p><h1>{}</h1>\
         <div class=\"sheet\"><dl><dt>From</dt><dd>{}</dd><dt>To</dt><dd>{}</dd><dt>Received</dt><dd>{}</dd>{}</dl></div>\
         {}{}<details class=\"sheet\"><summary>Headers</summary><pre>{headers}</pre></details>\
         <p class=\"quiet\"><a href=\"/messages/{id}/raw\">Source</a> · <a href=\"/messages/{id}\">JSON</a> · {} bytes</p>",
        escape_html(subject(message)),
        escape_html(&message.from),
        escape_html(&message.to.join(", ")),
        escape_html(&message.received_at),
        order.unwrap_or_default(),
        html.unwrap_or_default(),
        text.unwrap_or_default(),
        message.size,
    );
    frame(subject(message), "", &content)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn nothing_a_mail_says_becomes_markup_of_the_page() {
        let evil = "</style><script>alert(1)</script>\"'";
        let mail = Message {
            id: "1".into(),
            received_at: "2026-01-01T00:00:00Z".into(),
            from: evil.into(),
            to: vec![evil.into()],
            subject: evil.into(),
            message_id: None,
            order: Some(evil.into()),
            headers: BTreeMap::from([(evil.into(), evil.into())]),
            text: Some(evil.into()),
            html: Some(evil.into()),
            size: 1,
            raw: String::new(),
        };
        let filter = Filter { to: Some(evil.into()), order: Some(evil.into()), ..Filter::default() };
        for page in [message(&mail), list(&[mail], &filter)] {
            assert!(!page.contains("<script"), "{page}");
        }
    }
}
