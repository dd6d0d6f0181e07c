//! Where a parcel is: a pure function of its address, when it was booked, how long it travels, and the time.

/// Tracker statuses by EasyPost's names. `Failure` is an exception that may pass; `Error` is a parcel lost for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrackerStatus {
    PreTransit,
    InTransit,
    OutForDelivery,
    Delivered,
    ReturnToSender,
    Failure,
    Error,
    Cancelled,
}

impl TrackerStatus {
    /// EasyPost's name.
    pub fn name(self) -> &'static str {
        match self {
            TrackerStatus::PreTransit => "pre_transit",
            TrackerStatus::InTransit => "in_transit",
            TrackerStatus::OutForDelivery => "out_for_delivery",
            TrackerStatus::Delivered => "delivered",
            TrackerStatus::ReturnToSender => "return_to_sender",
            TrackerStatus::Failure => "failure",
            TrackerStatus::Error => "error",
            TrackerStatus::Cancelled => "cancelled",
        }
    }

    /// What the status means, in EasyPost's second word.
    pub fn detail(self) -> &'static str {
        match self {
            TrackerStatus::PreTransit => "label_created",
            TrackerStatus::InTransit => "in_transit",
            TrackerStatus::OutForDelivery => "out_for_delivery",
            TrackerStatus::Delivered => "arrived_at_destination",
            TrackerStatus::ReturnToSender => "return",
            TrackerStatus::Failure => "delivery_exception",
            TrackerStatus::Error => "lost",
            TrackerStatus::Cancelled => "cancelled",
        }
    }

    /// What a person reads.
    pub fn message(self) -> &'static str {
        match self {
            TrackerStatus::PreTransit => "The label was made; the carrier waits for the parcel.",
            TrackerStatus::InTransit => "The carrier has picked the parcel up.",
            TrackerStatus::OutForDelivery => "The parcel is out for delivery.",
            TrackerStatus::Delivered => "The parcel was delivered.",
            TrackerStatus::ReturnToSender => "The parcel is back with its sender.",
            TrackerStatus::Failure => "Something is in the way of the parcel.",
            TrackerStatus::Error => "The parcel is lost.",
            TrackerStatus::Cancelled => "The label was refunded.",
        }
    }
}

/// What an address does to its parcels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Delivers,
    Loses,
    Hinders,
    Returns,
    Refuses,
}

/// Reads the script from how the first line of the address begins.
pub(crate) fn script(street1: &str) -> Script {
    let line = street1.trim_start();
    [
        ("UNDELIVERABLE", Script::Refuses),
        ("LOST", Script::Loses),
        ("EXCEPTION", Script::Hinders),
        ("RETURN", Script::Returns),
    ]
    .into_iter()
    .find(|(word, _)| line.starts_with(word))
    .map_or(Script::Delivers, |(_, script)| script)
}

/// One step of a parcel, at a time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub at: i64,
    pub status: TrackerStatus,
}

/// The whole way of a parcel. A label that was refunded stays where it was and ends.
pub(crate) fn way(script: Script, booked_at: i64, delivery: i64, cancelled_at: Option<i64>) -> Vec<Step> {
    let after = |eighths: i64, status| Step { at: booked_at + delivery * eighths / 8, status };
    let booked = after(0, TrackerStatus::PreTransit);
    if let Some(at) = cancelled_at {
        return vec![booked, Step { at, status: TrackerStatus::Cancelled }];
    }
    let picked_up = after(4, TrackerStatus::InTransit);
    match script {
        Script::Delivers | Script::Refuses => vec![booked, picked_up, after(8, TrackerStatus::Delivered)],
        Script::Loses => {
            vec![booked, picked_up, after(6, TrackerStatus::Failure), after(8, TrackerStatus::Error)]
        }
        Script::Hinders => vec![
            booked,
            picked_up,
            after(5, TrackerStatus::Failure),
            after(6, TrackerStatus::OutForDelivery),
            after(8, TrackerStatus::Delivered),
        ],
        Script::Returns => vec![booked, picked_up, after(8, TrackerStatus::ReturnToSender)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(street1: &str, delivery: i64, now: i64) -> Vec<&'static str> {
        let way = way(script(street1), 0, delivery, None);
        way.into_iter().filter(|step| step.at <= now).map(|step| step.status.name()).collect()
    }

    #[test]
    fn a_parcel_is_booked_then_in_transit_after_half_and_delivered_after_the_whole() {
        assert_eq!(names("1 High Street", 5_000, 2_499), ["pre_transit"]);
        assert_eq!(names("1 High Street", 5_000, 2_500), ["pre_transit", "in_transit"]);
        assert_eq!(names("1 High Street", 5_000, 4_999), ["pre_transit", "in_transit"]);
        assert_eq!(names("1 High Street", 5_000, 5_000), ["pre_transit", "in_transit", "delivered"]);
    }

    #[test]
    fn without_a_travelling_time_every_step_is_there_at_once_in_order() {
        assert_eq!(names("1 High Street", 0, 0), ["pre_transit", "in_transit", "delivered"]);
        assert_eq!(names("LOST LANE 1", 0, 0), ["pre_transit", "in_transit", "failure", "error"]);
    }

    #[test]
    fn addresses_decide_what_goes_wrong() {
        assert_eq!(names("LOST 1", 8, 8), ["pre_transit", "in_transit", "failure", "error"]);
        assert_eq!(
            names("EXCEPTION 1", 8, 8),
            ["pre_transit", "in_transit", "failure", "out_for_delivery", "delivered"]
        );
        assert_eq!(names("RETURN 1", 8, 8), ["pre_transit", "in_transit", "return_to_sender"]);
        assert_eq!(script("UNDELIVERABLE 1"), Script::Refuses);
        assert_eq!(script("1 LOST Street"), Script::Delivers);
    }

    #[test]
    fn a_refunded_label_goes_nowhere() {
        let way = way(Script::Delivers, 0, 1_000, Some(100));
        assert_eq!(way.last().map(|step| step.status), Some(TrackerStatus::Cancelled));
        assert_eq!(way.len(), 2);
    }
}
