//! Commands: the wish is written down and the work scheduled; the outcome is reported when it is there.

use async_trait::async_trait;
use chassis::{HandleError, Handler, Message, Transaction};
use events::Command;
use jiff::Timestamp;
use resources::{ShipmentSpec, ShipmentStatus};

use crate::parcel::{Parcel, Step, next_step};
use crate::receive::receive;
use crate::{publisher, store};

/// Handles `supercargo.command.shipping.>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands;

#[async_trait]
impl Handler for Commands {
    async fn handle(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let command = message.command::<ShipmentSpec>()?;
        let parcel = take_in_tx(transaction, &command, chassis::clock::now()).await?;
        // What is not answered yet is reported with its outcome.
        if parcel.is_answered() { publisher::report_in_tx(transaction, &parcel).await } else { Ok(()) }
    }

    async fn repeat(&self, message: &Message, transaction: &mut Transaction) -> Result<(), HandleError> {
        let command = message.command::<ShipmentSpec>()?;
        let parcel = take_in_tx(transaction, &command, chassis::clock::now()).await?;
        if parcel.has_something_to_say() {
            publisher::report_in_tx(transaction, &parcel).await
        } else {
            Ok(())
        }
    }
}

/// Takes in a wish, however often it comes; makes pending work due now. Answers with the parcel as it is then.
///
/// # Errors
/// [`HandleError::Malformed`] when the command contradicts itself; otherwise when the database fails.
pub(crate) async fn take_in_tx(
    transaction: &mut Transaction,
    command: &Command<ShipmentSpec>,
    now: Timestamp,
) -> Result<Parcel, HandleError> {
    if command.order_id.is_empty() || command.order_id != command.spec.order_ref.id {
        return Err(HandleError::Malformed(format!(
            "the command is for order {:?}, but its spec is for order {:?}: they must be the same",
            command.order_id, command.spec.order_ref.id
        )));
    }
    let known = store::load_in_tx(transaction, &command.order_id).await?;
    let reception = receive(known.clone(), command, now);
    let parcel = reception.parcel;
    if !reception.accepted {
        tracing::info!(
            generation = command.generation,
            newest = parcel.generation,
            "an older command is ignored"
        );
    } else if known.as_ref() != Some(&parcel) {
        store::save_in_tx(transaction, &parcel, known.is_none()).await?;
        publisher::publish_in_tx(transaction, &parcel, &reception.changes).await?;
    }
    match next_step(&parcel, now) {
        Step::Nothing => {}
        Step::WaitUntil(at) => transaction.schedule(&parcel.order_id, at).await?,
        Step::Book | Step::LookUp | Step::Cancel | Step::Track => {
            transaction.schedule(&parcel.order_id, now).await?
        }
    }
    Ok(parcel)
}

/// As [`take_in_tx`], for the question `shipping.apply`, which is answered with the status at once.
///
/// # Errors
/// As [`take_in_tx`].
pub async fn apply_in_tx(
    transaction: &mut Transaction,
    command: &Command<ShipmentSpec>,
    now: Timestamp,
) -> Result<ShipmentStatus, HandleError> {
    Ok(take_in_tx(transaction, command, now).await?.status())
}
