//! A missing or wrong setting stops the start, with its name, its fault and an example; what is away is waited for.

use std::time::Duration;

use testkit::{Program, Stack, eventually, unique};

use crate::Tested;

#[tokio::test]
async fn a_missing_or_wrong_setting_stops_the_start_with_its_name_its_fault_and_an_example() -> Tested {
    let stack = Stack::from_env().await?;
    let missing = ["is missing", "for example"];
    for (role, name, value, words) in [
        ("payment", "STRIPE_KEY", None, vec![missing[0], missing[1], "sk_test"]),
        ("payment", "STRIPE_WEBHOOK_SECRET", None, vec![missing[0], missing[1], "whsec"]),
        ("payment", "STRIPE_URL", Some("not a url"), vec!["for example"]),
        ("payment", "STRIPE_URL", Some("ftp://127.0.0.1"), vec!["http", "for example"]),
        ("payment", "PAYMENT_TIMEOUT", Some("soon"), vec!["duration", "for example"]),
        ("shipping", "CARRIER_KEY", None, vec![missing[0], missing[1]]),
        ("shipping", "CARRIER_URL", Some("nowhere"), vec!["for example"]),
        ("shipping", "CARRIER_WEBHOOK_SECRET", Some(" "), vec!["for example"]),
        ("notifications", "SMTP_URL", Some("http://127.0.0.1"), vec!["smtp", "for example"]),
        ("notifications", "MAIL_FROM", Some("nobody"), vec!["for example"]),
        ("inventory", "DATABASE_URL", None, vec![missing[0], missing[1], "postgres://"]),
        ("orders", "DATABASE_URL", Some("mysql://127.0.0.1/shop"), vec!["for example", "postgres://"]),
        ("catalog", "NATS_URL", Some("http://no where"), vec!["for example", "nats://"]),
        ("operator", "KUBECONFIG", Some("/no/such/kubeconfig"), vec!["for example"]),
        ("operator", "HTTP_ADDR", Some("8080"), vec!["8080"]),
        ("operator", "OPERATOR_CONCURRENCY", Some("0"), vec!["1..=1000"]),
    ] {
        let mut program = Program::supercargo(&["run", role])
            .with("HTTP_ADDR", "127.0.0.1:0")
            .with("SMTP_URL", "smtp://127.0.0.1:1")
            .with("MAIL_FROM", "shop@example.com");
        program = match value {
            Some(value) => program.with(name, value),
            None => program.without(name),
        };
        let ended = tokio::time::timeout(Duration::from_secs(15), program.run()).await;
        let Ok(ended) = ended else { anyhow::bail!("{role} starts with {name}={value:?}") };
        let ended = ended?;
        assert!(ended.code.is_some_and(|code| code != 0), "{name}={value:?}: {ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let named = said.contains(name) || said.contains(&name.to_lowercase().replace('_', "-"));
        assert!(named, "{name}={value:?} is not named: {said}");
        for word in words {
            assert!(said.contains(word), "{name}={value:?}, without {word:?}: {said}");
        }
    }
    drop(stack);
    Ok(())
}

#[tokio::test]
async fn a_dependency_that_is_down_at_the_start_is_waited_for_saying_so() -> Tested {
    Stack::from_env().await?;
    let folder = tempfile::tempdir()?;
    for (role, name, value, what) in [
        ("catalog", "NATS_URL", "nats://127.0.0.1:1", "NATS"),
        ("catalog", "DATABASE_URL", "postgres://supercargo:secret@127.0.0.1:1/supercargo", "the database"),
    ] {
        let log = folder.path().join(unique("log"));
        let program = Program::supercargo(&["run", role]).with("HTTP_ADDR", "127.0.0.1:0").with(name, value);
        let mut running = program.start(&log)?;
        eventually("it says what it waits for", || async {
            let said = std::fs::read_to_string(&log)?;
            anyhow::ensure!(said.contains(&format!("waiting for {what}")), "it says {said}");
            Ok(())
        })
        .await?;
        assert!(running.try_wait()?.is_none(), "it goes on waiting");
        running.kill().await?;
    }
    Ok(())
}

#[tokio::test]
async fn commands_have_help_and_exit_codes_that_scripts_can_trust() -> Tested {
    Stack::from_env().await?;
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["catalog", "import", "--help"],
        &["stock", "--help"],
        &["order", "history", "--help"],
        &["accounts", "--help"],
        &["crds", "--help"],
        &["schemas", "--help"],
    ] {
        let help = Program::supercargo(arguments).answer().await?;
        assert!(help.contains("Usage:"), "{arguments:?}: {help}");
    }
    let wrong = Program::supercargo(&["run", "nosuchrole"]).run().await?;
    assert!(wrong.code == Some(2) && wrong.stdout.is_empty(), "{wrong:?}");
    let away = Program::supercargo(&["stock"]).with("NATS_URL", "nats://127.0.0.1:1").run().await?;
    assert!(away.code == Some(1) && away.stdout.is_empty() && away.stderr.contains("make up"), "{away:?}");
    let crds = Program::supercargo(&["crds"]).answer().await?;
    assert_eq!(crds.matches("kind: CustomResourceDefinition").count(), 5);
    Ok(())
}

#[tokio::test]
async fn the_shop_tells_that_it_is_alive_ready_and_what_it_does() -> Tested {
    let stack = Stack::from_env().await?;
    let get = |path: &str| stack.http.get(format!("{}{path}", stack.addresses.shop)).send();
    assert!(get("/health").await?.status().is_success());
    assert!(get("/ready").await?.status().is_success());
    let metrics = get("/metrics").await?.text().await?;
    assert!(metrics.contains("supercargo_operator_leading 1"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_process_that_waits_for_a_dependency_is_alive_and_says_what_it_waits_for() -> Tested {
    let stack = Stack::from_env().await?;
    let folder = tempfile::tempdir()?;
    let address = testkit::free_address().to_string();
    let process = Program::supercargo(&["run", "catalog"])
        .with("HTTP_ADDR", &address)
        .with("NATS_URL", "nats://127.0.0.1:1")
        .start(&folder.path().join("log"))?;
    eventually("it is alive, and not ready for a stated reason", || async {
        let health = stack.http.get(format!("http://{address}/health")).send().await?;
        anyhow::ensure!(health.status() == 200, "it is not alive: {}", health.status());
        let ready = stack.http.get(format!("http://{address}/ready")).send().await?;
        anyhow::ensure!(ready.status() == 503, "it is ready: {}", ready.status());
        let said = ready.text().await?;
        anyhow::ensure!(said.contains("waiting for NATS at NATS_URL"), "it says: {said}");
        Ok(())
    })
    .await?;
    drop(process);
    Ok(())
}
