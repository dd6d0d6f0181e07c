use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;

/// Answers by a script, and remembers what it was asked; a script that is over answers that all is complete.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Value, &'static str>>>,
    always_away: bool,
    asked: Mutex<Vec<(&'static str, Value)>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<Value, &'static str>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    fn asked(&self) -> Vec<(&'static str, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

const AWAY: &str = "no responders";

#[async_trait]
impl Services for Script {
    async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, AskError> {
        self.asked.lock().unwrap().push((Q::SUBJECT, serde_json::to_value(question).unwrap()));
        let subject = Q::SUBJECT.to_owned();
        if self.always_away {
            return Err(AskError::Unavailable { subject, reason: AWAY.into() });
        }
        let complete = json!({"complete": true, "created": 1, "changed": 0});
        match self.answers.lock().unwrap().pop_front().unwrap_or(Ok(complete)) {
            Ok(answer) => Ok(serde_json::from_value(answer).unwrap()),
            Err(AWAY) => Err(AskError::Unavailable { subject, reason: AWAY.into() }),
            Err(reason) => Err(AskError::Invalid { subject, reason: reason.into() }),
        }
    }
}

fn rows(count: usize) -> Vec<Row> {
    let text: String = (0..count).map(|number| format!("A{number},Mug,15.90,EUR,{number}\n")).collect();
    super::super::parse(Path::new("a.csv"), &format!("sku,name,price,currency,stock\n{text}")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_catalog_begins_only_when_inventory_has_taken_its_part() {
    let script = Script::of([
        Ok(json!({"complete": false, "created": 0, "changed": 0})),
        Ok(json!({"complete": false, "created": 0, "changed": 0})),
        Ok(json!({"complete": true, "created": 2, "changed": 1})),
        Ok(json!({"complete": true, "created": 2, "changed": 1})),
    ]);
    let summary = deliver(&script, rows(4)).await.unwrap();
    assert_eq!(summary, Summary { articles: 4, created: 2, changed: 1, stock_changed: 3 });
    assert_eq!(summary.to_string(), "4 articles: 2 new, 1 changed, 1 as before; stock of 3 set");
    let asked = script.asked();
    let subjects: Vec<&str> = asked.iter().map(|(subject, _)| *subject).collect();
    assert_eq!(subjects, ["inventory.count", "catalog.import", "inventory.count", "catalog.import"]);
    assert_eq!((&asked[1].1["parts"], &asked[3].1["part"]), (&json!(2), &json!(1)));
    assert_eq!(asked[3].1["articles"], json!([]));
    assert_eq!((&asked[0].1["dryRun"], &asked[2].1["dryRun"]), (&json!(true), &json!(false)));
    assert_eq!(asked[1].1["importId"], asked[2].1["importId"]);
    assert_ne!(asked[0].1["importId"], asked[2].1["importId"]);
    assert_eq!(asked[2].1["counts"][3], json!({"sku": "A3", "quantity": 3}));
}

#[tokio::test(start_paused = true)]
async fn what_inventory_refuses_never_reaches_the_catalog() {
    let script = Script::of([Err("7 pieces of A0 are reserved: count at least as many")]);
    let error = format!("{:#}", deliver(&script, rows(1)).await.unwrap_err());
    assert_eq!(
        error,
        "nothing was changed: inventory refuses: 7 pieces of A0 are reserved: count at least as many"
    );
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_inventory_refuses_at_the_last_moment_takes_no_effect_in_the_catalog() {
    let incomplete = || Ok(json!({"complete": false, "created": 0, "changed": 0}));
    let script = Script::of([incomplete(), incomplete(), Err("7 pieces of A0 are reserved")]);
    let error = format!("{:#}", deliver(&script, rows(1)).await.unwrap_err());
    assert_eq!(error, "nothing was changed: inventory refuses: 7 pieces of A0 are reserved");
    let imports: Vec<(&str, Value)> =
        script.asked().into_iter().filter(|(subject, _)| *subject == "catalog.import").collect();
    assert_eq!(imports.len(), 1, "the part that begins the import was not sent");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_under_the_same_import() {
    let complete = || Ok(json!({"complete": true, "created": 1, "changed": 0}));
    let script = Script::of([complete(), Err(AWAY), Err(AWAY), complete()]);
    deliver(&script, rows(1)).await.unwrap();
    let imports: Vec<Value> = script
        .asked()
        .into_iter()
        .filter(|(subject, _)| *subject == "catalog.import")
        .map(|(_, asked)| asked)
        .collect();
    let (closing, staged) = imports.split_last().unwrap();
    assert_eq!(staged.len(), 3);
    assert!(staged.iter().all(|asked| *asked == staged[0]));
    assert_eq!(closing["importId"], staged[0]["importId"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_there_is_named_with_what_starts_it() {
    let script = Script { always_away: true, ..Script::default() };
    let error = format!("{:#}", deliver(&script, rows(1)).await.unwrap_err());
    assert!(
        error.contains("is inventory running on this NATS?") && error.contains("supercargo run inventory"),
        "{error}"
    );
    assert!(script.asked().iter().all(|(subject, _)| *subject == "inventory.count"));
}

#[tokio::test(start_paused = true)]
async fn large_files_go_in_parts_and_take_effect_with_the_last() {
    let script = Script::default();
    deliver(&script, rows(1201)).await.unwrap();
    let imports: Vec<Value> = script
        .asked()
        .into_iter()
        .filter(|(subject, _)| *subject == "catalog.import")
        .map(|(_, asked)| asked)
        .collect();
    let shape = |asked: &Value| {
        (asked["part"].clone(), asked["parts"].clone(), asked["articles"].as_array().unwrap().len())
    };
    assert_eq!(
        imports.iter().map(shape).collect::<Vec<_>>(),
        [
            (json!(0), json!(4), 500),
            (json!(1), json!(4), 500),
            (json!(2), json!(4), 201),
            (json!(3), json!(4), 0)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_not_complete_in_the_end_is_an_error() {
    let incomplete = || Ok(json!({"complete": false, "created": 0, "changed": 0}));
    let script = Script::of([incomplete(), incomplete(), incomplete()]);
    let error = format!("{:#}", deliver(&script, rows(1)).await.unwrap_err());
    assert!(error.contains("inventory has not got every part"), "{error}");
}

#[test]
fn parts_fit_into_messages() {
    let wide = vec!["x".repeat(10_000); 100];
    let cut = parts(wide);
    assert_eq!(cut.iter().map(Vec::len).sum::<usize>(), 100);
    for part in cut {
        assert!(serde_json::to_vec(&part).unwrap().len() < MOST_BYTES_IN_A_PART + 10_000);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_or_no_text_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.csv");
    let error = format!("{:#}", read(&file).await.unwrap_err());
    assert!(error.contains("failed to find") && error.contains("catalog.csv"), "{error}");
    std::fs::write(&file, b"sku\xff").unwrap();
    let error = format!("{:#}", read(&file).await.unwrap_err());
    assert!(error.contains("not UTF-8 text (byte 4)"), "{error}");
}
