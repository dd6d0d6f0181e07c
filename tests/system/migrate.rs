//! `supercargo migrate`: once before a release's first start, again without harm, and beside a newer release.

use sqlx::{Connection, PgConnection};
use testkit::{Ended, Program, ScratchDatabase};

use crate::Tested;

async fn migrate(database: &ScratchDatabase) -> anyhow::Result<Ended> {
    Program::supercargo(&["migrate", "cart", "operator"]).with("CART_DATABASE_URL", &database.url).run().await
}

#[tokio::test]
async fn tables_are_made_once_and_a_newer_release_is_no_obstacle() -> Tested {
    let database = ScratchDatabase::make().await;
    for _ in 0..2 {
        let ended = migrate(&database).await?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout, "operator keeps no database\nthe database of cart is ready\n");
    }
    let mut connection = PgConnection::connect(&database.url).await?;
    let newer = "INSERT INTO cart._sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (999, 'of a newer release', true, '\\x00', 0)";
    sqlx::query(newer).execute(&mut connection).await?;
    let ended = migrate(&database).await?;
    assert_eq!(ended.code, Some(0), "the release before goes on: {}", ended.stderr);
    let foreign = "UPDATE cart._sqlx_migrations SET version = 0 WHERE version = 999";
    sqlx::query(foreign).execute(&mut connection).await?;
    let ended = migrate(&database).await?;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("by another program"), "{}", ended.stderr);
    connection.close().await?;
    database.drop().await;
    Ok(())
}

#[tokio::test]
async fn ready_says_of_each_address_whether_it_is() -> Tested {
    let stack = testkit::Stack::from_env().await?;
    drop(stack);
    let ready = format!("{}/ready", std::env::var("SHOP_URL")?);
    let ended = Program::supercargo(&["ready", "--within", "10", &ready]).run().await?;
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{ready} is ready\n")));
    let nowhere = "http://127.0.0.1:1/ready";
    let ended = Program::supercargo(&["ready", nowhere]).run().await?;
    assert!(
        ended.code != Some(0) && ended.stderr.contains(&format!("{nowhere} is not ready")),
        "{}",
        ended.stderr
    );
    Ok(())
}
