//! Memory while it runs, and what the processes do when there is nothing to do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::shop::{RELIST, Shop, is_ours};
use crate::usage;

const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// From this age on a process has made what it makes once.
const SETTLED: Duration = Duration::from_secs(15);
/// How much a process may grow after that, in KiB: a leak shows, a cache of the orders of the run does not.
const GROWTH_KIB: u64 = 48 * 1024;
/// How long the rest is looked at: from one listing of everything by the leader to the next, so that it is in there once.
pub const LOOK: Duration = RELIST;
/// CPU of one process at rest, in milliseconds a second: the listing, and every order decided once, in a program that is not
/// optimized.
const CPU_EACH: u64 = 60;
/// Requests to the API server of all of them at rest while it is looked at.
const REQUESTS: u64 = 120;

/// Memory of the shop's processes, by name and id.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<(String, u32), Samples>>);

#[derive(Clone, Copy)]
struct Samples {
    first: u64,
    last: u64,
    most: u64,
}

impl Memory {
    /// Looks at them for ever.
    pub async fn sample(&self, shop: &Shop) {
        loop {
            for (name, pid, age) in shop.supervisor.running(is_ours) {
                let Some(kib) = usage::pss_kib(pid).filter(|_| age >= SETTLED) else { continue };
                let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let samples = all.entry((name, pid)).or_insert(Samples { first: kib, last: kib, most: kib });
                samples.last = kib;
                samples.most = samples.most.max(kib);
            }
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// Those that grew beyond bounds.
    pub fn faults(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = all.iter().filter(|(_, samples)| samples.last.saturating_sub(samples.first) > GROWTH_KIB);
        grown
            .map(|((name, _), samples)| {
                format!("{name} grew from {} to {} MB", samples.first / 1024, samples.last / 1024)
            })
            .collect()
    }

    /// The most that each process took, in MB, over all its lives.
    pub fn most(&self) -> BTreeMap<String, u64> {
        let mut most = BTreeMap::new();
        for ((name, _), samples) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let entry: &mut u64 = most.entry(name.clone()).or_default();
            *entry = (*entry).max(samples.most / 1024);
        }
        most
    }
}

/// What the processes did while nothing was to be done.
pub struct Rest {
    /// CPU of each, in milliseconds a second.
    pub cpu: BTreeMap<String, u64>,
    /// Memory of each, in MB.
    pub memory: BTreeMap<String, u64>,
    /// Requests to the API server in [`LOOK`], of all of them.
    pub requests: u64,
}

impl Rest {
    /// Looks at the shop for a while.
    pub async fn look(shop: &Shop) -> Self {
        let requests = || shop.proxies.values().map(|proxy| proxy.passed().requests).sum::<u64>();
        let cpu = || -> BTreeMap<String, u64> {
            let running = shop.supervisor.running(is_ours).into_iter();
            running.filter_map(|(name, pid, _)| Some((name, usage::cpu_milliseconds(pid)?))).collect()
        };
        let (before, asked) = (cpu(), requests());
        tokio::time::sleep(LOOK).await;
        let (after, asked_then) = (cpu(), requests());
        let spent = after.into_iter().map(|(name, then)| {
            let spent = then.saturating_sub(before.get(&name).copied().unwrap_or_default());
            (name, spent / LOOK.as_secs())
        });
        let memory = shop.supervisor.running(is_ours).into_iter();
        let memory = memory.filter_map(|(name, pid, _)| Some((name, usage::pss_kib(pid)? / 1024)));
        Self { cpu: spent.collect(), memory: memory.collect(), requests: asked_then.saturating_sub(asked) }
    }

    /// Those that are busy although nothing is to be done.
    pub fn faults(&self) -> Vec<String> {
        let busy = self.cpu.iter().filter(|(_, spent)| **spent > CPU_EACH);
        let mut faults: Vec<String> =
            busy.map(|(name, spent)| format!("{name} takes {spent} ms of CPU a second at rest")).collect();
        if self.requests > REQUESTS {
            faults.push(format!("{} requests to the API server in {LOOK:?} at rest", self.requests));
        }
        faults
    }
}
