//! The crash matrix, on a stack without a shop: its roles run in this process, and die and start again by the hundred.
//!
//! `make crash` starts the stack. `CRASH_SEED` repeats a run; `CRASH_PAIRS` says how many pairs of crashes are sampled of each
//! path, `CRASH_BREADTH` on how many paths the faults of what works for all alike are tried (2); `CRASH_ALONE=1` gives each fault a run of its own; `CRASH_PATHS` and `CRASH_POINT` keep to some. On a machine that is
//! busy otherwise: `CRASH_IN_FLIGHT`, `CRASH_PACE` lower, `CRASH_PATIENCE` (in minutes) higher.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test that fails says where"
)]

mod check;
mod paths;
mod runs;
mod webhooks;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use chassis::effect::faults;
use testkit::crash::{Random, alone, faults as faults_at, is_own, pairs, together};

use crate::paths::PATHS;
use crate::runs::{Matrix, Run};
use crate::world::World;

/// How often a path is tried without faults.
const CLEAN_TRIES: u32 = 3;
/// How much time passes at each delay.
const DELAY: Duration = Duration::from_secs(180);
/// By how much recovery is quicker than in production, unless `CRASH_PACE` says so.
const PACE: u64 = 4;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
#[ignore = "needs a stack of its own: make crash"]
fn every_effect_of_every_path_survives_every_fault() -> anyhow::Result<()> {
    let started = Instant::now();
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let seed = number("CRASH_SEED", clock % 1_000_000);
    println!("seed {seed}: CRASH_SEED={seed} make crash plans the same runs again");
    faults::set_pace(u32::try_from(number("CRASH_PACE", PACE))?);
    faults::delay_by(DELAY);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let world = runtime.block_on(World::start())?;
    let outcome = runtime.block_on(matrix(&world, seed, started));
    world.stop();
    runtime.shutdown_background();
    outcome
}

async fn matrix(world: &World, seed: u64, started: Instant) -> anyhow::Result<()> {
    let mut random = Random::new(seed);
    let matrix = Matrix::open().await?;
    let wanted = std::env::var("CRASH_PATHS").unwrap_or_default();
    let paths: Vec<_> = PATHS
        .iter()
        .filter(|path| wanted.is_empty() || wanted.split(',').any(|one| one == path.name))
        .collect();
    let mut clean = Vec::new();
    let mut left: Vec<Run> = paths.iter().map(|path| Run { path, faults: Vec::new() }).collect();
    // A wish that comes too late, since the machine is slow, has another try.
    for tries_left in (0..CLEAN_TRIES).rev() {
        for (path, passed) in matrix.run_all(std::mem::take(&mut left), true).await {
            match passed {
                Ok(passed) => clean.push((path, passed)),
                Err(error) if tries_left > 0 => {
                    println!("{} without faults, again: {:.300}", path.name, format!("{error:#}"));
                    left.push(Run { path, faults: Vec::new() });
                }
                Err(error) => return Err(error.context(format!("the path {} without faults", path.name))),
            }
        }
    }
    clean.sort_by_key(|(path, _)| path.name);
    random.mix(&mut clean);
    println!("{} paths without faults: {:?}", clean.len(), started.elapsed());
    let mut runs = Vec::new();
    let per_path = usize::try_from(number("CRASH_PAIRS", 1))?;
    let only = std::env::var("CRASH_POINT").unwrap_or_default();
    let breadth = number("CRASH_BREADTH", 2);
    let mut tries = BTreeMap::new();
    for (path, mut passed) in clean {
        passed.retain(|point, _| point.contains(&only));
        let base = (path.base)();
        let mut wanted = faults_at(&passed, &base, &mut random);
        // What works for every path alike is tried on some.
        wanted.retain(|fault| {
            let tried = tries.entry((fault.point.clone(), fault.mode)).or_insert(0);
            *tried += 1;
            is_own(&fault.point) || *tried <= breadth
        });
        let planned =
            if number("CRASH_ALONE", 0) == 1 { alone(wanted) } else { together(wanted, &mut random) };
        let pairs = pairs(&passed, &base, per_path, &mut random);
        runs.extend(planned.into_iter().chain(pairs).map(|faults| Run { path, faults }));
    }
    random.mix(&mut runs);
    let planned = runs.len();
    matrix.run_all(runs, false).await;
    println!("{planned} runs with faults: {:?}", started.elapsed());
    // What an earlier fault of the same run kept from being reached has another try, in other company.
    let again = matrix.second_tries(&mut random);
    let tries = again.len();
    matrix.run_all(again, false).await;
    println!("{tries} second tries: {:?}", started.elapsed());
    matrix.close(world, seed, started).await
}
