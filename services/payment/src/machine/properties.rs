//! Whatever is lost, repeated, late or crashed: never two captures, never money kept that was to be given back.

use std::collections::BTreeSet;
use std::time::Duration;

use events::Command;
use jiff::Timestamp;
use money::Money;
use proptest::prelude::*;
use proptest::sample::Index;
use resources::{PaymentDesired, PaymentPhase, PaymentSpec};

use super::fixtures::{ORDER, at, command, eur};
use super::provider_model::{Fault, Model, Request};
use super::*;
use crate::provider::{IntentStatus, Keys, NewIntent, RefundState};
use crate::webhooks::{is_news, is_news_of_refund};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// A charge is wished: the same attempt, or the next.
    Want {
        next: bool,
        authorize: bool,
        method: usize,
    },
    /// No money is to be kept.
    Undo {
        named: bool,
    },
    /// The child is another one from now on.
    NewChild,
    /// A command of the past arrives once more.
    Again(Index),
    /// A worker does one step, and dies before its result is stored if `crash`, or stores it later if `slow`.
    Work {
        fault: Fault,
        crash: bool,
        slow: bool,
    },
    /// A slow worker stores its result.
    Store(Index),
    /// A request that was given up on is executed.
    Arrive(Index),
    /// The customer or the provider goes on.
    Proceed(bool),
    /// Staff give a part back.
    GiveBack(i64),
    /// Refunds arrive, or fail.
    ProceedRefunds(bool),
    /// A charge that nobody asked for, of the order's amount or another.
    Stray {
        manual: bool,
        same: bool,
    },
    /// The provider tells of an intent, as it is now.
    Webhook(Index),
    Wait(u16),
}

const METHODS: [&str; 8] =
    ["visa", "declined", "action", "late", "refund_fails", "unknown", "refund_late", "refund_breaks"];

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::LostBefore),
        2 => Just(Fault::LostAfter),
        1 => Just(Fault::Delayed),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::FailedBefore),
        1 => Just(Fault::FailedAfter),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (any::<bool>(), any::<bool>(), 0..METHODS.len())
            .prop_map(|(next, authorize, method)| Happening::Want { next, authorize, method }),
        2 => any::<bool>().prop_map(|named| Happening::Undo { named }),
        1 => Just(Happening::NewChild),
        1 => any::<Index>().prop_map(Happening::Again),
        14 => (fault(), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(fault, crash, slow)| Happening::Work { fault, crash, slow }),
        1 => any::<Index>().prop_map(Happening::Store),
        1 => any::<Index>().prop_map(Happening::Arrive),
        2 => any::<bool>().prop_map(Happening::Proceed),
        2 => any::<bool>().prop_map(Happening::ProceedRefunds),
        2 => (1..4000_i64).prop_map(Happening::GiveBack),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(manual, same)| Happening::Stray { manual, same }),
        2 => any::<Index>().prop_map(Happening::Webhook),
        2 => (0..2000_u16).prop_map(Happening::Wait),
    ]
}

struct Shop {
    payment: Option<Payment>,
    model: Model,
    now: Timestamp,
    commands: Vec<Command<PaymentSpec>>,
    uid: u32,
    generation: i64,
    attempt: u32,
    slow: Vec<(Act, i64, Option<String>, Observation)>,
    ledger: Vec<LedgerEntry>,
    events: BTreeSet<i64>,
    webhooks: u32,
}

impl Shop {
    fn new() -> Self {
        Self {
            payment: None,
            model: Model::default(),
            now: at(0),
            commands: Vec::new(),
            uid: 1,
            generation: 0,
            attempt: 1,
            slow: Vec::new(),
            ledger: Vec::new(),
            events: BTreeSet::new(),
            webhooks: 0,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Want { next, authorize, method } => {
                self.attempt += u32::from(next);
                let desired = if authorize { PaymentDesired::Authorized } else { PaymentDesired::Captured };
                self.send(desired, self.attempt, METHODS[method]);
            }
            Happening::Undo { named } => {
                self.send(PaymentDesired::Cancelled, if named { self.attempt } else { 0 }, "visa");
            }
            Happening::NewChild => {
                self.uid += 1;
                self.generation = 0;
            }
            Happening::Again(index) if !self.commands.is_empty() => {
                let command = index.get(&self.commands).clone();
                self.take(&command);
            }
            Happening::Work { fault, crash, slow } => self.work(fault, crash, slow),
            Happening::Store(index) if !self.slow.is_empty() => {
                let at = index.index(self.slow.len());
                let (act, version, asked, observation) = self.slow.remove(at);
                self.keep(act, version, asked, observation);
            }
            Happening::Arrive(index) if !self.model.delayed.is_empty() => {
                let at = index.index(self.model.delayed.len());
                let request = self.model.delayed.remove(at);
                self.model.execute(&request);
            }
            Happening::Proceed(well) => self.model.proceed(well),
            Happening::GiveBack(minor_units) => {
                let amount = Money::from_minor_units(minor_units, eur("1.00").currency());
                if let Some(payment) = &mut self.payment {
                    // What is refused changes nothing.
                    let before = payment.clone();
                    let outcome = payment.give_back_part(amount, "staff", "goodwill", true, self.now);
                    assert!(matches!(outcome, Ok(Part::Number(_))) || *payment == before);
                }
            }
            Happening::ProceedRefunds(well) => self.proceed_refunds(well),
            Happening::Stray { manual, same } => {
                let amount = eur(if same { "31.80" } else { "5.00" });
                let id = self.model.charge_by_hand(ORDER, manual, amount);
                self.webhook(&id);
            }
            Happening::Webhook(index) if !self.model.intents.is_empty() => {
                let ids: Vec<String> = self.model.intents.keys().cloned().collect();
                self.webhook(&ids[index.index(ids.len())]);
            }
            Happening::Wait(seconds) => {
                self.now = self.now.checked_add(Duration::from_secs(seconds.into())).unwrap();
            }
            Happening::Again(_) | Happening::Store(_) | Happening::Arrive(_) | Happening::Webhook(_) => {}
        }
        self.check();
    }

    fn send(&mut self, desired: PaymentDesired, attempt: u32, method: &str) {
        self.generation += 1;
        let mut command = command(self.generation, desired, attempt);
        command.uid = Some(format!("uid-{}", self.uid));
        command.spec.method = Some(method.into());
        self.commands.push(command.clone());
        self.take(&command);
    }

    fn take(&mut self, command: &Command<PaymentSpec>) {
        let before = self.payment.take();
        let (mut payment, taken) = take(before.clone(), command, self.now);
        let telling = settle(&mut payment, before.as_ref(), taken != Taken::News, self.now);
        self.told(before.as_ref(), payment, telling);
    }

    fn told(&mut self, before: Option<&Payment>, payment: Payment, telling: Telling) {
        assert!(before.is_none_or(|before| before.revision <= payment.revision));
        if telling.event.is_some() {
            assert!(self.events.insert(payment.revision), "two events of one revision");
        }
        self.payment = Some(payment);
    }

    fn work(&mut self, fault: Fault, crash: bool, slow: bool) {
        let Some(payment) = &self.payment else { return };
        let Step::Do(act) = next_step(payment, self.now) else { return };
        let attempt = payment.attempt(act.attempt).unwrap();
        if matches!(act.call, Call::Confirm | Call::Capture) {
            assert_ne!(payment.goal(attempt), Goal::Undo, "an undone attempt is never charged");
        }
        let (version, asked) = (attempt.version, payment.asked_about(act).map(str::to_owned));
        let observation = match request(payment, attempt, act.call) {
            Some(request) => self.model.ask(request, fault),
            None => Observation::NoIntent,
        };
        match (crash, slow) {
            (true, _) => {}
            (false, true) => self.slow.push((act, version, asked, observation)),
            (false, false) => self.keep(act, version, asked, observation),
        }
    }

    fn keep(&mut self, act: Act, version: i64, asked: Option<String>, observation: Observation) {
        let before = self.payment.clone().unwrap();
        if before.attempt(act.attempt).is_none_or(|attempt| attempt.version != version) {
            return;
        }
        let mut payment = before.clone();
        let entries = apply(&mut payment, act, observation, asked.as_deref(), self.now);
        let telling = settle(&mut payment, Some(&before), false, self.now);
        self.ledger.extend(entries);
        self.told(Some(&before), payment, telling);
    }

    fn webhook(&mut self, id: &str) {
        self.webhooks += 1;
        let event = format!("evt_{}", self.webhooks);
        let (now, status) = (self.now, self.model.intents[id].status);
        let Some(payment) = &mut self.payment else { return };
        match payment.attempts.iter_mut().find(|attempt| attempt.intent.as_deref() == Some(id)) {
            Some(attempt) if is_news(attempt.stage, Some(status)) => {
                attempt.asked = Some(event);
                attempt.next_at = attempt.next_at.min(now);
            }
            None if status.holds_money() => payment.adopt(id, Some(&event), now),
            Some(_) | None => {}
        }
    }

    fn proceed_refunds(&mut self, well: bool) {
        for (intent, refund) in self.model.proceed_refunds(well) {
            self.webhooks += 1;
            let failed = matches!(refund.state, RefundState::Failed(_));
            let now = self.now;
            let parts = self.payment.iter_mut().flat_map(|payment| &mut payment.partials);
            // One whose answer is not stored yet may be the part that is asked for.
            let may_be = |part: &&mut PartialRefund| {
                part.refund.as_ref() == Some(&refund.id) || (failed && part.state == PartState::Asked)
            };
            for part in parts.filter(may_be) {
                part.asked = Some(format!("evt_{}", self.webhooks));
                part.next_at = part.next_at.min(now);
            }
            let attempts = self.payment.iter_mut().flat_map(|payment| &mut payment.attempts);
            for attempt in attempts.filter(|attempt| attempt.intent.as_ref() == Some(&intent)) {
                if is_news_of_refund(attempt.stage, attempt.refund.as_deref(), &refund.id, failed) {
                    attempt.asked = Some(format!("evt_{}", self.webhooks));
                    attempt.next_at = attempt.next_at.min(now);
                }
            }
        }
    }

    fn check(&self) {
        assert!(self.model.kept_by_attempts().len() <= 1, "two captures are kept: {:?}", self.model.intents);
        let rounds: Vec<i32> = self.ledger.iter().filter_map(|entry| entry.round).collect();
        assert_eq!(rounds.iter().collect::<BTreeSet<_>>().len(), rounds.len(), "two captures of one round");
        let Some(payment) = &self.payment else { return };
        assert_eq!(payment.captured().minor_units(), self.sum(&[Entry::Captured, Entry::CapturedAgain]));
        let refunded = self.sum(&[Entry::Refunded]) - self.sum(&[Entry::RefundFailed]);
        assert_eq!(payment.refunded().minor_units(), refunded);
        let heard = payment.attempts.iter().all(|attempt| attempt.asked.is_none());
        if payment.wish.is_undo() && payment.keeps_nothing() && heard {
            assert!(self.model.kept_by_attempts().is_empty(), "money is kept by what is undone");
            assert!(!self.model.can_take(), "money can come to what is undone: {:?}", self.model.intents);
        }
    }

    fn sum(&self, entries: &[Entry]) -> i64 {
        let of = self.ledger.iter().filter(|entry| entries.contains(&entry.entry));
        of.map(|entry| entry.amount.minor_units()).sum()
    }

    /// The faults are over: works until there is nothing more to do.
    fn come_to_rest(&mut self) {
        for request in std::mem::take(&mut self.model.delayed) {
            self.model.execute(&request);
            self.check();
        }
        for _ in 0..200 {
            self.model.proceed(true);
            self.proceed_refunds(true);
            match next_step(self.payment.as_ref().unwrap(), self.now) {
                Step::Nothing => return,
                Step::WaitUntil(at) => self.now = at,
                Step::Do(_) => self.happen(Happening::Work { fault: Fault::None, crash: false, slow: false }),
            }
        }
        panic!("it never comes to rest: {:?}", self.payment);
    }

    fn may_refuse(&self) -> bool {
        let refuses = |method: &str| ["refund_fails", "refund_late", "refund_breaks"].contains(&method);
        self.model.intents.values().any(|intent| refuses(&intent.method))
    }

    fn check_end(&self) {
        let payment = self.payment.as_ref().unwrap();
        let kept: i64 = self.model.kept().iter().sum();
        assert_eq!(
            kept,
            payment.captured().minor_units() - payment.refunded().minor_units(),
            "the books agree"
        );
        match payment.shown.phase {
            PaymentPhase::Captured if self.may_refuse() => {}
            PaymentPhase::Captured => {
                let given = |part: &&PartialRefund| {
                    part.attempt == payment.wish.attempt && part.state == PartState::Given
                };
                let parts: i64 = payment.partials.iter().filter(given).map(|part| part.amount).sum();
                assert_eq!(kept, payment.wish.amount.minor_units() - parts);
            }
            PaymentPhase::Failed => assert!(self.may_refuse()),
            PaymentPhase::Authorized => assert!(self.model.promises()),
            PaymentPhase::Declined | PaymentPhase::Voided | PaymentPhase::Refunded => {
                assert_eq!(kept, 0);
                assert!(!self.model.can_take());
            }
            phase @ (PaymentPhase::Pending | PaymentPhase::ActionRequired | PaymentPhase::Unknown) => {
                panic!("{phase:?} is no rest")
            }
        }
        let undone = matches!(
            payment.shown.phase,
            PaymentPhase::Voided | PaymentPhase::Refunded | PaymentPhase::Failed
        );
        assert!(undone || !payment.wish.is_undo());
    }
}

fn request(payment: &Payment, attempt: &Attempt, call: Call) -> Option<Request> {
    let keys = Keys { order_id: ORDER, attempt: attempt.number };
    let id = attempt.intent.clone();
    Some(match call {
        Call::Void => return None,
        Call::Create => Request::Create(NewIntent {
            key: keys.create(),
            order_id: ORDER.into(),
            attempt: attempt.number,
            order: payment.name.clone(),
            amount: attempt.amount,
            method: attempt.method.clone(),
            capture: attempt.capture,
        }),
        Call::Search => Request::Find { order_id: ORDER.into(), attempt: attempt.number },
        Call::Confirm => Request::Confirm { id: id.unwrap(), key: keys.confirm() },
        Call::Capture => Request::Capture { id: id.unwrap(), key: keys.capture() },
        Call::Cancel => Request::Cancel { id: id.unwrap() },
        Call::Refund => Request::Refund { id: id.unwrap(), key: keys.refund(attempt.refund_refusals) },
        Call::Retrieve => Request::Retrieve { id: id.unwrap() },
        Call::RetrieveRefund => Request::RetrieveRefund { id: attempt.refund.clone().unwrap() },
        Call::RefundPart(number) => Request::RefundPart {
            id: id.unwrap(),
            amount: payment.part(number).unwrap().amount,
            key: keys.part(number),
        },
        Call::RetrievePart(number) => {
            Request::RetrieveRefund { id: payment.part(number).unwrap().refund.clone().unwrap() }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_is_never_taken_twice_and_never_kept_when_undone(
        happenings in prop::collection::vec(happening(), 1..80)
    ) {
        let mut shop = Shop::new();
        shop.send(PaymentDesired::Captured, 1, "visa");
        for happening in happenings {
            shop.happen(happening);
        }
        shop.come_to_rest();
        shop.check_end();
        shop.send(PaymentDesired::Cancelled, shop.attempt, "visa");
        shop.come_to_rest();
        shop.check_end();
        // Refunds that failed are tried again with the command.
        let last = shop.commands.last().unwrap().clone();
        shop.take(&last);
        shop.come_to_rest();
        shop.check_end();
        let refuses = shop.model.intents.values().any(|intent| intent.method == "refund_fails");
        prop_assert!(refuses || shop.model.kept().is_empty());
        let open = [IntentStatus::RequiresAction, IntentStatus::Processing, IntentStatus::RequiresCapture];
        prop_assert!(shop.model.intents.values().all(|intent| !open.contains(&intent.status)));
    }
}
