//! `supercargo dead-letters`.

use anyhow::Context as _;
use chassis::questions::ask;
use chassis::{Letter, Letters, NatsSettings};
use events::questions::ReadHistory;
use kube::api::Api;
use resources::Order;
use serde_json::json;

use super::{PATIENCE, cluster, connect};
use crate::answer;
use crate::cli::{DeadLetterCommand, LetterFilter, Output};

/// What is kept of whoever drops a message and does not say why.
const NO_REASON: &str = "no reason was given";

pub async fn run(command: DeadLetterCommand) -> anyhow::Result<()> {
    match command {
        DeadLetterCommand::List { filter, output, reach } => {
            let stream = open(&reach).await?;
            let letters = chosen(stream.read(1, false).await?, &filter, &reach).await;
            list(&letters, output)
        }
        DeadLetterCommand::Show { id, output, reach } => {
            let letters = named(open(&reach).await?.read(id, false).await?, &[id])?;
            letters.first().map_or(Ok(()), |letter| show(letter, output))
        }
        DeadLetterCommand::Redrive { ids, all, filter, reach } => redrive(&ids, all, &filter, &reach).await,
        DeadLetterCommand::Drop { ids, reason, reach } => {
            let reason = reason.as_deref().map_or(NO_REASON, str::trim);
            anyhow::ensure!(!reason.is_empty(), "--reason is empty: say why, in words, or leave it out");
            let stream = open(&reach).await?;
            let letters = named(stream.read(1, false).await?, &ids)?;
            let by = who().await;
            for letter in &letters {
                stream.drop(letter, &by, reason).await?;
                answer::text(&format!("dropped {} ({})\n", letter.id, letter.subject))?;
            }
            Ok(())
        }
    }
}

async fn redrive(ids: &[u64], all: bool, filter: &LetterFilter, reach: &NatsSettings) -> anyhow::Result<()> {
    let filtered = filter.order.is_some() || filter.consumer.is_some();
    anyhow::ensure!(
        usize::from(all) + usize::from(filtered) + usize::from(!ids.is_empty()) == 1,
        "say which: the numbers of dead letters, --order, --consumer, or --all (and only one of these ways)"
    );
    let stream = open(reach).await?;
    let there = stream.read(1, false).await?;
    let mut letters = if ids.is_empty() { chosen(there, filter, reach).await } else { named(there, ids)? };
    anyhow::ensure!(
        !letters.is_empty() || all,
        "there is no such dead letter: see supercargo dead-letters list"
    );
    // As they were told, not as they died.
    letters.sort_by_key(|letter| (letter.told_at, letter.id));
    let by = who().await;
    for letter in &letters {
        stream.redrive(letter, &by).await?;
        answer::text(&format!("redriven {} to {} for {}\n", letter.id, letter.subject, letter.consumer))?;
    }
    Ok(())
}

async fn open(reach: &NatsSettings) -> anyhow::Result<Letters> {
    let nats = connect(reach).await?;
    let mut jetstream = async_nats::jetstream::new(nats);
    jetstream.set_timeout(PATIENCE);
    Letters::open(&jetstream).await
}

/// Who types: as the cluster knows them, else as this machine does.
async fn who() -> String {
    let user = match cluster::client().await {
        Ok(client) => cluster::user(&client).await,
        Err(_) => None,
    };
    let local = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    user.or_else(local).unwrap_or_else(|| "somebody at the command line".to_owned())
}

async fn chosen(letters: Vec<Letter>, filter: &LetterFilter, reach: &NatsSettings) -> Vec<Letter> {
    let known = match &filter.order {
        Some(name) => order_id(name, &filter.namespace, reach).await,
        None => None,
    };
    let is_chosen = |letter: &Letter| {
        let order = filter.order.as_ref().is_none_or(|order| {
            letter.about == *order
                || known.as_ref().is_some_and(|id| letter.about == *id)
                || letter.order().is_some_and(|it| it == (filter.namespace.clone(), order.clone()))
        });
        order && filter.consumer.as_ref().is_none_or(|consumer| letter.consumer == *consumer)
    };
    letters.into_iter().filter(is_chosen).collect()
}

/// The id of the order of that name, in the cluster or archived: a message that cannot be read tells no name.
async fn order_id(name: &str, namespace: &str, reach: &NatsSettings) -> Option<String> {
    if let Ok(client) = cluster::client().await {
        let api: Api<Order> = Api::namespaced(client, namespace);
        if let Ok(Some(order)) = api.get_opt(name).await {
            return resources::order_id(&order);
        }
    }
    let nats = connect(reach).await.ok()?;
    let question = ReadHistory { namespace: namespace.to_owned(), name: name.to_owned() };
    ask(&nats, &question, PATIENCE).await.ok()?.order_id
}

/// The letters with these numbers; all of them, or none.
fn named(letters: Vec<Letter>, ids: &[u64]) -> anyhow::Result<Vec<Letter>> {
    let found: Vec<Letter> = letters.into_iter().filter(|letter| ids.contains(&letter.id)).collect();
    let missing: Vec<String> =
        ids.iter().filter(|id| !found.iter().any(|letter| letter.id == **id)).map(u64::to_string).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "there is no dead letter {}: nothing was done; see supercargo dead-letters list",
        missing.join(", ")
    );
    Ok(found)
}

fn list(letters: &[Letter], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        return answer::json(&letters.iter().map(as_json).collect::<Vec<_>>());
    }
    let rows: Vec<[String; 6]> = letters
        .iter()
        .map(|letter| {
            let order = letter.order().map(|(namespace, name)| format!("{namespace}/{name}"));
            [
                letter.id.to_string(),
                letter.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                letter.consumer.clone(),
                letter.subject.clone(),
                order.unwrap_or_else(|| letter.about.clone()),
                letter.error.chars().take(80).collect(),
            ]
        })
        .collect();
    answer::table(["ID", "AT (UTC)", "CONSUMER", "SUBJECT", "ORDER", "ERROR"], &rows)
}

fn as_json(letter: &Letter) -> serde_json::Value {
    let (namespace, name) = letter.order().unzip();
    json!({
        "id": letter.id, "at": letter.at.to_string(), "stream": letter.stream, "consumer": letter.consumer,
        "subject": letter.subject, "error": letter.error, "tries": letter.tries, "key": letter.key,
        "orderId": letter.about, "namespace": namespace, "name": name,
    })
}

fn show(letter: &Letter, output: Output) -> anyhow::Result<()> {
    let payload: Result<serde_json::Value, _> = serde_json::from_slice(&letter.payload);
    let text = String::from_utf8_lossy(&letter.payload);
    let headers: serde_json::Map<String, serde_json::Value> = letter
        .headers
        .iter()
        .map(|(name, values)| {
            let values: Vec<&str> = values.iter().map(async_nats::HeaderValue::as_str).collect();
            (name.to_string(), json!(values.join(", ")))
        })
        .collect();
    if output == Output::Json {
        let mut whole = as_json(letter);
        whole["headers"] = json!(headers);
        whole["payload"] = payload.unwrap_or_else(|_| json!(text));
        return answer::json(&whole);
    }
    let pretty = payload.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let mut lines = vec![
        format!("id:        {}", letter.id),
        format!("at:        {}", letter.at),
        format!("consumer:  {} of {}", letter.consumer, letter.stream),
        format!("subject:   {}", letter.subject),
        format!("order id:  {}", letter.about),
        format!("key:       {}", letter.key),
        format!("tries:     {}", letter.tries),
        format!("error:     {}", letter.error),
        "headers:".to_owned(),
    ];
    lines.extend(
        headers.iter().map(|(name, value)| format!("  {name}: {}", value.as_str().unwrap_or_default())),
    );
    lines.push("payload:".to_owned());
    lines.push(pretty.unwrap_or_else(|| text.into_owned()));
    answer::text(&(lines.join("\n") + "\n")).context("failed to write")
}
