//! NATS where users are known by JWT: a server of its own, since that of the stack asks nobody who they are.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::NatsSettings;
use futures::StreamExt as _;
use nkeys::KeyPair;
use serde_json::{Value, json};
use testkit::{Stack, eventually, free_address};
use tokio::process::{Child, Command};

use crate::Tested;

#[tokio::test]
async fn a_server_that_knows_its_users_by_jwt_admits_whoever_has_their_credentials_and_nobody_else() -> Tested
{
    Stack::from_env().await?;
    let folder = tempfile::tempdir()?;
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let url = format!("nats://{}", free_address());
    let server = server(folder.path(), &url, &operator, &account)?;
    let settings =
        |credentials: Option<String>| NatsSettings { nats_url: url.clone(), nats_credentials: credentials };

    let ours = credentials(&account)?;
    let client = eventually("the server admits us", || connect(settings(Some(ours.clone())))).await?;
    let mut heard = client.subscribe("here").await?;
    client.publish("here", "a word".into()).await?;
    let message = heard.next().await.context("the connection ended")?;
    assert_eq!(message.payload, "a word");

    let strangers = credentials(&KeyPair::new_account())?;
    for other in [None, Some(strangers)] {
        let error = connect(settings(other)).await.expect_err("a stranger is admitted");
        assert!(format!("{error:#}").contains("authorization violation"), "{error:#}");
    }
    drop(server);
    Ok(())
}

async fn connect(settings: NatsSettings) -> anyhow::Result<async_nats::Client> {
    let (servers, options) = settings.servers()?;
    options.connect(servers).await.context("not admitted")
}

/// The same program as the stack's, that trusts `operator` and has one account.
fn server(folder: &Path, url: &str, operator: &KeyPair, account: &KeyPair) -> anyhow::Result<Child> {
    let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").context("no KUBECONFIG")?);
    // The stack keeps all that is its own beside it.
    let pids = kubeconfig.with_file_name("pids");
    let pid = std::fs::read_to_string(pids.join("nats")).context("the stack has no NATS of this machine")?;
    let program =
        std::fs::read_link(format!("/proc/{}/exe", pid.trim())).context("the stack's NATS is gone")?;
    let trusted = token(operator, operator, json!({"type": "operator", "version": 2}))?;
    let known = token(
        operator,
        account,
        json!({"type": "account", "version": 2, "limits": {
            "subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "wildcards": true,
        }}),
    )?;
    let listen = url.trim_start_matches("nats://");
    let preloaded = account.public_key();
    let file = folder.join("nats.conf");
    std::fs::write(
        &file,
        format!(
            "listen: \"{listen}\"\noperator: \"{trusted}\"\nresolver: MEMORY\nresolver_preload: {{ {preloaded}: \"{known}\" }}\n"
        ),
    )?;
    Command::new(program)
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("nats-server does not start")
}

/// What `nsc generate creds` writes for a new user of `account`.
fn credentials(account: &KeyPair) -> anyhow::Result<String> {
    let user = KeyPair::new_user();
    let claims =
        json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
    let (token, seed) = (token(account, &user, claims)?, user.seed()?);
    Ok(format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    ))
}

/// What `issuer` says of `subject`, signed. <https://github.com/nats-io/jwt>
fn token(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> anyhow::Result<String> {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let said = json!({
        "jti": "test", "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": "test", "nats": claims,
    });
    let signed = format!("{}.{}", part(json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(said));
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}
