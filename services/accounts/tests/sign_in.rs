//! Sign-up, sessions, tokens, profiles and permissions on a real Postgres: set DATABASE_URL to one where databases may be made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use accounts::questions::{AddUser, SetDisabled};
use accounts::{
    Administration, Asker, Changer, Entered, Entrance, LogIn, Origin, PasswordChange, Permissions, Profiles,
    Refreshed, Register, Ticket,
};
use chassis::clock;
use events::questions::{CheckSession, SessionAnswer};
use jiff::{SignedDuration, Timestamp};
use rest::{IdempotencyKey, Problem};
use support::Database;

const EMAIL: &str = "shopper@example.com";
const PASSWORD: &str = "correct horse";
const NO_KEY: IdempotencyKey = IdempotencyKey(None);

struct World {
    database: Database,
    entrance: Entrance,
    now: Timestamp,
}

impl World {
    async fn make() -> Self {
        let (database, now) = (Database::make().await, clock::now());
        let entrance = Entrance::open(database.store.clone(), now).await.unwrap();
        Self { database, entrance, now }
    }

    async fn register(&self, email: &str) -> Entered {
        self.entrance.register(sign_up(email, PASSWORD), &NO_KEY, self.now).await.unwrap()
    }

    async fn log_in(&self, email: &str, password: &str) -> Result<Entered, Problem> {
        let asked = LogIn { email: email.into(), password: password.into() };
        self.entrance.log_in(asked, Origin::default(), self.now).await
    }

    async fn refresh(&self, ticket: &Ticket, seconds_later: i64) -> Refreshed {
        let at = self.now + SignedDuration::from_secs(seconds_later);
        self.entrance.refresh(ticket, at).await.unwrap()
    }

    async fn is_alive(&self, session: &str) -> bool {
        let question = CheckSession { session: session.to_owned() };
        match self.database.accounts.session(&question).await.unwrap() {
            SessionAnswer::Alive(_) => true,
            SessionAnswer::Over => false,
        }
    }

    async fn sessions(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT id FROM sessions ORDER BY created_at, id")
            .fetch_all(self.database.store.pool())
            .await
            .unwrap()
    }

    async fn told(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT body->>'eventType' FROM outbox ORDER BY id")
            .fetch_all(self.database.store.pool())
            .await
            .unwrap()
    }
}

fn sign_up(email: &str, password: &str) -> Register {
    Register { email: email.into(), password: password.into(), name: "A. Shopper".into() }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> (u16, String) {
    let problem = result.unwrap_err();
    (problem.status().as_u16(), problem.detail().to_owned())
}

#[tokio::test]
async fn who_signs_up_is_in_and_gets_in_again_by_the_password_alone() {
    let world = World::make().await;
    let Entered { user, ticket, replayed, .. } = world.register("Shopper@Example.com").await;
    assert_eq!((user.email.as_str(), user.name.as_deref()), (EMAIL, Some("A. Shopper")));
    assert!(ticket.is_some() && !replayed && user.permissions.is_empty());
    assert_eq!(world.log_in(" SHOPPER@example.com", PASSWORD).await.unwrap().user, user);

    let again = world.entrance.register(sign_up(EMAIL, "another password"), &NO_KEY, world.now).await;
    assert_eq!(refused(again).0, 409);
    let wrong = refused(world.log_in(EMAIL, "wrong").await);
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, refused(world.log_in("nobody@example.com", PASSWORD).await), "the same sentence");
    let by_hand = AddUser { email: "staff@example.com".into(), id: None, name: None };
    world.database.accounts.add(by_hand).await.unwrap();
    assert_eq!(wrong, refused(world.log_in("staff@example.com", "").await), "one without a password");
    world.database.drop().await;
}

#[tokio::test]
async fn a_sign_up_sent_again_has_its_first_answer_and_its_password_is_kept_nowhere() {
    let world = World::make().await;
    let key = IdempotencyKey(Some("k-1".into()));
    let send = |wish: Register| world.entrance.register(wish, &key, world.now);
    let first = send(sign_up(EMAIL, PASSWORD)).await.unwrap();
    let again = send(sign_up(EMAIL, PASSWORD)).await.unwrap();
    assert!(again.replayed && again.user == first.user && again.token == first.token);
    assert!(matches!(world.refresh(&again.ticket.unwrap(), 20).await, Refreshed::Token(_, Some(_))));

    assert_eq!(refused(send(sign_up(EMAIL, "another password")).await).0, 422);
    let other_name = Register { name: "B".into(), ..sign_up(EMAIL, PASSWORD) };
    assert_eq!(refused(send(other_name).await).0, 422);
    assert_eq!(refused(send(sign_up("b@example.com", PASSWORD)).await).0, 422);
    let kept: String = sqlx::query_scalar("SELECT string_agg(idempotency::text, '') FROM idempotency")
        .fetch_one(world.database.store.pool())
        .await
        .unwrap();
    assert!(kept.contains(EMAIL) && !kept.contains(PASSWORD) && !kept.contains(first.token.text()));

    world.database.accounts.set_disabled(&SetDisabled { id: first.user.id, disabled: true }).await.unwrap();
    assert_eq!(refused(send(sign_up(EMAIL, PASSWORD)).await).0, 403);
    world.database.drop().await;
}

#[tokio::test]
async fn a_sign_up_sent_twice_at_once_makes_one_account() {
    let world = World::make().await;
    let key = IdempotencyKey(Some("k-1".into()));
    let send = || world.entrance.register(sign_up(EMAIL, PASSWORD), &key, world.now);
    let (one, other) = tokio::join!(send(), send());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.user, other.user);
    assert_ne!(one.replayed, other.replayed);
    world.database.drop().await;
}

#[tokio::test]
async fn a_secret_refreshes_once_and_its_reuse_ends_the_session() {
    let world = World::make().await;
    let first = world.register(EMAIL).await.ticket.unwrap();
    let Refreshed::Token(_, Some(second)) = world.refresh(&first, 60).await else { panic!("not rotated") };
    assert!(matches!(world.refresh(&first, 65).await, Refreshed::Token(_, None)), "another tab");
    assert!(matches!(world.refresh(&second, 66).await, Refreshed::Token(_, Some(_))));
    assert!(world.is_alive(first.session()).await);
    assert!(matches!(world.refresh(&first, 67).await, Refreshed::Stolen), "an older one yet");
    assert!(matches!(world.refresh(&second, 67).await, Refreshed::Over));
    assert!(!world.is_alive(first.session()).await);
    assert_eq!(
        world.told().await,
        ["dev.supercargo.user.registered.v1", "dev.supercargo.user.logged_out.v1"]
    );

    let other = world.log_in(EMAIL, PASSWORD).await.unwrap().ticket.unwrap();
    let a_month = 30 * 24 * 3600;
    assert!(matches!(world.refresh(&other, a_month).await, Refreshed::Over), "expired");
    world.database.drop().await;
}

#[tokio::test]
async fn tabs_that_refresh_at_the_same_time_get_one_new_secret() {
    let world = World::make().await;
    let ticket = world.register(EMAIL).await.ticket.unwrap();
    let all = futures::future::join_all((0..4).map(|_| world.refresh(&ticket, 60))).await;
    let rotated = all.iter().filter(|one| matches!(one, Refreshed::Token(_, Some(_)))).count();
    let together = all.iter().filter(|one| matches!(one, Refreshed::Token(_, None))).count();
    assert_eq!((rotated, together), (1, 3));
    world.database.drop().await;
}

#[tokio::test]
async fn who_logs_out_ends_one_session_and_who_is_disabled_all() {
    let world = World::make().await;
    let Entered { user, ticket, .. } = world.register(EMAIL).await;
    let (user, out) = (user.id, ticket.unwrap());
    let kept = world.log_in(EMAIL, PASSWORD).await.unwrap().ticket.unwrap();
    let (out, stays) = (out.session(), kept.session());
    for _ in 0..2 {
        world.entrance.log_out(&user, out, world.now).await.unwrap();
    }
    assert!(!world.is_alive(out).await && world.is_alive(stays).await);
    let disable = |disabled| SetDisabled { id: user.clone(), disabled };
    world.database.accounts.set_disabled(&disable(true)).await.unwrap();
    assert!(!world.is_alive(stays).await);
    assert!(matches!(world.refresh(&kept, 2).await, Refreshed::Over));
    assert_eq!(refused(world.log_in(EMAIL, PASSWORD).await).0, 403);
    assert_eq!(refused(world.log_in(EMAIL, "wrong").await).0, 401, "who does not know it learns nothing");
    world.database.accounts.set_disabled(&disable(false)).await.unwrap();
    assert!(!world.is_alive(stays).await, "what has ended stays so");
    assert!(world.log_in(EMAIL, PASSWORD).await.is_ok());
    let told = world.told().await;
    let told: Vec<&str> = told.iter().filter_map(|name| name.split('.').nth(3)).collect();
    assert_eq!(told, ["registered", "logged_out", "disabled", "enabled"]);
    world.database.drop().await;
}

#[tokio::test]
async fn an_account_has_so_many_sessions_and_no_more() {
    let world = World::make().await;
    let user = world.register(EMAIL).await.user.id;
    sqlx::query(
        "INSERT INTO sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at)
         SELECT 's' || n, $1, '', now(), now() - interval '1 day' - n * interval '1 s', now() + interval '1 day'
         FROM generate_series(1, 600) n",
    )
    .bind(&user)
    .execute(world.database.store.pool())
    .await
    .unwrap();
    world.log_in(EMAIL, PASSWORD).await.unwrap();
    let left = world.sessions().await;
    assert_eq!(left.len(), 500);
    assert!(left.contains(&"s1".to_owned()) && !left.contains(&"s600".to_owned()), "the oldest go");
    world.database.drop().await;
}

#[tokio::test]
async fn replicas_that_start_together_make_one_key() {
    let world = World::make().await;
    let open = || Entrance::open(world.database.store.clone(), world.now);
    let (one, other) = tokio::join!(open(), open());
    assert!(one.is_ok() && other.is_ok());
    let keys = world.database.accounts.keys().await.unwrap().keys;
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].kid.len(), keys[0].x.len()), (32, 43));
    world.database.drop().await;
}

#[tokio::test]
async fn a_profile_is_kept_as_it_was_given() {
    let world = World::make().await;
    let user = world.register(EMAIL).await.user.id;
    let profiles = Profiles::new(world.database.store.clone());
    let change = serde_json::json!({
        "phone": "+49 30 1234", "picture": "i-1", "tastes": ["mugs"],
        "addresses": [{"name": "A", "line1": "1 High Street", "city": "Berlin", "country": "DE"}],
        "paymentMethods": [{"method": "pm_card_visa", "label": "Visa"}],
    });
    let after = profiles.change(&user, serde_json::from_value(change.clone()).unwrap()).await.unwrap();
    assert_eq!(profiles.read(&user).await.unwrap(), after);
    let written = serde_json::to_value(&after).unwrap();
    for field in ["phone", "picture", "tastes", "addresses", "paymentMethods"] {
        assert_eq!(written[field], change[field], "{field}");
    }
    assert_eq!((&written["name"], &written["permissions"]), (&"A. Shopper".into(), &serde_json::json!([])));
    let card = serde_json::json!({"tastes": [], "paymentMethods": [{"method": "4242424242424242"}]});
    assert_eq!(refused(profiles.change(&user, serde_json::from_value(card).unwrap()).await).0, 422);
    assert_eq!(profiles.read(&user).await.unwrap(), after, "what is refused changes nothing");
    world.database.drop().await;
}

#[tokio::test]
async fn admins_who_unmake_each_other_at_once_leave_one() {
    let world = World::make().await;
    let administration = Administration::new(world.database.store.clone(), ["users:admin".to_owned()].into());
    let (one, other) =
        (world.register("a@example.com").await.user, world.register("b@example.com").await.user);
    let admins = ["admin".to_owned()];
    let root = Asker { id: "root", holds: &admins };
    let wish = |names: &[&str]| Permissions { permissions: names.iter().map(|&name| name.into()).collect() };
    for user in [&one.id, &other.id] {
        let made = administration.permit(root, user, wish(&["users:admin", "admin", "admin"])).await.unwrap();
        assert_eq!(made.permissions, ["admin", "users:admin"]);
    }
    let (first, second) = tokio::join!(
        administration.permit(Asker { id: &one.id, holds: &admins }, &other.id, wish(&[])),
        administration.permit(Asker { id: &other.id, holds: &admins }, &one.id, wish(&[])),
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    assert_eq!(refused(if first.is_err() { first } else { second }).0, 409);
    assert_eq!(refused(administration.permit(root, &one.id, wish(&["nothing:write"])).await).0, 422);
    assert_eq!(refused(administration.permit(root, "u-none", wish(&[])).await).0, 404);
    assert_eq!(refused(administration.permit(root, "no id", wish(&[])).await).0, 404);
    world.database.drop().await;
}

#[tokio::test]
async fn users_are_found_in_pages_or_by_their_email() {
    let world = World::make().await;
    let administration = Administration::new(world.database.store.clone(), ["users:admin".to_owned()].into());
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        world.register(email).await;
    }
    let first = administration.page(None, 2).await.unwrap();
    let after: String = rest::position(&first.next.unwrap()).unwrap();
    let second = administration.page(Some(&after), 2).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (2, 1, None));
    let found = administration.of_email(" B@Example.com").await.unwrap().items;
    assert_eq!(found.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["b@example.com"]);
    assert!(administration.of_email("d@example.com").await.unwrap().items.is_empty());

    let admins = ["admin".to_owned()];
    let admin = Asker { id: &found[0].id, holds: &admins };
    let own = administration.set_disabled(admin, &found[0].id, true, world.now).await;
    assert_eq!(refused(own).0, 409);
    let root = Asker { id: "root", holds: &admins };
    let another = administration.set_disabled(root, &after, true, world.now).await.unwrap();
    assert!(another.disabled);
    assert!(!administration.set_disabled(root, &after, false, world.now).await.unwrap().disabled);
    world.database.drop().await;
}

#[tokio::test]
async fn another_password_needs_the_present_one_and_ends_the_other_sessions() {
    let world = World::make().await;
    let entered = world.register(EMAIL).await;
    let here = entered.ticket.unwrap().session().to_owned();
    let elsewhere = world.log_in(EMAIL, PASSWORD).await.unwrap().ticket.unwrap();
    let changer = Changer { id: &entered.user.id, email: EMAIL, session: &here };
    let change = |current: &str, new: &str| {
        let change = PasswordChange { current: current.into(), new: new.into() };
        world.entrance.change_password(changer, change, Origin::default(), world.now)
    };
    let (status, told) = refused(change("wrong horse", "battery staple").await);
    assert_eq!((status, told.contains("not the present password")), (422, true), "{told}");
    assert!(world.is_alive(elsewhere.session()).await, "what is refused changes nothing");

    change(PASSWORD, "battery staple").await.unwrap();
    assert!(world.is_alive(&here).await && !world.is_alive(elsewhere.session()).await);
    assert!(matches!(world.refresh(&elsewhere, 20).await, Refreshed::Over));
    assert_eq!(refused(world.log_in(EMAIL, PASSWORD).await).0, 401, "the old one is none any more");
    change(PASSWORD, "battery staple").await.expect("sent again, it is done");
    assert!(world.is_alive(&here).await);
    assert!(world.log_in(EMAIL, "battery staple").await.is_ok());
    assert_eq!(world.told().await.last().map(String::as_str), Some("dev.supercargo.user.logged_out.v1"));
    world.database.drop().await;
}

#[tokio::test]
async fn a_password_is_guessed_by_a_token_as_rarely_as_at_the_door() {
    let world = World::make().await;
    let entered = world.register(EMAIL).await;
    let here = entered.ticket.unwrap().session().to_owned();
    let changer = Changer { id: &entered.user.id, email: EMAIL, session: &here };
    let mut statuses = Vec::new();
    for current in [["wrong"; 10].as_slice(), &[PASSWORD]].concat() {
        let change = PasswordChange { current: current.into(), new: "battery staple".into() };
        let changed = world.entrance.change_password(changer, change, Origin::default(), world.now).await;
        statuses.push(refused(changed).0);
    }
    assert_eq!(statuses, [[422; 10].as_slice(), &[429]].concat());
    world.database.drop().await;
}
