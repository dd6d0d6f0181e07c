//! Everything that is known of one order, from every source.

use inventory::audit::StockFacts;
use jiff::Timestamp;
use money::Money;
use orders::audit::{ByHand, HistoryFacts};
use payment::audit::{MoneyFacts, ProviderMoney};
use resources::OrderPhase;
use shipping::audit::ParcelFacts;

use super::finding::{OrderName, Place};

/// What every source says of one order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderFacts {
    /// The order id.
    pub id: String,
    /// The resource.
    pub live: Option<LiveOrder>,
    /// The history.
    pub history: Option<HistoryFacts>,
    /// The goods.
    pub stock: Option<StockFacts>,
    /// The money.
    pub money: Option<MoneyFacts>,
    /// The parcel.
    pub parcel: Option<ParcelFacts>,
    /// The money at the provider; absent when its books were not looked into.
    pub provider: Option<ProviderMoney>,
}

/// An order's resource, as far as it is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveOrder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase; absent until it is quoted.
    pub phase: Option<OrderPhase>,
    /// How many transitions it tells.
    pub sequence: i64,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// What the customer owes.
    pub total: Option<Money>,
    /// The transitions that it tells.
    pub told: Vec<(i64, OrderPhase)>,
    /// What people have taken into their hands.
    pub by_hand: ByHand,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When its phase should be over; absent where no deadline runs.
    pub due: Option<Timestamp>,
    /// The reservation.
    pub reservation: Option<LiveChild>,
    /// The payment.
    pub payment: Option<LiveChild>,
    /// The shipment.
    pub shipment: Option<LiveChild>,
}

/// A child's resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveChild {
    /// Its UID.
    pub uid: String,
    /// The number of the newest report.
    pub revision: i64,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its resource is there.
    Live,
    /// It is kept for ever, its resource is gone.
    Archived,
    /// The history knows it; it is neither there nor archived.
    Lost,
    /// Nobody knows it but those who hold something for it.
    Unknown,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its goods, delivered or on their way.
    WithGoods,
    /// Without goods and without money; so should one that nobody knows.
    WithoutGoods,
}

impl OrderFacts {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        match (&self.live, &self.history) {
            (Some(_), _) => Standing::Live,
            (None, Some(history)) if history.archived_sequence.is_some() => Standing::Archived,
            // What services tell of it makes no order: it was never heard of by a transition.
            (None, Some(history)) if history.sequence == 0 && history.transitions.is_empty() => {
                Standing::Unknown
            }
            (None, Some(_)) => Standing::Lost,
            (None, None) => Standing::Unknown,
        }
    }

    /// Its phase: the resource's, else the newest of the history.
    pub fn phase(&self) -> Option<OrderPhase> {
        match &self.live {
            Some(live) => live.phase,
            None => self.history.as_ref().and_then(|history| history.phase),
        }
    }

    /// How it ended; absent while it has not.
    pub fn end(&self) -> Option<End> {
        let standing = self.standing();
        if standing == Standing::Unknown {
            return Some(End::WithoutGoods);
        }
        match self.phase() {
            Some(OrderPhase::Completed) => Some(End::WithGoods),
            // A shipped order that is deleted is archived as it is: nothing is left to be undone.
            Some(OrderPhase::Shipped) => (standing != Standing::Live).then_some(End::WithGoods),
            Some(OrderPhase::Rejected | OrderPhase::Failed | OrderPhase::Cancelled) => {
                Some(End::WithoutGoods)
            }
            Some(
                OrderPhase::Placed
                | OrderPhase::Reserved
                | OrderPhase::AwaitingPayment
                | OrderPhase::Paid
                | OrderPhase::Compensating
                | OrderPhase::Stuck,
            )
            | None => None,
        }
    }

    /// What people have taken into their hands: as the resource tells it, else as it was archived.
    pub fn by_hand(&self) -> ByHand {
        let archived = || self.history.as_ref().map(|history| history.by_hand);
        self.live.as_ref().map(|live| live.by_hand).or_else(archived).unwrap_or_default()
    }

    /// What the customer owes when they keep the goods, in minor units.
    pub fn total(&self) -> Option<i64> {
        let live = self.live.as_ref().and_then(|live| live.total);
        let told = self.history.as_ref().and_then(|history| history.total);
        live.or(told).map(|total| total.minor_units())
    }

    /// Its id and, where anybody knows it, its name.
    pub fn name(&self) -> OrderName {
        let place =
            |namespace: &String, name: &String| Place { namespace: namespace.clone(), name: name.clone() };
        let live = self.live.as_ref().map(|it| place(&it.namespace, &it.name));
        let history = || self.history.as_ref().map(|it| place(&it.namespace, &it.name));
        let stock = || self.stock.as_ref().map(|it| place(&it.namespace, &it.name));
        let money = || self.money.as_ref().map(|it| place(&it.namespace, &it.name));
        let parcel = || self.parcel.as_ref().map(|it| place(&it.namespace, &it.name));
        let place = live.or_else(history).or_else(stock).or_else(money).or_else(parcel);
        OrderName { id: self.id.clone(), place }
    }

    /// True when no source knows anything of it.
    pub fn is_nothing(&self) -> bool {
        self.name().place.is_none() && self.provider.unwrap_or_default() == ProviderMoney::default()
    }
}
