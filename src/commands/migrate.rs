//! `supercargo migrate`.

use chassis::Store;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::cli::MigrateArguments;
use crate::roles::{RoleName, stop_on_signal};

/// Prepares the databases of the named roles, one after the other.
pub async fn run(arguments: MigrateArguments) -> anyhow::Result<()> {
    let _metrics = chassis::start_telemetry(&arguments.common, "supercargo-migrate")?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    for role in RoleName::meant_by(&arguments.roles) {
        match role.tables() {
            Some((service, migrations)) => {
                Store::prepare(&arguments.common, service, migrations, &stop).await?;
                answer::text(&format!("the database of {service} is ready\n"))?;
            }
            None if arguments.roles.contains(&role) => {
                answer::text(&format!("{} keeps no database\n", role.text()))?;
            }
            None => {}
        }
    }
    Ok(())
}
