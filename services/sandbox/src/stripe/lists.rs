//! Reading: one thing by its id, lists by cursor, the search by metadata.

use serde_json::{Value, json};

use super::books::EventEntry;
use super::errors::ApiError;
use super::execute::reading_unavailable;
use super::form::Form;
use super::model::{Charge, Intent, StoredEvent};
use super::{Stripe, render};
use crate::common::{lock, now_millis};

/// What a read found. Events' bodies are on disk, and read outside the lock.
#[derive(Debug)]
pub(crate) enum Found {
    Shape(Value),
    Events(EventPage),
}

/// One event, or a page of them.
#[derive(Debug)]
pub(crate) struct EventPage {
    entries: Vec<EventEntry>,
    has_more: bool,
    single: bool,
}

const LIST: &[&str] = &["limit", "starting_after", "ending_before", "created", "expand"];

/// Answers `GET /v1/{path}`.
pub(crate) fn read(stripe: &Stripe, path: &str, query: &Form) -> Result<Found, ApiError> {
    let books = lock(&stripe.books);
    let base = stripe.base.as_str();
    let segments: Vec<&str> = path.split('/').collect();
    let intent = |id: &str| {
        let found = books.intent(id).ok_or_else(|| ApiError::not_found("payment_intent", "intent", id))?;
        match reading_unavailable(&books, found, now_millis()) {
            true => Err(ApiError::unavailable()),
            false => Ok(found),
        }
    };
    Ok(Found::Shape(match segments.as_slice() {
        ["payment_intents"] => {
            query.allow(&[LIST, &["customer"]].concat())?;
            let all = books.intents().iter().rev().map(AsRef::as_ref);
            let (page, more) = page(all, query, |intent: &&Intent| (&intent.id, intent.created))?;
            list(path, page.into_iter().map(|intent| render::intent(intent, base)), more)
        }
        ["payment_intents", "search"] => {
            let asked = Search::parse(&query.text("query").ok_or_else(|| ApiError::missing("query"))?)?;
            let all: Vec<&Intent> = match asked.order() {
                Some(order) => books.intents_of_order(order).into_iter().rev().map(AsRef::as_ref).collect(),
                None => books.intents().iter().rev().map(AsRef::as_ref).collect(),
            };
            let limit = limit(query)?;
            let after = query.text("page");
            let mut matching = all
                .into_iter()
                .filter(|intent| asked.matches(intent))
                .skip_while(|intent| after.as_ref().is_some_and(|after| &intent.id != after))
                .skip(usize::from(after.is_some()));
            let found: Vec<&Intent> = matching.by_ref().take(limit).collect();
            let more = matching.next().is_some();
            json!({
                "object": "search_result",
                "url": "/v1/payment_intents/search",
                "has_more": more,
                "next_page": more.then(|| found.last().map(|intent| &intent.id)).flatten(),
                "data": found.iter().map(|intent| render::intent(intent, base)).collect::<Vec<_>>(),
            })
        }
        ["payment_intents", id] => render::intent(intent(id)?, base),
        ["charges"] => {
            query.allow(&[LIST, &["payment_intent", "customer"]].concat())?;
            let owners: Vec<&Intent> = match query.text("payment_intent") {
                Some(id) => vec![intent(&id)?],
                None => books.intents().iter().rev().map(AsRef::as_ref).collect(),
            };
            let all = owners
                .into_iter()
                .flat_map(|owner| owner.charges.iter().rev().map(move |charge| (owner, charge)));
            let (page, more) =
                page(all, query, |(_, charge): &(&Intent, &Charge)| (&charge.id, charge.created))?;
            list(path, page.into_iter().map(|(owner, charge)| render::charge(owner, charge)), more)
        }
        ["charges", id] => {
            let owner = books.intent_of_charge(id);
            let charge = owner.and_then(|owner| {
                let charge = owner.charges.iter().find(|charge| charge.id == *id)?;
                Some(render::charge(owner, charge))
            });
            charge.ok_or_else(|| ApiError::not_found("charge", "charge", id))?
        }
        ["refunds"] => {
            query.allow(&[LIST, &["payment_intent", "charge"]].concat())?;
            let (of, charge) = (query.text("payment_intent"), query.text("charge"));
            let all = books.refunds().iter().rev().filter(|refund| {
                of.as_ref().is_none_or(|of| &refund.payment_intent == of)
                    && charge.as_ref().is_none_or(|charge| &refund.charge == charge)
            });
            let (page, more) = page(all, query, |refund| (&refund.id, refund.created))?;
            list(path, page.into_iter().map(|refund| render::refund(refund)), more)
        }
        ["refunds", id] => {
            render::refund(books.refund(id).ok_or_else(|| ApiError::not_found("refund", "refund", id))?)
        }
        ["events"] => {
            query.allow(&[LIST, &["type", "types"]].concat())?;
            let wanted = query.text("type");
            let all = books.events().iter().rev();
            let all = all.filter(|event| wanted.as_ref().is_none_or(|wanted| &event.event_type == wanted));
            let (page, has_more) = page(all, query, |event| (&event.id, event.created))?;
            let entries = page.into_iter().cloned().collect();
            return Ok(Found::Events(EventPage { entries, has_more, single: false }));
        }
        ["events", id] => {
            let entry = books.event(id).ok_or_else(|| ApiError::not_found("event", "id", id))?.clone();
            return Ok(Found::Events(EventPage { entries: vec![entry], has_more: false, single: true }));
        }
        ["balance"] => {
            let totals = books.totals();
            let sums = totals["currencies"].as_object().cloned().unwrap_or_default();
            let available: Vec<Value> = sums
                .iter()
                .map(|(currency, sums)| json!({"amount": sums["net"], "currency": currency}))
                .collect();
            json!({"object": "balance", "available": available, "pending": [], "livemode": false})
        }
        _ => return Err(ApiError::no_such_url("GET", &format!("/v1/{path}"))),
    }))
}

/// Reads the bodies of events, which must be durable.
pub(crate) fn events(stripe: &Stripe, page: EventPage) -> anyhow::Result<Value> {
    let mut shapes = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let stored: StoredEvent = stripe.journal.read(entry.span, "event", &entry.id)?;
        let mut shape: Value = serde_json::from_str(&stored.body)?;
        shape["pending_webhooks"] = json!(u8::from(stripe.courier.is_pending(&entry.id)));
        shapes.push(shape);
    }
    Ok(match (page.single, shapes.pop()) {
        (true, Some(shape)) => shape,
        (_, last) => {
            shapes.extend(last);
            render::list("/v1/events", shapes, page.has_more)
        }
    })
}

fn list(path: &str, data: impl Iterator<Item = Value>, has_more: bool) -> Value {
    render::list(&format!("/v1/{path}"), data.collect(), has_more)
}

fn limit(query: &Form) -> Result<usize, ApiError> {
    match query.amount("limit")? {
        None => Ok(10),
        Some(limit @ 1..=100) => Ok(usize::try_from(limit).unwrap_or(100)),
        Some(_) => {
            let message = "Invalid limit: it must be between 1 and 100.";
            Err(ApiError::parameter("parameter_invalid_integer", "limit", message))
        }
    }
}

/// The page that the cursors ask for, of things that come newest first.
fn page<T>(
    newest_first: impl Iterator<Item = T>,
    query: &Form,
    identity: impl Fn(&T) -> (&String, i64),
) -> Result<(Vec<T>, bool), ApiError> {
    let limit = limit(query)?;
    let bounds = query.pairs("created");
    let mut within: Vec<T> = Vec::new();
    let mut range = Vec::new();
    for (bound, text) in &bounds {
        let at: i64 = text
            .parse()
            .map_err(|_| ApiError::parameter("parameter_invalid_integer", "created", "Invalid timestamp"))?;
        range.push((bound.as_str(), at));
    }
    if let Some(at) = query.amount("created")? {
        range.extend([("gte", at), ("lte", at)]);
    }
    let fits = |created: i64| {
        range.iter().all(|(bound, at)| match *bound {
            "gt" => created > *at,
            "gte" => created >= *at,
            "lt" => created < *at,
            "lte" => created <= *at,
            _ => false,
        })
    };
    let (after, before) = (query.text("starting_after"), query.text("ending_before"));
    let mut started = after.is_none();
    let mut met = before.is_none();
    for item in newest_first {
        let (id, created) = identity(&item);
        if before.as_ref() == Some(id) {
            met = true;
            break;
        }
        if !started {
            started = after.as_ref() == Some(id);
            continue;
        }
        if fits(created) {
            within.push(item);
        }
        if before.is_none() && within.len() > limit {
            break;
        }
    }
    if !started || !met {
        let (param, id) = if started { ("ending_before", before) } else { ("starting_after", after) };
        let message = format!("No such object: '{}'", id.unwrap_or_default());
        return Err(ApiError::parameter("resource_missing", param, message));
    }
    let more = within.len() > limit;
    match before {
        Some(_) => drop(within.drain(..within.len().saturating_sub(limit))),
        None => within.truncate(limit),
    }
    Ok((within, more))
}

/// A search: terms that must all hold.
#[derive(Debug)]
struct Search(Vec<(String, String)>);

impl Search {
    fn parse(query: &str) -> Result<Search, ApiError> {
        let terms: Option<Vec<_>> = query.split(" AND ").map(|term| Search::term(term.trim())).collect();
        terms.map(Search).ok_or_else(|| {
            let message = format!(
                "The search query {query:?} cannot be read: try metadata['order_id']:'…' or status:'succeeded', joined \
                 by AND."
            );
            ApiError::parameter("parameter_invalid_query", "query", message)
        })
    }

    fn term(term: &str) -> Option<(String, String)> {
        let unquoted = |text: &str| {
            let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
            Some(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned())
        };
        match term.strip_prefix("metadata[") {
            Some(rest) => {
                let (key, value) = rest.split_once("]:")?;
                Some((format!("metadata.{}", unquoted(key)?), unquoted(value)?))
            }
            None => {
                let (field, value) = term.split_once(':')?;
                matches!(field, "status" | "currency").then_some((field.to_owned(), unquoted(value)?))
            }
        }
    }

    fn order(&self) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == "metadata.order_id").map(|(_, value)| value.as_str())
    }

    fn matches(&self, intent: &Intent) -> bool {
        self.0.iter().all(|(field, value)| match field.strip_prefix("metadata.") {
            Some(key) => intent.metadata.get(key) == Some(value),
            None if field == "status" => intent.status.name() == value,
            None => &intent.currency == value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(query: &str) -> (Vec<i64>, bool) {
        let things: Vec<(String, i64)> = (1..=5).rev().map(|n| (format!("t{n}"), n)).collect();
        let form = Form::parse(query.as_bytes());
        let (page, more) = page(things.iter(), &form, |thing| (&thing.0, thing.1)).unwrap();
        (page.into_iter().map(|thing| thing.1).collect(), more)
    }

    #[test]
    fn pages_are_newest_first_and_join_without_gaps() {
        assert_eq!(ids("limit=2"), (vec![5, 4], true));
        assert_eq!(ids("limit=2&starting_after=t4"), (vec![3, 2], true));
        assert_eq!(ids("limit=2&starting_after=t2"), (vec![1], false));
        assert_eq!(ids("limit=2&ending_before=t1"), (vec![3, 2], true));
        assert_eq!(ids("limit=9&ending_before=t3"), (vec![5, 4], false));
        assert_eq!(ids("created[gte]=2&created[lt]=4"), (vec![3, 2], false));
    }

    #[test]
    fn a_cursor_or_a_limit_that_makes_no_sense_is_refused() {
        let nothing: [(String, i64); 0] = [];
        for query in ["starting_after=t9", "ending_before=t9", "limit=0", "limit=101"] {
            let form = Form::parse(query.as_bytes());
            assert!(page(nothing.iter(), &form, |thing| (&thing.0, thing.1)).is_err(), "{query}");
        }
    }

    #[test]
    fn a_search_reads_metadata_and_status() {
        let search = Search::parse("metadata['order_id']:'o-1' AND status:\"succeeded\"").unwrap();
        assert_eq!(search.order(), Some("o-1"));
        assert_eq!(search.0.len(), 2);
        assert!(Search::parse("amount>3").is_err());
    }
}
