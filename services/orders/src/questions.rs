//! Answers from the history.

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::questions::Answerer;
use chassis::{Store, Transaction};
use events::questions::{
    Archive, ArchiveAnswer, ReadHistory, ReadHistoryAnswer, RecallName, RecallNameAnswer, Reply,
};

use crate::archive::{self, MoneyView};
use crate::handlers::{chain, record_in_tx};
use crate::keep;
use crate::record::{OrderName, Record};
use crate::{store, timeline};

/// The largest answer, in bytes: NATS carries a mebibyte in one message.
const LARGEST_ANSWER: usize = 900 * 1024;

/// Answers what happened to orders.
#[derive(Clone)]
pub struct Librarian {
    store: Store,
}

impl Librarian {
    /// Answers from `store`.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Archives in one transaction. Transitions that were filled in stay also when something else is missing.
    async fn archive(&self, question: &Archive, records: &[Record]) -> anyhow::Result<ArchiveAnswer> {
        let Archive { order_id, namespace, name, phase, sequence, transitions: _, snapshot } = question;
        let order =
            OrderName { order_id: order_id.clone(), namespace: namespace.clone(), name: name.clone() };
        let now = chassis::clock::now();
        let mut transaction = self.store.begin().await.context("failed to begin")?;
        transaction.about("archive", order_id);
        let first_seen = records.iter().map(|record| record.at).min().unwrap_or(now);
        store::lock_order_in_tx(&mut transaction, &order, first_seen)
            .await
            .context("failed to lock the order")?;
        for record in records {
            record_in_tx(&mut transaction, record, now).await.context("failed to fill in a transition")?;
            note_contradiction(&mut transaction, order_id, record)
                .await
                .context("failed to compare a transition")?;
        }
        let recorded = store::sequences_in_tx(&mut transaction, order_id, 0)
            .await
            .context("failed to read the transitions")?;
        let mut money: Vec<MoneyView> = store::payment_events_in_tx(&mut transaction, order_id)
            .await
            .context("failed to read the payment's events")?
            .into_iter()
            .map(MoneyView::from)
            .collect();
        money.extend(archive::payments_in(snapshot).map_err(anyhow::Error::msg)?);
        let lacking: Vec<String> = [
            archive::unfinished(*phase),
            archive::missing_transitions(&recorded, *sequence),
            archive::undecided_money(*phase, &money),
        ]
        .into_iter()
        .flatten()
        .collect();
        if lacking.is_empty() {
            let archived = store::archived_sequence_in_tx(&mut transaction, order_id)
                .await
                .context("failed to read the archive")?;
            // An asker who has not seen the newest transition does not undo what a better one archived.
            if archived.is_none_or(|archived| archived <= *sequence) {
                store::keep_snapshot_in_tx(&mut transaction, order_id, *sequence, snapshot, now)
                    .await
                    .context("failed to keep the snapshot")?;
            }
            keep::forget_in_tx(&mut transaction, order_id)
                .await
                .context("failed to forget what a restore would need")?;
        }
        transaction.commit().await.context("failed to commit")?;
        if lacking.is_empty() {
            Ok(ArchiveAnswer::Archived)
        } else {
            Ok(ArchiveAnswer::Incomplete(lacking.join("; ")))
        }
    }

    async fn read(&self, question: &ReadHistory) -> anyhow::Result<ReadHistoryAnswer> {
        let ReadHistory { namespace, name } = question;
        let mut orders = store::orders_named(self.store.pool(), namespace, name)
            .await
            .with_context(|| format!("failed to find the orders named {namespace}/{name}"))?
            .into_iter();
        let Some(newest) = orders.next() else {
            return Ok(ReadHistoryAnswer {
                order_id: None,
                archived_at: None,
                events: Vec::new(),
                earlier_order_ids: Vec::new(),
            });
        };
        let events = store::events_of(self.store.pool(), &newest.order_id)
            .await
            .with_context(|| format!("failed to read the events of the order {}", newest.order_id))?;
        Ok(ReadHistoryAnswer {
            order_id: Some(newest.order_id),
            archived_at: newest.archived_at,
            events: timeline::in_order(events),
            earlier_order_ids: orders.map(|order| order.order_id).collect(),
        })
    }
}

/// Two tellings of one transition that differ: the one that was recorded first stays, and someone should know.
async fn note_contradiction(
    transaction: &mut Transaction,
    order_id: &str,
    record: &Record,
) -> Result<(), sqlx::Error> {
    let Some(step) = &record.transition else { return Ok(()) };
    let recorded = store::recorded_phase_in_tx(transaction, order_id, step.sequence).await?;
    if recorded.as_deref() != Some(step.phase.as_str()) {
        tracing::warn!(
            order = order_id,
            sequence = step.sequence,
            recorded,
            resource = step.phase.as_str(),
            "the resource tells another transition than was recorded"
        );
        metrics::counter!("supercargo_orders_contradictions_total").increment(1);
    }
    Ok(())
}

#[async_trait]
impl Answerer<RecallName, RecallNameAnswer> for Librarian {
    async fn answer(&self, question: RecallName) -> Reply<RecallNameAnswer> {
        match store::recall(self.store.pool(), &question).await {
            Ok(processed) => Reply::Answer(RecallNameAnswer { processed }),
            Err(error) => {
                let RecallName { namespace, name, .. } = question;
                Reply::Unavailable(format!("failed to recall the name {namespace}/{name}: {error}"))
            }
        }
    }
}

#[async_trait]
impl Answerer<Archive, ArchiveAnswer> for Librarian {
    async fn answer(&self, question: Archive) -> Reply<ArchiveAnswer> {
        let records = match readable(&question) {
            Ok(records) => records,
            Err(fault) => return Reply::Invalid(fault),
        };
        let outcome = self.archive(&question, &records).await;
        let label = match &outcome {
            Ok(ArchiveAnswer::Archived) => "archived",
            Ok(ArchiveAnswer::Incomplete(_)) => "incomplete",
            Err(_) => "failed",
        };
        metrics::counter!("supercargo_orders_archive_questions_total", "outcome" => label).increment(1);
        match outcome {
            Ok(answer) => {
                if let ArchiveAnswer::Incomplete(lacking) = &answer {
                    tracing::info!(order = question.order_id, "not archived yet: {lacking}");
                }
                Reply::Answer(answer)
            }
            Err(error) => {
                tracing::warn!(order = question.order_id, "failed to archive: {error:#}");
                Reply::Unavailable(format!("failed to archive the order {}: {error:#}", question.order_id))
            }
        }
    }
}

/// The question's transitions as records; or why it can never be answered.
fn readable(question: &Archive) -> Result<Vec<Record>, String> {
    if let Some(fault) = archive::fault(question) {
        return Err(fault);
    }
    archive::payments_in(&question.snapshot)?;
    question
        .transitions
        .iter()
        .map(|transition| Record::of_transition(transition).map_err(|error| chain(&error)))
        .collect()
}

#[async_trait]
impl Answerer<ReadHistory, ReadHistoryAnswer> for Librarian {
    async fn answer(&self, question: ReadHistory) -> Reply<ReadHistoryAnswer> {
        match self.read(&question).await {
            Ok(answer) => Reply::Answer(fitting(answer, LARGEST_ANSWER)),
            Err(error) => Reply::Unavailable(format!("{error:#}")),
        }
    }
}

/// An answer that one message can carry: the quote, which every transition repeats, is told by the first alone; when that
/// is not enough the data of all events stay behind.
fn fitting(mut answer: ReadHistoryAnswer, largest: usize) -> ReadHistoryAnswer {
    let fits =
        |answer: &ReadHistoryAnswer| serde_json::to_vec(answer).is_ok_and(|bytes| bytes.len() <= largest);
    if fits(&answer) {
        return answer;
    }
    let repeating = answer.events.iter_mut().filter_map(|event| event.data.as_object_mut());
    for data in repeating.filter(|data| data.contains_key("lines")).skip(1) {
        data.remove("lines");
    }
    if !fits(&answer) {
        answer.events.iter_mut().for_each(|event| event.data = serde_json::Value::Null);
    }
    answer
}

#[cfg(test)]
mod tests {
    use events::questions::HistoryEvent;
    use jiff::Timestamp;
    use resources::OrderPhase;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_history_too_large_for_one_message_repeats_the_quote_no_more() {
        let event = |sequence| HistoryEvent {
            at: Timestamp::UNIX_EPOCH,
            event: "order.placed".into(),
            id: format!("o-1/{sequence}"),
            sequence: Some(sequence),
            phase: Some(OrderPhase::Placed.to_string()),
            reason: None,
            data: json!({"sequence": sequence, "lines": vec!["a line of the quote"; 100]}),
        };
        let answer = ReadHistoryAnswer {
            order_id: Some("o-1".into()),
            archived_at: None,
            events: vec![event(1), event(2), event(3)],
            earlier_order_ids: Vec::new(),
        };
        assert_eq!(fitting(answer.clone(), 100_000), answer);
        let smaller = fitting(answer.clone(), 4_000);
        let with_quote: Vec<bool> =
            smaller.events.iter().map(|event| event.data.get("lines").is_some()).collect();
        assert_eq!(with_quote, [true, false, false]);
        assert_eq!(smaller.events[2].data, json!({"sequence": 3}));
        assert!(fitting(answer, 500).events.iter().all(|event| event.data.is_null()));
    }
}
