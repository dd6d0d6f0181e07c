//! Which faults a run gets. Pure: the same seed plans the same runs.

use std::collections::BTreeMap;

use chassis::effect::faults::{Fault, Mode};

/// One fault of one path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The path's name.
    pub path: &'static str,
    /// The point's name.
    pub point: String,
    /// What happens there.
    pub mode: Mode,
}

/// Numbers that a seed determines (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }

    /// Puts them into another order.
    pub fn mix<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

/// The faults that make sense at a point: a commit cannot be done twice but its message can be handled twice; whether the
/// lease of work is renewed, or a message refused, depends on how long others take.
#[must_use]
pub fn modes_at(point: &str) -> &'static [Mode] {
    const WHOLE: &[Mode] = &[Mode::Twice];
    const COMMIT: &[Mode] = &[Mode::CrashBefore, Mode::CrashAfter, Mode::AnswerLost, Mode::Delayed];
    const CLAIM: &[Mode] = &[Mode::CrashAfter, Mode::AnswerLost];
    match point.rsplit('.').next() {
        Some("handle" | "perform") => WHOLE,
        Some("commit") => COMMIT,
        Some("claim") => CLAIM,
        Some("renew" | "refuse") => &[],
        Some(_) | None => &Mode::ALL,
    }
}

/// One fault for each point that was passed and each mode; which time it strikes is drawn.
#[must_use]
pub fn faults(passed: &BTreeMap<String, u32>, base: &[Fault], random: &mut Random) -> Vec<Fault> {
    let mut all = Vec::new();
    for (point, times) in passed {
        for mode in modes_at(point) {
            let drawn = random.below(usize::try_from(*times).unwrap_or(1));
            let occurrence = u32::try_from(drawn).unwrap_or(0) + 1;
            let taken = base.iter().any(|fault| fault.point == *point && fault.occurrence == occurrence);
            // Where the path itself has a fault, the next time is struck.
            let occurrence = if taken { occurrence % times + 1 } else { occurrence };
            if !base.iter().any(|fault| fault.point == *point && fault.occurrence == occurrence) {
                all.push(Fault { point: point.clone(), occurrence, mode: *mode });
            }
        }
    }
    all
}

/// True for a point that is the order's own affair: what the operator, the provider and the carrier are asked differs from
/// path to path. All others are machinery that works for every path alike.
#[must_use]
pub fn is_own(point: &str) -> bool {
    point.starts_with("operator.")
        || point.starts_with("payment.provider.")
        || point.starts_with("shipping.carrier.")
}

/// Runs of one fault each.
#[must_use]
pub fn alone(faults: Vec<Fault>) -> Vec<Vec<Fault>> {
    faults.into_iter().map(|fault| vec![fault]).collect()
}

/// As few runs as cover every fault: each has at most one of every mode, at points of its own.
#[must_use]
pub fn together(mut left: Vec<Fault>, random: &mut Random) -> Vec<Vec<Fault>> {
    random.mix(&mut left);
    let mut runs: Vec<Vec<Fault>> = Vec::new();
    while let Some(fault) = left.pop() {
        let fits = |run: &&mut Vec<Fault>| {
            run.iter().all(|other| other.mode != fault.mode && other.point != fault.point)
        };
        match runs.iter_mut().find(fits) {
            Some(run) => run.push(fault),
            None => runs.push(vec![fault]),
        }
    }
    runs
}

/// So many pairs of crashes.
#[must_use]
pub fn pairs(
    passed: &BTreeMap<String, u32>,
    base: &[Fault],
    count: usize,
    random: &mut Random,
) -> Vec<Vec<Fault>> {
    let crashes = |random: &mut Random| {
        let mut all = faults(passed, base, random);
        all.retain(|fault| matches!(fault.mode, Mode::CrashBefore | Mode::CrashAfter));
        all
    };
    let mut runs = Vec::new();
    for _ in 0..count {
        let (first, second) = (crashes(random), crashes(random));
        if first.is_empty() {
            return runs;
        }
        let (one, other) = (&first[random.below(first.len())], &second[random.below(second.len())]);
        let mut run = vec![one.clone()];
        if (&other.point, other.occurrence) != (&one.point, one.occurrence) {
            run.push(other.clone());
        }
        runs.push(run);
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn passed() -> BTreeMap<String, u32> {
        [("operator.Payment.create", 1), ("payment.provider.confirm", 2), ("payment.answer.commit", 3)]
            .map(|(point, times)| (point.to_owned(), times))
            .into()
    }

    fn cells(runs: &[Vec<Fault>]) -> BTreeSet<(String, Mode)> {
        runs.iter().flatten().map(|fault| (fault.point.clone(), fault.mode)).collect()
    }

    #[test]
    fn few_runs_cover_what_single_ones_do() {
        let mut random = Random::new(1);
        let few = together(faults(&passed(), &[], &mut random), &mut random);
        let single = alone(faults(&passed(), &[], &mut random));
        assert_eq!(single.len(), 5 + 5 + 4);
        assert_eq!(cells(&few), cells(&single));
        assert!(few.len() < single.len() / 2, "{} runs", few.len());
        for run in &few {
            let points: BTreeSet<&str> = run.iter().map(|fault| fault.point.as_str()).collect();
            assert_eq!(points.len(), run.len(), "two faults at one point: {run:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_runs_again() {
        let of = |seed| together(faults(&passed(), &[], &mut Random::new(seed)), &mut Random::new(seed));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let pairs_of = |seed| pairs(&passed(), &[], 20, &mut Random::new(seed));
        assert_eq!(pairs_of(7), pairs_of(7));
        assert!(pairs_of(7).iter().any(|run| run.len() == 2));
    }

    #[test]
    fn the_fault_of_the_path_itself_keeps_its_place() {
        let base =
            [Fault { point: "payment.provider.confirm".into(), occurrence: 1, mode: Mode::AnswerLost }];
        for seed in 0..20 {
            let all = faults(&passed(), &base, &mut Random::new(seed));
            let clash = |fault: &&Fault| fault.point == base[0].point && fault.occurrence == 1;
            assert_eq!(all.iter().find(clash), None);
        }
    }
}
