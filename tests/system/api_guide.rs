//! `docs/api.md` is true: its commands are run as they stand there.

use anyhow::Context as _;
use testkit::Stack;

use crate::Tested;

const GUIDE: &str = include_str!("../../docs/api.md");

/// The shell commands of the guide, in their order.
fn commands() -> String {
    GUIDE.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block).collect()
}

#[tokio::test]
async fn every_command_of_the_api_guide_works() -> Tested {
    let stack = Stack::from_env().await?;
    // The stack of the tests is another one than that of `make up`, and is in the environment already.
    let script = commands().replace("source .dev/env", ": in the environment");
    anyhow::ensure!(script.contains("SHOP_URL"), "the guide has no commands");
    let output = tokio::process::Command::new("bash")
        .args(["-euo", "pipefail", "-x", "-c", &script])
        .env("SHOP_URL", &stack.addresses.shop)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), output)
        .await
        .context("the commands of the guide take too long")??;
    let (said, did) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{did}");
    assert!(said.contains("event: order.completed"), "{said}");
    Ok(())
}
