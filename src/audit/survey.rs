//! The survey: every order met once, in pages, wherever it is known; suspects looked at again until they stand still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::backlog;
use super::facts::OrderFacts;
use super::finding::{Finding, OrderName, Place};
use super::judge::judge;
use super::report::Checked;
use super::seen::Seen;
use super::sources::Sources;
use super::sources::ledgers::Keeper;
use super::sources::provider::AllBooks;

/// How many orders are looked up at once.
const PAGE: i64 = 1000;
/// How many single orders are read at the same time.
const AT_ONCE: usize = 16;
/// How often a suspect that moves is looked at again before it is left to the next audit.
const LOOKS: usize = 4;
/// How many suspects are kept. More than that is a fault of everything, and those met first tell which.
const MOST_SUSPECTS: usize = 5_000;

/// What is checked.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// One namespace; all when absent.
    pub namespace: Option<String>,
    /// These orders, by name or id; all when empty.
    pub orders: Vec<String>,
}

impl Scope {
    /// True when everything is checked.
    pub const fn is_everything(&self) -> bool {
        self.namespace.is_none() && self.orders.is_empty()
    }
}

/// How it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The time between two looks at a suspect.
    pub confirm_after: Duration,
    /// How long something may wait to be told or done.
    pub patience: Duration,
}

/// What came of a survey.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was looked at.
    pub checked: Checked,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// Checks all that is in `scope`.
///
/// # Errors
/// When a source cannot be read; the error says which.
pub async fn survey(sources: &Sources, scope: &Scope, manner: Manner) -> anyhow::Result<Outcome> {
    let whole = scope.is_everything();
    // Of everything, the events are compared while the provider's books are read.
    let (books, mut globals, all_events) =
        futures::try_join!(all_books(sources, scope), backlog::globals(sources, manner), async {
            if whole { backlog::missing_events(sources, None, manner).await.map(Some) } else { Ok(None) }
        },)?;
    let mut surveyor = Surveyor {
        sources,
        scope,
        books,
        seen: Seen::default(),
        suspects: Suspects::default(),
        met: Met::default(),
    };
    if scope.orders.is_empty() {
        surveyor.walk().await?;
    } else {
        surveyor.named().await?;
    }
    let Surveyor { books, seen, suspects, met, .. } = surveyor;
    let (events, missing) = match all_events {
        Some(events) => events,
        None => {
            let skus = skus_of(sources, &met.ids).await?;
            globals.keep(&met.ids, &skus);
            backlog::missing_events(sources, Some(&met.ids), manner).await?
        }
    };
    let mut findings = globals.findings;
    let pause = manner.confirm_after;
    let (confirmed, missing) = futures::try_join!(
        confirm(sources, suspects.0, pause),
        backlog::confirm_missing(sources, missing, pause)
    )?;
    findings.extend(confirmed);
    findings.extend(missing);
    name_all(sources, &mut findings).await?;
    findings.sort_by(|a, b| (a.rule.statement(), a).cmp(&(b.rule.statement(), b)));
    findings.dedup();
    let checked = Checked {
        orders: seen.len(),
        live: met.live,
        articles: globals.articles,
        events,
        dead_letters: globals.dead_letters,
        charges: books.as_ref().map(|books| books.charges),
        charges_without_order: books.as_ref().map(|books| books.nameless),
        provider: sources.provider.is_some(),
    };
    Ok(Outcome { checked, findings })
}

/// The provider's books as a whole; of a part of the orders they are read order by order.
async fn all_books(sources: &Sources, scope: &Scope) -> anyhow::Result<Option<AllBooks>> {
    match &sources.provider {
        Some(provider) if scope.is_everything() => provider.all().await.map(Some),
        Some(_) | None => Ok(None),
    }
}

#[derive(Default)]
struct Met {
    live: usize,
    /// The ids, kept only where a part of the orders is checked.
    ids: BTreeSet<String>,
}

#[derive(Default)]
struct Suspects(BTreeMap<String, Suspect>);

struct Suspect {
    findings: Vec<Finding>,
    place: Option<Place>,
}

struct Surveyor<'a> {
    sources: &'a Sources,
    scope: &'a Scope,
    books: Option<AllBooks>,
    seen: Seen,
    suspects: Suspects,
    met: Met,
}

impl Surveyor<'_> {
    /// First what lives, then what the history has besides, then what others hold for orders that neither knows.
    async fn walk(&mut self) -> anyhow::Result<()> {
        let mut orders = self.sources.cluster.orders();
        loop {
            let page = orders.page().await?;
            if page.is_empty() {
                break;
            }
            let ids: Vec<String> = page.iter().map(|(id, _)| id.clone()).collect();
            self.met.live += ids.len();
            let mut facts = self.sources.ledgers.facts_of(&ids).await?;
            for (facts, (_, live)) in facts.iter_mut().zip(page) {
                facts.live = Some(live);
            }
            self.take(facts).await?;
        }
        for keeper in [Keeper::Orders, Keeper::Inventory, Keeper::Payment, Keeper::Shipping] {
            self.walk_ledger(keeper).await?;
        }
        let strangers: Vec<String> = self.books.iter().flat_map(|books| books.strangers.clone()).collect();
        for ids in strangers.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            self.look_up(ids).await?;
        }
        Ok(())
    }

    async fn walk_ledger(&mut self, keeper: Keeper) -> anyhow::Result<()> {
        let (namespace, mut after) = (self.scope.namespace.as_deref(), String::new());
        loop {
            let ids = self.sources.ledgers.ids_after(keeper, namespace, &after, PAGE).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after.clone_from(last);
            self.look_up(&ids).await?;
        }
    }

    /// Judges those that were not met before.
    async fn look_up(&mut self, ids: &[String]) -> anyhow::Result<()> {
        let new: Vec<String> = ids.iter().filter(|id| !self.seen.contains(id)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let facts = self.sources.ledgers.facts_of(&new).await?;
        self.take(facts).await
    }

    async fn take(&mut self, mut facts: Vec<OrderFacts>) -> anyhow::Result<()> {
        match (&self.books, &self.sources.provider) {
            (Some(books), _) => facts.iter_mut().for_each(|facts| facts.provider = Some(books.of(&facts.id))),
            (None, Some(_)) => facts = with_provider(self.sources, facts).await?,
            (None, None) => {}
        }
        let now = Timestamp::now();
        for facts in facts {
            self.seen.insert(&facts.id);
            if !self.scope.is_everything() {
                self.met.ids.insert(facts.id.clone());
            }
            let findings = judge(&facts, now);
            if !findings.is_empty() && self.suspects.0.len() < MOST_SUSPECTS {
                let place = facts.name().place;
                self.suspects.0.insert(facts.id, Suspect { findings, place });
            }
        }
        Ok(())
    }

    /// The orders that were asked for, each by its id or by its name in the namespace.
    async fn named(&mut self) -> anyhow::Result<()> {
        let namespace = self.scope.namespace.clone().unwrap_or_else(|| "default".to_owned());
        for wanted in &self.scope.orders {
            let place = Place { namespace: namespace.clone(), name: wanted.clone() };
            let mut ids = orders::audit::ids_named(&self.sources.ledgers.orders, &namespace, wanted)
                .await
                .context("could not check orders: failed to find an order by its name")?;
            ids.extend(self.sources.cluster.order(&place).await?.map(|(id, _)| id));
            ids.push(wanted.clone());
            ids.sort();
            ids.dedup();
            let facts = look(self.sources, &ids, &BTreeMap::from([(wanted.clone(), place)])).await?;
            let known: Vec<OrderFacts> = facts.into_iter().filter(|facts| !facts.is_nothing()).collect();
            anyhow::ensure!(
                !known.is_empty(),
                "no order {wanted} is known in the namespace {namespace}, nor any with that id: look at its name, or give -n NAMESPACE"
            );
            self.met.live += known.iter().filter(|facts| facts.live.is_some()).count();
            self.take(known).await?;
        }
        Ok(())
    }
}

async fn with_provider(sources: &Sources, facts: Vec<OrderFacts>) -> anyhow::Result<Vec<OrderFacts>> {
    let Some(provider) = &sources.provider else { return Ok(facts) };
    futures::stream::iter(facts)
        .map(|facts| async move {
            let money = provider.of(&facts.id).await?;
            Ok(OrderFacts { provider: Some(money), ..facts })
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Single orders as they are now, from every source. `places` tells where to look for what no ledger knows.
async fn look(
    sources: &Sources,
    ids: &[String],
    places: &BTreeMap<String, Place>,
) -> anyhow::Result<Vec<OrderFacts>> {
    let mut all = Vec::new();
    for ids in ids.chunks(usize::try_from(PAGE).unwrap_or(1)) {
        let facts = sources.ledgers.facts_of(ids).await?;
        let with_live: Vec<OrderFacts> = futures::stream::iter(facts)
            .map(|facts| async move {
                let place = facts.name().place.or_else(|| places.get(&facts.id).cloned());
                let found = match &place {
                    Some(place) => sources.cluster.order(place).await?,
                    None => None,
                };
                let live = found.filter(|(id, _)| *id == facts.id).map(|(_, live)| live);
                anyhow::Ok(OrderFacts { live, ..facts })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        all.extend(with_provider(sources, with_live).await?);
    }
    Ok(all)
}

/// What is found in two looks, one after the other, with the same values. What changed between them is looked at once more.
async fn confirm(
    sources: &Sources,
    mut suspects: BTreeMap<String, Suspect>,
    pause: Duration,
) -> anyhow::Result<Vec<Finding>> {
    let mut confirmed = Vec::new();
    for _ in 0..LOOKS {
        if suspects.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let ids: Vec<String> = suspects.keys().cloned().collect();
        let places =
            suspects.iter().filter_map(|(id, suspect)| Some((id.clone(), suspect.place.clone()?))).collect();
        let mut moved = BTreeMap::new();
        for facts in look(sources, &ids, &places).await? {
            let before = suspects.remove(&facts.id).map(|suspect| suspect.findings).unwrap_or_default();
            let (same, other): (Vec<Finding>, Vec<Finding>) =
                judge(&facts, Timestamp::now()).into_iter().partition(|finding| before.contains(finding));
            confirmed.extend(same);
            if !other.is_empty() {
                let place = facts.name().place;
                moved.insert(facts.id, Suspect { findings: other, place });
            }
        }
        suspects = moved;
    }
    Ok(confirmed)
}

async fn skus_of(sources: &Sources, ids: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let ids: Vec<String> = ids.iter().cloned().collect();
    let skus = inventory::audit::skus_of(&sources.ledgers.inventory, &ids).await;
    Ok(skus
        .context("could not check inventory: failed to read the articles of orders")?
        .into_iter()
        .collect())
}

/// Gives orders that are known by their id alone the name that anybody knows.
async fn name_all(sources: &Sources, findings: &mut [Finding]) -> anyhow::Result<()> {
    let nameless: BTreeSet<String> = findings
        .iter()
        .filter_map(|finding| finding.order.as_ref())
        .filter(|order| order.place.is_none())
        .map(|order| order.id.clone())
        .collect();
    let ids: Vec<String> = nameless.into_iter().collect();
    let mut names: BTreeMap<String, OrderName> = BTreeMap::new();
    for ids in ids.chunks(usize::try_from(PAGE).unwrap_or(1)) {
        let facts = sources.ledgers.facts_of(ids).await?;
        names.extend(facts.into_iter().map(|facts| (facts.id.clone(), facts.name())));
    }
    for order in findings.iter_mut().filter_map(|finding| finding.order.as_mut()) {
        if let Some(name) = names.get(&order.id) {
            order.clone_from(name);
        }
    }
    Ok(())
}
