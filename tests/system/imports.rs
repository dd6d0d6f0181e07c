//! `supercargo catalog import` and `supercargo stock`: all rows or none, and every fault with its place.

use std::path::PathBuf;

use testkit::{Ended, Level, Program, TestShop, order, unique};

use crate::Tested;

/// Writes a file and imports it.
async fn import(folder: &tempfile::TempDir, name: &str, content: &str) -> anyhow::Result<Ended> {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content)?;
    Program::supercargo(&["catalog", "import", &path.to_string_lossy()]).run().await
}

#[tokio::test]
async fn articles_come_from_yaml_and_csv_and_can_be_bought_when_the_import_returns() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let (mug, tea) = (unique("MUG").to_uppercase(), unique("TEA").to_uppercase());
    let yaml = format!("- {{sku: {mug}, name: A mug, price: 15.90, currency: EUR, stock: 4}}\n");
    let ended = import(&folder, "articles.yaml", &yaml).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let csv = format!("sku,name,price,currency,stock,description\n{tea},\"Tea, green\",3.50,EUR,9,loose\n");
    let ended = import(&folder, "articles.csv", &csv).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let placed = shop.place(order().item(&mug, 2).item(&tea, 1)).await?;
    shop.completes(&placed).await?;
    shop.money_becomes(&placed, 2 * 1590 + 350, 0).await?;
    shop.stock_becomes(&mug, Level::of(2, 0)).await?;
    // Importing again says how many there are to be, not how many more.
    assert_eq!(import(&folder, "articles.yaml", &yaml).await?.code, Some(0));
    shop.stock_becomes(&mug, Level::of(4, 0)).await?;
    let json = Program::supercargo(&["stock", &mug, &tea, "-o", "json"]).answer().await?;
    let levels: serde_json::Value = serde_json::from_str(&json)?;
    assert_eq!(levels[0], serde_json::json!({"sku": mug, "onHand": 4, "reserved": 0, "available": 4}));
    assert_eq!(levels[1], serde_json::json!({"sku": tea, "onHand": 8, "reserved": 0, "available": 8}));
    shop.close().await
}

#[tokio::test]
async fn malformed_files_are_refused_by_file_row_and_column_and_nothing_is_imported() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let good = unique("GOOD").to_uppercase();
    let head = "sku,name,price,currency,stock\n";
    let first = format!("{good},Good,1.00,EUR,1\n");
    for (what, name, content, words) in [
        ("an empty file", "a.csv", String::new(), vec!["a.csv", "empty"]),
        ("a header alone", "a.csv", head.to_owned(), vec!["a.csv", "at least one row"]),
        (
            "a missing column",
            "a.csv",
            "sku,name,price,currency\nA,A,1,EUR\n".into(),
            vec!["column stock", "missing"],
        ),
        (
            "an unknown column",
            "a.csv",
            "sku,name,price,currency,stock,colour\n".into(),
            vec!["column colour"],
        ),
        ("semicolons", "a.csv", "sku;name;price;currency;stock\n".into(), vec!["row 1", "commas"]),
        ("a row too short", "a.csv", format!("{head}{first}A,A,1.00\n"), vec!["row 3", "3 columns"]),
        (
            "a price in words",
            "a.csv",
            format!("{head}{first}A,A,cheap,EUR,1\n"),
            vec!["row 3", "column price", "cheap"],
        ),
        (
            "a price with a comma",
            "a.csv",
            format!("{head}{first}A,A,\"1,50\",EUR,1\n"),
            vec!["row 3", "column price"],
        ),
        ("a negative price", "a.csv", format!("{head}{first}A,A,-1,EUR,1\n"), vec!["row 3", "column price"]),
        (
            "a price too precise",
            "a.csv",
            format!("{head}{first}A,A,1.005,EUR,1\n"),
            vec!["row 3", "column price"],
        ),
        (
            "yen with decimals",
            "a.csv",
            format!("{head}{first}A,A,1.50,JPY,1\n"),
            vec!["row 3", "column price"],
        ),
        (
            "a currency in words",
            "a.csv",
            format!("{head}{first}A,A,1,Euro,1\n"),
            vec!["row 3", "column currency"],
        ),
        ("half a piece", "a.csv", format!("{head}{first}A,A,1,EUR,0.5\n"), vec!["row 3", "column stock"]),
        ("negative stock", "a.csv", format!("{head}{first}A,A,1,EUR,-1\n"), vec!["row 3", "column stock"]),
        ("a SKU with a blank", "a.csv", format!("{head}{first}A B,A,1,EUR,1\n"), vec!["row 3", "column sku"]),
        ("no name", "a.csv", format!("{head}{first}A,,1,EUR,1\n"), vec!["row 3", "column name", "missing"]),
        ("a SKU twice", "a.csv", format!("{head}{first}{first}"), vec!["rows 2 and 3", "column sku"]),
        ("no YAML", "a.yaml", "- {sku: [".into(), vec!["a.yaml", "not YAML"]),
        ("no list", "a.yaml", "sku: A\n".into(), vec!["a.yaml", "not a list of articles"]),
        (
            "a YAML price in words",
            "a.yaml",
            format!(
                "- {{sku: {good}, name: G, price: 1, currency: EUR, stock: 1}}\n- {{sku: B, name: B, price: dear, currency: EUR, stock: 1}}\n"
            ),
            vec!["row 2", "column price"],
        ),
        ("an entry that is text", "a.yaml", "- MUG-01\n".into(), vec!["row 1"]),
    ] {
        let ended = import(&folder, name, &content).await?;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{what}: {ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{what}, without {word:?}: {}", ended.stderr);
        }
    }
    let ended = Program::supercargo(&["catalog", "import", "/no/such/file.csv"]).run().await?;
    assert!(ended.code == Some(1) && ended.stderr.contains("/no/such/file.csv"), "{ended:?}");
    // The good rows beside the bad ones were not imported either.
    let ended = Program::supercargo(&["stock", &good]).run().await?;
    assert!(ended.code == Some(1) && ended.stderr.contains(&good), "{ended:?}");
    let placed = shop.place(order().item(&good, 1)).await?;
    shop.rests(&placed, resources::OrderPhase::Rejected, "UnknownArticle").await?;
    shop.close().await
}

#[tokio::test]
async fn an_import_that_inventory_cannot_take_changes_no_price_either() -> Tested {
    let shop = TestShop::open().await?;
    let folder = tempfile::tempdir()?;
    let sku = shop.article("5.00", 5).await?;
    let held = shop.place(order().item(&sku, 3).without_method()).await?;
    shop.reaches(&held, resources::OrderPhase::AwaitingPayment).await?;
    let csv = format!("sku,name,price,currency,stock\n{sku},Dearer,9.00,EUR,2\n");
    let ended = import(&folder, "less.csv", &csv).await?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&sku) && ended.stderr.contains("reserved"), "{ended:?}");
    shop.stock_becomes(&sku, Level::of(5, 3)).await?;
    let bought = shop.place(order().item(&sku, 1)).await?;
    shop.completes(&bought).await?;
    shop.money_becomes(&bought, 500, 0).await?;
    shop.close().await
}
