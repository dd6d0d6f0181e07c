use super::*;

fn stamp() -> Stamp {
    Stamp { now: 1_000_000, charge_id: "ch_1".into() }
}

fn intent(method: &str, capture_method: CaptureMethod) -> Intent {
    let new = NewIntent {
        amount: 3180,
        currency: "eur".into(),
        capture_method,
        payment_method: Some(method.into()),
        metadata: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    create("pi_1".into(), new, 1_000_000)
}

fn confirmed(method: &str) -> (Intent, Step) {
    let mut intent = intent(method, CaptureMethod::Automatic);
    let step = confirm(&mut intent, Confirmation::default(), &stamp()).unwrap();
    (intent, step)
}

#[test]
fn a_good_card_is_charged_once_and_cannot_be_confirmed_again() {
    let (mut intent, step) = confirmed("pm_card_visa");
    assert_eq!(step.happenings, [Happening::Succeeded]);
    assert_eq!((intent.status, intent.amount_received), (Status::Succeeded, 3180));
    let again = confirm(&mut intent, Confirmation::default(), &stamp()).unwrap_err();
    assert_eq!(again.code(), "payment_intent_unexpected_state");
    assert_eq!(intent.charges.len(), 1);
}

#[test]
fn a_declined_card_leaves_an_intent_that_takes_another_one() {
    let (mut intent, step) = confirmed("pm_card_visa_chargeDeclinedInsufficientFunds");
    let error = step.declined.unwrap();
    assert_eq!(
        (error.code.as_str(), error.decline_code.as_deref()),
        ("card_declined", Some("insufficient_funds"))
    );
    assert_eq!((intent.status, intent.amount_received), (Status::RequiresPaymentMethod, 0));
    assert_eq!(intent.payment_method, None);
    let other = Confirmation { payment_method: Some("pm_card_visa".into()), ..Confirmation::default() };
    confirm(&mut intent, other, &stamp()).unwrap();
    assert_eq!(intent.status, Status::Succeeded);
    assert_eq!(intent.last_payment_error, None);
}

#[test]
fn authentication_is_asked_for_and_then_charges_or_declines() {
    let (mut intent, step) = confirmed("pm_card_authenticationRequired");
    assert_eq!(step.happenings, [Happening::RequiresAction]);
    let mut failed = intent.clone();
    authenticate(&mut intent, true, &stamp()).unwrap();
    assert_eq!((intent.status, intent.amount_received), (Status::Succeeded, 3180));
    let step = authenticate(&mut failed, false, &stamp()).unwrap();
    assert_eq!(step.declined.unwrap().code, "payment_intent_authentication_failure");
    assert_eq!(failed.status, Status::RequiresPaymentMethod);
    assert!(authenticate(&mut failed, true, &stamp()).is_err());
}

#[test]
fn authentication_while_the_customer_is_away_is_a_decline() {
    let mut intent = intent("pm_card_authenticationRequired", CaptureMethod::Automatic);
    let away = Confirmation { off_session: true, ..Confirmation::default() };
    let step = confirm(&mut intent, away, &stamp()).unwrap();
    assert_eq!(step.declined.unwrap().code, "authentication_required");
}

#[test]
fn a_timeout_charges_and_an_uncharged_one_changes_nothing() {
    let (charged, step) = confirmed("pm_sandbox_timeout");
    assert_eq!((charged.status, step.answer), (Status::Succeeded, Answer::Lost));
    let (uncharged, step) = confirmed("pm_sandbox_timeout_uncharged");
    assert_eq!(step.answer, Answer::NeverArrived);
    assert_eq!(uncharged, intent("pm_sandbox_timeout_uncharged", CaptureMethod::Automatic));
}

#[test]
fn a_late_charge_succeeds_when_its_time_has_come_and_cannot_be_cancelled_before() {
    let (mut intent, step) = confirmed("pm_sandbox_late");
    assert_eq!((intent.status, step.answer), (Status::Processing, Answer::Lost));
    assert!(cancel(&mut intent, None, &stamp()).is_err());
    assert_eq!(settle(&mut intent, 1_002_999), None);
    assert_eq!(settle(&mut intent, 1_003_000).unwrap().happenings, [Happening::Succeeded]);
    assert_eq!(intent.amount_received, 3180);
    assert_eq!(settle(&mut intent, 1_004_000), None);
}

#[test]
fn an_authorized_amount_is_captured_whole_in_part_or_not_at_all() {
    let mut authorized = intent("pm_card_visa", CaptureMethod::Manual);
    let step = confirm(&mut authorized, Confirmation::default(), &stamp()).unwrap();
    assert_eq!(step.happenings, [Happening::AmountCapturableUpdated]);
    assert_eq!((authorized.amount_received, authorized.amount_capturable), (0, 3180));
    assert_eq!(capture(&mut authorized.clone(), Some(3181)).unwrap_err().code(), "amount_too_large");
    let mut part = authorized.clone();
    capture(&mut part, Some(1000)).unwrap();
    assert_eq!((part.amount_received, part.amount_capturable), (1000, 0));
    assert!(capture(&mut part, None).is_err());
    cancel(&mut authorized, Some("abandoned".into()), &stamp()).unwrap();
    assert_eq!((authorized.status, authorized.amount_capturable), (Status::Canceled, 0));
}

#[test]
fn what_took_money_cannot_be_cancelled_and_what_was_cancelled_cannot_be_confirmed() {
    let (mut succeeded, _) = confirmed("pm_card_visa");
    assert_eq!(cancel(&mut succeeded, None, &stamp()).unwrap_err().code(), "payment_intent_unexpected_state");
    let mut canceled = intent("pm_card_visa", CaptureMethod::Automatic);
    cancel(&mut canceled, None, &stamp()).unwrap();
    assert!(confirm(&mut canceled, Confirmation::default(), &stamp()).is_err());
    assert!(cancel(&mut canceled, None, &stamp()).is_err());
}

#[test]
fn an_update_merges_metadata_and_changes_no_money_that_was_taken() {
    let (mut succeeded, _) = confirmed("pm_card_visa");
    let metadata = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    update(&mut succeeded, Update { metadata, ..Update::default() }).unwrap();
    assert_eq!(succeeded.metadata["a"], "1");
    let removed = BTreeMap::from([("a".to_owned(), String::new())]);
    update(&mut succeeded, Update { metadata: removed, ..Update::default() }).unwrap();
    assert!(succeeded.metadata.is_empty());
    assert!(update(&mut succeeded, Update { amount: Some(1), ..Update::default() }).is_err());
}
