//! Commands: the wish is taken in, the provider is asked afterwards by the engine.

use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Transaction};
use events::Command;
use jiff::Timestamp;
use resources::{PaymentSpec, PaymentStatus};

use crate::machine::{FIRST_STRAY, Step, Taken, next_step, settle, take};
use crate::{publisher, store};

/// Handles the commands of the stream.
pub struct Commands;

#[async_trait]
impl Handler for Commands {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        take_in_tx(transaction, &message.command()?, chassis::clock::now()).await.map(|_| ())
    }

    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        take_in_tx(transaction, &message.command()?, chassis::clock::now()).await.map(|_| ())
    }
}

/// Takes a command in: remembers the wish, makes the work due, and tells what is already true. Answers the present state.
///
/// # Errors
/// When the command can never be carried out, or the database fails.
pub async fn take_in_tx(
    tx: &mut Transaction,
    command: &Command<PaymentSpec>,
    now: Timestamp,
) -> Result<PaymentStatus, HandleError> {
    check(command)?;
    // A second time when another transaction made the row meanwhile.
    loop {
        let before = store::lock_in_tx(tx, &command.order_id).await?;
        let (mut payment, taken) = take(before.clone(), command, now);
        let answer = matches!(taken, Taken::Repeat | Taken::Stale);
        let telling = settle(&mut payment, before.as_ref(), answer, now);
        match &before {
            Some(before) => store::save_in_tx(tx, before, &payment).await?,
            None => {
                if !store::insert_in_tx(tx, &payment).await? {
                    continue;
                }
            }
        }
        match next_step(&payment, now) {
            Step::Nothing => {}
            Step::WaitUntil(at) => tx.schedule(&payment.order_id, at).await?,
            Step::Do(_) => tx.schedule(&payment.order_id, now).await?,
        }
        publisher::tell_in_tx(tx, &payment, telling, now).await?;
        return Ok(publisher::status(&payment));
    }
}

fn check(command: &Command<PaymentSpec>) -> Result<(), HandleError> {
    let (id, reference) = (&command.order_id, &command.spec.order_ref.id);
    if id.is_empty() || id.len() > 64 || id != reference {
        return Err(HandleError::Malformed(format!(
            "the command is for order {id:?}, its spec for order {reference:?}: they must be one order id"
        )));
    }
    let attempt = command.spec.attempt;
    if attempt >= FIRST_STRAY {
        return Err(HandleError::Malformed(format!(
            "the command is for attempt {attempt}: attempts are numbered below {FIRST_STRAY}"
        )));
    }
    Ok(())
}
