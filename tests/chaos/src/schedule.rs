//! Which fault strikes when: a pure function of the seed and the time that there is.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A process of the stack or of the shop, by its name.
pub type Name = &'static str;

/// The infrastructure, as `dev/up` names it.
pub const INFRASTRUCTURE: [Name; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "nats", "postgres", "sandbox"];
/// The shop: each role on its own, what carries most of it twice.
pub const SHOP: [(Name, Name); 12] = [
    ("operator-1", "operator"),
    ("operator-2", "operator"),
    ("inventory-1", "inventory"),
    ("inventory-2", "inventory"),
    ("payment-1", "payment"),
    ("payment-2", "payment"),
    ("shipping-1", "shipping"),
    ("orders-1", "orders"),
    ("orders-2", "orders"),
    ("notifications-1", "notifications"),
    ("catalog-1", "catalog"),
    ("accounts-1", "accounts"),
];
/// How long a dependency stays away.
pub const AWAY: Duration = Duration::from_secs(10);

/// Longer than a leader's lease.
const PAST_THE_LEASE: Duration = Duration::from_secs(13);
/// Between two outages, and as much again by the dice.
const PAUSE: Duration = Duration::from_millis(900);

/// What can go away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// A process of the infrastructure.
    Process(Name),
    /// One server of the sandbox: it closes every connection.
    Stripe,
    /// As above.
    Carrier,
    /// As above.
    Mail,
}

impl Dependency {
    /// All of which each is away at least once.
    pub const ALL: [Self; 6] = [
        Self::Process("nats"),
        Self::Process("postgres"),
        Self::Process("kube-apiserver"),
        Self::Stripe,
        Self::Carrier,
        Self::Mail,
    ];

    /// Its name in the report.
    pub fn name(self) -> Name {
        match self {
            Self::Process(name) => name,
            Self::Stripe => "stripe",
            Self::Carrier => "carrier",
            Self::Mail => "mail",
        }
    }
}

/// How a process goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// It stands still: its connections stay open and nothing answers.
    Paused,
    /// It is stopped in order and started again.
    Stopped,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; the supervisor starts it again.
    Kill(Name),
    /// These are away for [`AWAY`].
    Away(Vec<Dependency>, Manner),
    /// Watch events are delayed, dropped and repeated, and answers are lost, for so long.
    Watches(Duration),
    /// Every connection to the API server is severed.
    Sever,
    /// The operator that leads is paused past its lease, and woken.
    PauseLeader(Duration),
    /// The operator that leads is cut off from the API server.
    CutOffLeader(Duration),
    /// NATS loses its data directory and starts empty.
    EmptyNats,
    /// Postgres has no connection left, for so long.
    ConnectionLimit(Duration),
    /// The clock of the shop jumps by so many seconds, and back.
    Clock(i64),
    /// The disk of this process is full for so long.
    DiskFull(Name, Duration),
}

/// A fault and its time from the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// When.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// What the schedule is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All dice are thrown by it.
    pub seed: u64,
    /// How long faults strike.
    pub length: Duration,
    /// How many processes are killed at least.
    pub kills: usize,
    /// The clock can be made to jump: the program was built for it.
    pub clock: bool,
    /// There are small disks that can be filled.
    pub disks: bool,
}

impl Fault {
    /// How long it takes until all is there again.
    pub fn takes(&self) -> Duration {
        match self {
            Self::Kill(_) | Self::Sever => Duration::ZERO,
            Self::Away(..) => AWAY,
            Self::Watches(time)
            | Self::PauseLeader(time)
            | Self::CutOffLeader(time)
            | Self::ConnectionLimit(time)
            | Self::DiskFull(_, time) => *time,
            Self::EmptyNats => Duration::from_secs(1),
            Self::Clock(_) => Duration::from_secs(8),
        }
    }
}

/// The schedule: outages one after the other, every kind in each round and in an order of its own, with kills between and
/// during them. What has no place in a short time is not there: rounds are whole only as far as the time goes.
pub fn schedule(plan: Plan) -> Vec<Strike> {
    let mut dice = StdRng::seed_from_u64(plan.seed);
    let mut strikes = Vec::new();
    let mut at = Duration::from_secs(3);
    'rounds: for number in 0.. {
        for fault in round(&mut dice, plan, number) {
            if at + fault.takes() > plan.length {
                break 'rounds;
            }
            let takes = fault.takes();
            strikes.push(Strike { at, fault });
            at += takes + PAUSE.mul_f64(dice.random_range(1.0..2.0));
        }
    }
    let milliseconds = u64::try_from(plan.length.as_millis()).unwrap_or(u64::MAX).max(2);
    for number in 0..plan.kills {
        let at = Duration::from_millis(dice.random_range(1..milliseconds));
        strikes.push(Strike { at, fault: Fault::Kill(victim(&mut dice, number)) });
    }
    strikes.sort_by_key(|strike| strike.at);
    strikes
}

/// One in four is of the infrastructure; the first ones strike every kind of process once.
fn victim(dice: &mut StdRng, number: usize) -> Name {
    const EACH: [Name; 8] = [
        "operator-1",
        "payment-1",
        "inventory-1",
        "nats",
        "postgres",
        "kube-apiserver",
        "orders-1",
        "sandbox",
    ];
    if let Some(name) = EACH.get(number) {
        return name;
    }
    if dice.random_ratio(1, 4) {
        return INFRASTRUCTURE.choose(dice).copied().unwrap_or("nats");
    }
    SHOP.choose(dice).map_or("operator-1", |(name, _)| name)
}

/// Every kind of outage once.
fn round(dice: &mut StdRng, plan: Plan, number: u32) -> Vec<Fault> {
    let manner = |dice: &mut StdRng| if dice.random() { Manner::Paused } else { Manner::Stopped };
    let mut faults = vec![
        Fault::Watches(Duration::from_secs(15)),
        Fault::EmptyNats,
        Fault::ConnectionLimit(Duration::from_secs(6)),
        Fault::Sever,
    ];
    let mut singles = Dependency::ALL.to_vec();
    shuffle(dice, &mut singles);
    let (processes, servers): (Vec<_>, Vec<_>) =
        singles.into_iter().partition(|one| matches!(one, Dependency::Process(_)));
    for (index, one) in processes.into_iter().enumerate() {
        // Over the rounds each is paused and stopped.
        let manner = if (index + usize::try_from(number).unwrap_or(0)).is_multiple_of(2) {
            Manner::Paused
        } else {
            Manner::Stopped
        };
        faults.push(Fault::Away(vec![one], manner));
    }
    faults.extend(servers.into_iter().map(|one| Fault::Away(vec![one], Manner::Stopped)));
    let mut pair = Dependency::ALL.to_vec();
    shuffle(dice, &mut pair);
    pair.truncate(2);
    pair.sort_unstable();
    faults.push(Fault::Away(pair, manner(dice)));
    if plan.clock {
        let jump = *[-3600, -90, 90, 3600].choose(dice).unwrap_or(&90);
        faults.push(Fault::Clock(jump));
    }
    if plan.disks {
        faults.push(Fault::DiskFull("nats", AWAY));
        faults.push(Fault::DiskFull("postgres", AWAY));
    }
    shuffle(dice, &mut faults);
    // Last, since a short run has measured both before, with nothing else going on.
    faults.push(Fault::PauseLeader(PAST_THE_LEASE));
    faults.push(Fault::CutOffLeader(PAST_THE_LEASE));
    faults
}

fn shuffle<T>(dice: &mut StdRng, list: &mut [T]) {
    for last in (1..list.len()).rev() {
        list.swap(last, dice.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(seed: u64, seconds: u64) -> Plan {
        Plan { seed, length: Duration::from_secs(seconds), kills: 20, clock: true, disks: false }
    }

    #[test]
    fn the_schedule_is_a_function_of_the_seed() {
        assert_eq!(schedule(plan(7, 180)), schedule(plan(7, 180)));
        assert_ne!(schedule(plan(7, 180)), schedule(plan(8, 180)));
    }

    #[test]
    fn outages_follow_one_another_and_end_in_time() {
        for seed in 0..50 {
            let strikes = schedule(plan(seed, 240));
            let mut free = Duration::ZERO;
            for Strike { at, fault } in
                strikes.iter().filter(|strike| !matches!(strike.fault, Fault::Kill(_)))
            {
                assert!(*at >= free, "seed {seed}: {fault:?} at {at:?} before {free:?}");
                free = *at + fault.takes();
            }
            assert!(free <= Duration::from_secs(240), "seed {seed}");
        }
    }

    #[test]
    fn a_long_run_has_every_fault_and_every_dependency_away_in_both_manners() {
        let strikes = schedule(Plan { disks: true, ..plan(3, 3600) });
        let kinds: BTreeSet<String> = strikes
            .iter()
            .map(|strike| {
                format!("{:?}", strike.fault).split(['(', ' ']).next().unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
        let away: BTreeSet<_> = strikes
            .iter()
            .filter_map(|strike| {
                let Fault::Away(one, manner) = &strike.fault else { return None };
                (one.len() == 1).then(|| (one.clone(), *manner))
            })
            .collect();
        for name in ["nats", "postgres", "kube-apiserver"] {
            for manner in [Manner::Paused, Manner::Stopped] {
                assert!(away.contains(&(vec![Dependency::Process(name)], manner)), "{name} {manner:?}");
            }
        }
        let pairs =
            strikes.iter().filter(|one| matches!(&one.fault, Fault::Away(pair, _) if pair.len() == 2));
        assert!(pairs.count() >= 5);
    }

    #[test]
    fn a_short_run_has_every_outage_that_is_not_measured_before() {
        for seed in 0..100 {
            let strikes = schedule(plan(seed, 150));
            let has = |wanted: &dyn Fn(&Fault) -> bool| strikes.iter().any(|strike| wanted(&strike.fault));
            for one in Dependency::ALL {
                assert!(
                    has(&|fault| matches!(fault, Fault::Away(all, _) if *all == [one])),
                    "{one:?}, seed {seed}"
                );
            }
            assert!(
                has(&|fault| matches!(fault, Fault::Away(all, _) if all.len() == 2)),
                "a pair, seed {seed}"
            );
            assert!(has(&|fault| matches!(fault, Fault::Watches(_))), "seed {seed}");
            assert!(has(&|fault| *fault == Fault::EmptyNats), "seed {seed}");
            assert!(has(&|fault| matches!(fault, Fault::ConnectionLimit(_))), "seed {seed}");
            assert!(has(&|fault| matches!(fault, Fault::Clock(_))), "seed {seed}");
        }
    }

    #[test]
    fn as_many_are_killed_as_asked_for_and_each_kind_of_process_first() {
        let strikes = schedule(plan(1, 180));
        let killed: Vec<Name> = strikes
            .iter()
            .filter_map(|strike| if let Fault::Kill(name) = strike.fault { Some(name) } else { None })
            .collect();
        assert_eq!(killed.len(), 20);
        for name in ["operator-1", "payment-1", "postgres", "kube-apiserver", "nats"] {
            assert!(killed.contains(&name), "{name}");
        }
    }
}
