//! Runs: orders that go a path under faults, many at the same time, each checked when it has come to rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chassis::effect::faults::{self, Fault};
use kube::api::PostParams;
use resources::{ORDER_ID_ANNOTATION, Order, OrderPhase};
use serde_json::json;
use testkit::crash::{Cell, Random, Table, together};
use testkit::{Level, PATIENCE, Placed, Program, Stack, TestShop, eventually, order, policy, unique};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::check::{Ledgers, books_are_right};
use crate::paths::{Deed, Goods, Path, Policy, When};
use crate::world::World;

/// How many orders are on their way at the same time, unless `CRASH_IN_FLIGHT` says so.
const IN_FLIGHT: u64 = 24;
const STOCK: i64 = 1_000_000;

/// A path under faults.
#[derive(Clone)]
pub struct Run {
    pub path: &'static Path,
    pub faults: Vec<Fault>,
}

/// Where all runs take place, and what was seen.
pub struct Matrix {
    place: Arc<Place>,
    table: Mutex<Table>,
    wrong: Mutex<Vec<String>>,
}

struct Place {
    usual: TestShop,
    impatient: TestShop,
    on_dispatch: TestShop,
    /// One article for each order on its way, or all would wait for the one whose effect on the stock is late.
    plenty: Mutex<Vec<String>>,
    none: String,
    ledgers: Ledgers,
}

type Passed = BTreeMap<String, u32>;

impl Matrix {
    /// Shops and goods.
    pub async fn open() -> anyhow::Result<Self> {
        let stack = Stack::from_env().await?;
        let patient = || policy().with("retry", json!({"initial": "1s", "maximum": "4s"}));
        let usual = stack.shop_with(patient()).await?;
        let impatient = stack.shop_with(patient().with("paymentTimeout", "3s")).await?;
        let on_dispatch = stack.shop_with(patient().with("capture", "OnDispatch")).await?;
        // The roles are only just starting.
        let none = eventually("catalog and inventory answer", || usual.stack.article("12.50", 0)).await?;
        let mut plenty = Vec::new();
        let in_flight = crate::number("CRASH_IN_FLIGHT", IN_FLIGHT);
        for _ in 0..in_flight {
            plenty.push(usual.stack.article("12.50", STOCK).await?);
        }
        let plenty = Mutex::new(plenty);
        let ledgers = Ledgers::open(&stack).await?;
        let place = Arc::new(Place { usual, impatient, on_dispatch, plenty, none, ledgers });
        Ok(Self { place, table: Mutex::default(), wrong: Mutex::default() })
    }

    /// Runs them all, mixed; answers the points that each passed, or what was wrong in the end.
    pub async fn run_all(&self, runs: Vec<Run>, clean: bool) -> Vec<(&'static Path, anyhow::Result<Passed>)> {
        let slots = Arc::new(Semaphore::new(self.place.articles().len() - 1));
        let mut going = JoinSet::new();
        for run in runs {
            let (place, slots) = (self.place.clone(), slots.clone());
            going.spawn(async move {
                let _slot = slots.acquire_owned().await;
                let id = uuid::Uuid::new_v4().to_string();
                let began = Instant::now();
                let sku = place.take_article()?;
                let outcome = place.go(&run, &id, &sku, clean).await;
                place.put_back(sku);
                let (passed, struck) = faults::unwatch(&id);
                Some((run, id, outcome, passed, struck, began.elapsed()))
            });
        }
        let mut seen = Vec::new();
        while let Some(joined) = going.join_next().await {
            let Ok(Some((run, id, outcome, passed, struck, took))) = joined else { continue };
            if !clean {
                self.note(&run, &id, &outcome, &struck, took);
            }
            seen.push((run.path, outcome.map(|()| passed)));
        }
        seen
    }

    fn note(&self, run: &Run, id: &str, outcome: &anyhow::Result<()>, struck: &[Fault], took: Duration) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in &run.faults {
            let cell = Cell { path: run.path.name, point: fault.point.clone(), mode: fault.mode };
            let struck = struck.contains(fault);
            table.note(cell, |seen| match (struck, outcome) {
                (true, Ok(())) => seen.well += 1,
                (true, Err(_)) => seen.wrong += 1,
                (false, _) => seen.missed += 1,
            });
        }
        if let Err(error) = outcome {
            let faults: Vec<String> = struck
                .iter()
                .map(|fault| format!("{:?} at {} #{}", fault.mode, fault.point, fault.occurrence))
                .collect();
            let text = format!(
                "path {}, order {id}, after {took:?}, struck by [{}]: {error:#}",
                run.path.name,
                faults.join(", ")
            );
            println!("WRONG {}", text.lines().next().unwrap_or_default());
            eprintln!("WRONG {text}");
            self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    /// Runs for the cells that none has seen.
    pub fn second_tries(&self, random: &mut Random) -> Vec<Run> {
        let unseen = self.table.lock().unwrap_or_else(PoisonError::into_inner).unseen();
        let mut runs = Vec::new();
        for path in crate::paths::PATHS {
            let base = (path.base)();
            let fault = |cell: &Cell| {
                let taken = base.iter().any(|fault| fault.point == cell.point && fault.occurrence == 1);
                Fault { point: cell.point.clone(), occurrence: if taken { 2 } else { 1 }, mode: cell.mode }
            };
            let missed = unseen.iter().filter(|cell| cell.path == path.name).map(fault).collect();
            runs.extend(together(missed, random).into_iter().map(|faults| Run { path, faults }));
        }
        runs
    }

    /// Checks the books of the whole, tells what was seen, and fails where something was wrong.
    pub async fn close(self, world: &World, seed: u64, started: Instant) -> anyhow::Result<()> {
        let mut wrong = self.wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        let table = self.table.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ledgers = &self.place.ledgers;
        let rest = eventually("nothing is left to be done", || async {
            let left = ledgers.leftovers().await?;
            anyhow::ensure!(left.is_empty(), "{}", left.join("; "));
            for sku in self.place.articles() {
                let level = self.place.usual.stack.stock(&sku).await?;
                anyhow::ensure!(level == Level::of(level.on_hand, 0), "the stock of {sku} is {level:?}");
            }
            Ok(())
        })
        .await;
        if let Err(error) = rest {
            wrong.push(format!("{error:#}"));
        }
        wrong.extend(audited().await);
        let (seen, cells) = table.coverage();
        let rendered = table.render();
        let told = format!(
            "{cells} cells (point, path, fault), {seen} of them seen; {} faults struck, {} roles died; seed {seed}; {:?}",
            table.struck(),
            world.deaths(),
            started.elapsed()
        );
        let legend = "crash before / crash after / answer lost / twice / delayed: how often survived; ! wrong; · not reached; - no meaning";
        let text = format!("# The crash matrix\n\n{told}\n\n{legend}\n\n{rendered}");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/crash-matrix.md");
        std::fs::write(&file, &text).with_context(|| format!("failed to write {}", file.display()))?;
        println!("{rendered}\n{legend}\n{told}\nthe table is in {}", file.display());
        for cell in table.unseen() {
            println!("not reached: {:?} at {} of {}", cell.mode, cell.point, cell.path);
        }
        let place = Arc::into_inner(self.place).context("a run goes on")?;
        for shop in [place.usual, place.impatient, place.on_dispatch] {
            shop.close().await?;
        }
        anyhow::ensure!(wrong.is_empty(), "{} runs went wrong:\n{}", wrong.len(), wrong.join("\n"));
        Ok(())
    }
}

impl Place {
    fn shop(&self, path: &Path) -> &TestShop {
        match path.policy {
            Policy::Usual => &self.usual,
            Policy::Impatient => &self.impatient,
            Policy::OnDispatch => &self.on_dispatch,
        }
    }

    fn take_article(&self) -> Option<String> {
        self.plenty.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, sku: String) {
        self.plenty.lock().unwrap_or_else(PoisonError::into_inner).push(sku);
    }

    fn articles(&self) -> Vec<String> {
        let mut all = self.plenty.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.push(self.none.clone());
        all
    }

    async fn go(&self, run: &Run, id: &str, sku: &str, clean: bool) -> anyhow::Result<()> {
        let Run { path, faults } = run;
        let shop = self.shop(path);
        let goods = match path.goods {
            Goods::Plenty => sku,
            Goods::None => &self.none,
        };
        let name = unique(path.name);
        let mut armed = (path.base)();
        armed.extend(faults.iter().cloned());
        faults::watch(id, &name, armed);
        let mut wanted = (path.order)(order().named(&name).item(goods, 2)).build();
        wanted.metadata.annotations = Some([(ORDER_ID_ANNOTATION.to_owned(), id.to_owned())].into());
        let created = shop.api::<Order>().create(&PostParams::default(), &wanted).await;
        let placed = shop.remember(&created.context("failed to place an order")?)?;
        let gone = self.customer_does(shop, path, &placed, clean).await?;
        self.comes_to_rest(shop, &placed, path.goes || gone).await?;
        books_are_right(shop, &self.ledgers, path, &placed, clean).await?;
        // What is done is not to slow what is not.
        if !path.goes {
            shop.delete(&placed).await?;
        }
        Ok(())
    }

    /// Waits until the order has ended, or is gone: as often as `CRASH_PATIENCE` says.
    async fn comes_to_rest(&self, shop: &TestShop, placed: &Placed, goes: bool) -> anyhow::Result<()> {
        let mut turns = crate::number("CRASH_PATIENCE", 1);
        loop {
            let ended = if goes {
                shop.gone(placed).await
            } else {
                shop.wait(placed, "ends", is_finished).await.map(|_| ())
            };
            turns = turns.saturating_sub(1);
            if ended.is_ok() || turns == 0 {
                return ended;
            }
        }
    }

    /// Answers true when the order was deleted.
    async fn customer_does(
        &self,
        shop: &TestShop,
        path: &Path,
        placed: &Placed,
        clean: bool,
    ) -> anyhow::Result<bool> {
        let deed = match path.when {
            When::Never => return Ok(false),
            When::Held(deed) => {
                // A fault may have brought the order past it, or kept it from coming there: then it is done anyway.
                let until = Instant::now() + PATIENCE / 6;
                while !faults::is_held(&placed.id)
                    && Instant::now() < until
                    && !self.is_over(shop, placed).await
                {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                deed
            }
            When::Awaiting(deed) => {
                // A charge whose request was lost is made after all where a crash has it made again, and only there.
                let waits = |order: &Order| {
                    phase(order) == Some(OrderPhase::AwaitingPayment) || !clean && is_finished(order)
                };
                if is_finished(&shop.wait(placed, "awaits its payment", waits).await?) {
                    return Ok(false);
                }
                deed
            }
            When::Shipped(deed) => {
                let shipped = |order: &Order| phase(order) == Some(OrderPhase::Shipped) || is_finished(order);
                shop.wait(placed, "is shipped", shipped).await?;
                deed
            }
        };
        match deed {
            Deed::Cancel => shop.cancel(placed).await?,
            Deed::Delete => shop.delete(placed).await?,
            Deed::Pay => {
                let pays = json!({"spec": {"payment": {"method": "pm_card_visa", "retry": 1}}});
                shop.change(placed, pays).await?;
            }
        }
        if faults::is_held(&placed.id) {
            // What is held goes on once the wish is known, not before: else the two would race.
            let known = |order: &Order| phase(order) == Some(OrderPhase::Compensating) || is_finished(order);
            let knowing = shop.wait(placed, "takes the wish in", known);
            let _ = tokio::time::timeout(Duration::from_secs(5), knowing).await;
            faults::release(&placed.id);
        }
        Ok(deed == Deed::Delete)
    }

    async fn is_over(&self, shop: &TestShop, placed: &Placed) -> bool {
        shop.api::<Order>()
            .get_opt(&placed.name)
            .await
            .is_ok_and(|order| order.is_none_or(|one| is_finished(&one)))
    }
}

/// What the audit finds, of all orders of all runs together.
async fn audited() -> Option<String> {
    match Program::supercargo(&["audit"]).run().await {
        Ok(ended) if ended.code == Some(0) && !ended.stdout.contains("dead-letter") => {
            println!("the audit: {}", ended.stdout.trim());
            None
        }
        Ok(ended) => Some(format!("the audit, exit code {:?}: {}{}", ended.code, ended.stdout, ended.stderr)),
        Err(error) => Some(format!("the audit: {error:#}")),
    }
}

fn phase(order: &Order) -> Option<OrderPhase> {
    order.status.as_ref().and_then(|status| status.phase)
}

fn is_finished(order: &Order) -> bool {
    phase(order).is_some_and(OrderPhase::is_finished)
}
