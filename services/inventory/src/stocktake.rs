//! Taking over a stocktake: parts are staged until all have arrived, then all take effect in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{HandleError, Transaction};
use events::questions::{CountStock, ImportAnswer};
use jiff::Timestamp;

use crate::count::{self, Refused};
use crate::ledger::{Level, Levels};
use crate::room::make_room_in_tx;
use crate::store::counts::{self, Staged};
use crate::store::levels::{self, Cause};

impl From<Refused> for HandleError {
    fn from(refused: Refused) -> Self {
        Self::Malformed(refused.to_string())
    }
}

/// Takes a part; with the last one the whole import takes effect. A dry run writes nothing and is never complete: it
/// answers what its own rows would do.
///
/// # Errors
/// [`HandleError::Malformed`] when it is refused: nothing may be committed then. Else when the database fails.
pub async fn count_in_tx(
    tx: &mut Transaction,
    question: &CountStock,
    now: Timestamp,
) -> Result<ImportAnswer, HandleError> {
    count::check(question)?;
    if question.dry_run {
        return rehearse_in_tx(tx, question, now).await;
    }
    let import_id = &question.import_id;
    let import = counts::lock_in_tx(tx, question, now).await?;
    if import.parts != i64::from(question.parts) || import.cause != question.cause {
        return Err(Refused::OtherImport(import_id.clone()).into());
    }
    match counts::stage_in_tx(tx, question).await? {
        Staged::AsTold => {}
        Staged::Otherwise => {
            return Err(Refused::OtherPart { import_id: import_id.clone(), part: question.part }.into());
        }
    }
    if let Some(outcome) = import.outcome {
        return Ok(outcome);
    }
    if counts::arrived_in_tx(tx, import_id).await? < import.parts {
        return Ok(ImportAnswer { complete: false, created: 0, changed: 0 });
    }
    let counted = count::combine(counts::staged_in_tx(tx, import_id).await?)?;
    let cause = Cause { order_id: None, import_id: Some(import_id.clone()), reason: import.cause };
    let outcome = take_effect_in_tx(tx, &counted, &cause, now).await?;
    counts::complete_in_tx(tx, import_id, &outcome, now).await?;
    tracing::info!(
        import_id,
        created = outcome.created,
        changed = outcome.changed,
        "a stocktake took effect"
    );
    metrics::counter!("supercargo_inventory_stocktakes_total").increment(1);
    Ok(outcome)
}

async fn take_effect_in_tx(
    tx: &mut Transaction,
    counted: &BTreeMap<String, i64>,
    cause: &Cause,
    now: Timestamp,
) -> Result<ImportAnswer, HandleError> {
    let skus: BTreeSet<String> = counted.keys().cloned().collect();
    let new = levels::add_in_tx(tx, &skus).await?;
    let pieces = |sku: &str| counted.get(sku).copied().unwrap_or(0);
    let short = |sku: &str, level: &Level| level.reserved - pieces(sku);
    let mut levels = make_room_in_tx(tx, None, &skus, short, now).await?;
    let mut movements = Vec::new();
    let mut changed = 0;
    for (sku, counted) in counted {
        let level = levels.0.get(sku).copied().unwrap_or_default();
        let is_new = new.contains(sku);
        if let Some(movement) = count::settle(sku, *counted, &level, is_new)? {
            changed += u64::from(!is_new);
            movements.push(movement);
        }
    }
    levels::record_in_tx(tx, &mut levels, &new, &movements, cause, now).await?;
    Ok(ImportAnswer { complete: true, created: u64::try_from(new.len()).unwrap_or(u64::MAX), changed })
}

async fn rehearse_in_tx(
    tx: &mut Transaction,
    question: &CountStock,
    now: Timestamp,
) -> Result<ImportAnswer, HandleError> {
    let skus = question.counts.iter().map(|line| line.sku.clone()).collect();
    let Levels(levels) = levels::read(tx, &skus).await?;
    let expired = levels::expired(tx, &skus, now).await?;
    let mut answer = ImportAnswer { complete: false, created: 0, changed: 0 };
    for line in &question.counts {
        let known = levels.get(&line.sku);
        let mut level = known.copied().unwrap_or_default();
        level.reserved -= expired.get(&line.sku).copied().unwrap_or(0);
        let moves = count::settle(&line.sku, line.quantity, &level, known.is_none())?.is_some();
        answer.created += u64::from(known.is_none());
        answer.changed += u64::from(known.is_some() && moves);
    }
    Ok(answer)
}
