//! `supercargo accounts`.

use accounts::client;
use accounts::questions::UserAnswer;

use super::connect;
use crate::answer;
use crate::cli::{AccountsCommand, Output};

pub async fn run(command: AccountsCommand) -> anyhow::Result<()> {
    match command {
        AccountsCommand::Add { email, id, name, reach } => {
            let nats = connect(&reach).await?;
            told(&client::add(&nats, &email, id.as_deref(), name.as_deref()).await?, "added")
        }
        AccountsCommand::Disable { id, reach } => {
            let nats = connect(&reach).await?;
            told(&client::disable(&nats, &id).await?, "disabled")
        }
        AccountsCommand::Enable { id, reach } => {
            let nats = connect(&reach).await?;
            told(&client::enable(&nats, &id).await?, "enabled")
        }
        AccountsCommand::GrantAdmin { email, reach } => {
            let nats = connect(&reach).await?;
            told(&client::grant_admin(&nats, &email).await?, "an admin")
        }
        AccountsCommand::List { output, reach } => {
            let nats = connect(&reach).await?;
            let users = client::list(&nats).await?;
            if output == Output::Json {
                return answer::json(&users);
            }
            let rows: Vec<[String; 4]> = users
                .into_iter()
                .map(|user| [user.id, user.email, user.name.unwrap_or_default(), user.disabled.to_string()])
                .collect();
            answer::table(["ID", "EMAIL", "NAME", "DISABLED"], &rows)
        }
    }
}

fn told(answer: &UserAnswer, done: &str) -> anyhow::Result<()> {
    let before = if answer.changed { "" } else { ", as before" };
    answer::text(&format!("{} ({}) is {done}{before}\n", answer.user.id, answer.user.email))
}
