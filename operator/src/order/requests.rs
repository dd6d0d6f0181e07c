//! What people ask of an order, by annotation: each new value is a new request, and the same value again is done already.

use resources::{Order, OrderStatus, REPAIR_BY_ANNOTATION, REPAIR_REASON, REPAIRS, Repair, RepairAction};

/// Whom the field is said to belong to when nobody is named.
const NOBODY: &str = "somebody whom the API server does not name";
/// How much of a name is kept, in characters.
const NAME: usize = 200;

/// A request that is not judged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) action: RepairAction,
    pub(crate) reason: String,
}

/// The next request that the status does not answer yet.
pub(crate) fn next(order: &Order, status: &OrderStatus) -> Option<Request> {
    let annotations = order.metadata.annotations.as_ref()?;
    RepairAction::ALL.into_iter().find_map(|action| {
        let reason = one_line(annotations.get(action.annotation())?, REPAIR_REASON);
        let last = status.repairs.iter().rev().find(|repair| repair.action == action);
        last.is_none_or(|last| last.reason != reason).then_some(Request { action, reason })
    })
}

/// Every action for which there is a request that the status does not answer yet.
pub(crate) fn asked(order: &Order, status: &OrderStatus) -> Vec<RepairAction> {
    let mut status = OrderStatus { repairs: status.repairs.clone(), ..OrderStatus::default() };
    let mut asked = Vec::new();
    while let Some(Request { action, reason }) = next(order, &status) {
        asked.push(action);
        let at = k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime(jiff::Timestamp::UNIX_EPOCH);
        let outcome = resources::RepairOutcome::Refused;
        let (by, message) = (String::new(), String::new());
        status.repairs.push(Repair { number: 0, action, reason, by, at, outcome, message });
    }
    asked
}

/// Who asked, by the managed fields of the order as the API server has it: the user whom the same writer named beside the
/// request, else the writer. An annotation that names somebody and was left by another writer counts for nothing.
pub(crate) fn asker(live: &Order, action: RepairAction) -> String {
    let field = |name: &str| format!("f:{name}");
    let owns = |fields: &serde_json::Value, name: &str| {
        fields
            .get("f:metadata")
            .and_then(|it| it.get("f:annotations"))
            .is_some_and(|it| it.get(field(name)).is_some())
    };
    let writers = live.metadata.managed_fields.iter().flatten();
    let writer = writers
        .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0, action.annotation())))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let Some(writer) = writer else { return NOBODY.to_owned() };
    let named = live.metadata.annotations.as_ref().and_then(|all| all.get(REPAIR_BY_ANNOTATION));
    let beside = writer.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0, REPAIR_BY_ANNOTATION));
    let named = named.filter(|_| beside).map(|name| one_line(name, NAME));
    let manager = one_line(writer.manager.as_deref().unwrap_or_default(), NAME);
    [named.unwrap_or_default(), manager]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| NOBODY.to_owned())
}

/// Keeps a judged request. The last one of each action stays, or its annotation would ask again.
pub(crate) fn keep(repairs: &mut Vec<Repair>, repair: Repair) {
    repairs.push(repair);
    while repairs.len() > REPAIRS {
        let superseded = |(place, one): &(usize, &Repair)| {
            repairs.iter().skip(place + 1).any(|later| later.action == one.action)
        };
        let oldest = repairs.iter().enumerate().find(superseded).map_or(0, |(place, _)| place);
        repairs.remove(oldest);
    }
}

/// At most `most` characters of one printable line.
fn one_line(text: &str, most: usize) -> String {
    let printable: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    printable.trim().chars().take(most).collect::<String>().trim_end().to_owned()
}
