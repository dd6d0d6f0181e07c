//! Who may take the Lease: pure, with time passed in.
//!
//! As Kubernetes' own leader election does it: a standby believes no clock but its own. It counts from when it first saw a
//! renewal, so that the leader's clock may be wrong; and the leader counts from before it asked for a renewal, so that its
//! own time is over first.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// How long a Lease holds without being renewed: a dead leader is followed after this and a look.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// How often it is renewed.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often a standby looks: it follows a leader that has let go within this.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A leader that was not renewed for so long begins nothing new.
pub(super) const MANDATE: Duration = Duration::from_millis(7500);
/// And what it began is cut off after this, before anybody else may lead.
pub(super) const CUT_OFF: Duration = Duration::from_millis(9500);

/// What may be done about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody has it, or whoever had it is silent: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody else has it.
    StandBy,
}

/// What tells one renewal from another: holder, time and transitions.
type Renewal = (Option<String>, Option<MicroTime>, Option<i32>);

/// A renewal by somebody else, and when it was first seen.
#[derive(Default)]
pub(super) struct Watched {
    last: Option<(Renewal, Instant)>,
}

impl Watched {
    /// What `me` may do about the Lease as it is read at `now`.
    pub(super) fn judge(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Claim {
        let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else { return Claim::Take };
        let Some(holder) = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty()) else {
            return Claim::Take;
        };
        if holder == me {
            return Claim::Renew;
        }
        let seen = (spec.holder_identity.clone(), spec.renew_time.clone(), spec.lease_transitions);
        let since = match &self.last {
            Some((renewal, since)) if *renewal == seen => *since,
            Some(_) | None => {
                self.last = Some((seen, now));
                now
            }
        };
        let holds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let holds = holds.map_or(LEASE, Duration::from_secs);
        if now.saturating_duration_since(since) >= holds { Claim::Take } else { Claim::StandBy }
    }
}

/// The Lease as `me` holds it from `now` on.
pub(super) fn held(before: Option<&LeaseSpec>, me: &str, now: Timestamp) -> LeaseSpec {
    let renewed = Some(MicroTime(now));
    let own = before.filter(|spec| spec.holder_identity.as_deref() == Some(me));
    let transitions = before.and_then(|spec| spec.lease_transitions);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
        acquire_time: own.and_then(|spec| spec.acquire_time.clone()).or_else(|| renewed.clone()),
        renew_time: renewed,
        lease_transitions: if own.is_some() {
            transitions
        } else {
            Some(transitions.map_or(0, |times| times + 1))
        },
        ..LeaseSpec::default()
    }
}

/// The Lease once its holder has let go.
pub(super) fn released(before: &LeaseSpec) -> LeaseSpec {
    LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..before.clone() }
}

/// The Lease's name: operators of one scope agree on a leader, those of other scopes have a Lease of their own even where
/// they share its namespace.
pub(super) fn name(namespaces: &[Option<String>]) -> String {
    const NAME: &str = "supercargo-operator";
    let named: Vec<&str> = namespaces.iter().flatten().map(String::as_str).collect();
    match named.as_slice() {
        [] => NAME.to_owned(),
        [one] => format!("{NAME}-{one}"),
        many => {
            let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, many.join(",").as_bytes())
                .simple()
                .to_string();
            format!("{NAME}-{}", &id[..12])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(spec: LeaseSpec) -> Lease {
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn a_lease_that_is_absent_or_let_go_is_taken_at_once() {
        let (mut watched, now) = (Watched::default(), Instant::now());
        assert_eq!(watched.judge(None, "me", now), Claim::Take);
        let other = held(None, "other", at(0));
        assert_eq!(watched.judge(Some(&lease(released(&other))), "me", now), Claim::Take);
    }

    #[test]
    fn a_silent_holder_is_followed_after_its_lease_by_our_own_clock_however_wrong_its_own_is() {
        let (mut watched, began) = (Watched::default(), Instant::now());
        for wrong in [-86_400, 0, 86_400] {
            let theirs = lease(held(None, "other", at(wrong)));
            assert_eq!(watched.judge(Some(&theirs), "me", began), Claim::StandBy);
            let almost = began + LEASE - Duration::from_millis(1);
            assert_eq!(watched.judge(Some(&theirs), "me", almost), Claim::StandBy);
            assert_eq!(watched.judge(Some(&theirs), "me", began + LEASE), Claim::Take);
        }
    }

    #[test]
    fn a_holder_that_renews_keeps_it() {
        let (mut watched, began) = (Watched::default(), Instant::now());
        let mut spec = held(None, "other", at(0));
        for second in 0..60 {
            spec = held(Some(&spec), "other", at(i64::from(second)));
            let now = began + Duration::from_secs(u64::from(second as u32));
            assert_eq!(watched.judge(Some(&lease(spec.clone())), "me", now), Claim::StandBy);
        }
        assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(0), Some(MicroTime(at(0)))));
    }

    #[test]
    fn our_own_is_renewed_and_another_s_is_counted() {
        let (mut watched, now) = (Watched::default(), Instant::now());
        let mine = held(None, "me", at(0));
        assert_eq!(watched.judge(Some(&lease(mine.clone())), "me", now), Claim::Renew);
        let theirs = held(Some(&released(&mine)), "other", at(5));
        assert_eq!((theirs.lease_transitions, theirs.acquire_time), (Some(1), Some(MicroTime(at(5)))));
    }

    #[test]
    fn a_leader_s_time_is_over_before_another_may_lead() {
        assert!(RENEW_EVERY * 3 < MANDATE && MANDATE < CUT_OFF && CUT_OFF < LEASE);
        assert!(LEASE + LOOK_EVERY * 3 < Duration::from_secs(15));
    }

    #[test]
    fn each_scope_has_a_lease_of_its_own() {
        let of =
            |names: &[&str]| name(&names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>());
        assert_eq!(name(&[None]), "supercargo-operator");
        assert_eq!(of(&["berlin"]), "supercargo-operator-berlin");
        let many = of(&["berlin", "paris"]);
        assert!(many.starts_with("supercargo-operator-") && many != of(&["berlin", "rome"]), "{many}");
        assert!(of(&[&"n".repeat(63)]).len() <= 253);
    }
}
