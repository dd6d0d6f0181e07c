//! A service's own database: a schema and role that no other service uses, with inbox and outbox.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::platform::wait_for;
use crate::{Platform, SettingError, Settings};

/// Inbox and outbox, the same in every service.
const CHASSIS_TABLES: &str = include_str!("tables.sql");

/// A connection that lay idle for longer is tried before it is given to somebody: the server may have gone meanwhile.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A service's database.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    pub(crate) outbox_written: Arc<Notify>,
    pub(crate) work_scheduled: Arc<Notify>,
    service: &'static str,
}

impl Store {
    /// Opens the database of `service`, waits until it is there, makes its role and schema where it may, and runs the
    /// embedded migrations.
    ///
    /// # Errors
    /// When the setting is missing or wrong, a migration fails, or the process is told to stop.
    pub async fn open(
        platform: &Platform,
        service: &'static str,
        migrator: &Migrator,
    ) -> anyhow::Result<Self> {
        let url = platform.settings.database_url_of(service)?;
        let connections = platform.settings.database_connections;
        let what = format!("the database of {service} at DATABASE_URL");
        wait_for(&what, &platform.stop, || Self::connect(&url, service, connections, migrator)).await
    }

    /// As [`Store::open`], without waiting.
    ///
    /// # Errors
    /// When the URL is wrong, the server is not there, or a migration fails.
    pub async fn connect(
        url: &str,
        service: &'static str,
        connections: u32,
        migrator: &Migrator,
    ) -> anyhow::Result<Self> {
        let options = connect_options(url, &format!("supercargo {service}"))?;
        let mut connection = PgConnection::connect_with(&options).await.context("failed to connect")?;
        let role = ensure_role_and_schema(&mut connection, service).await?;
        connection.close().await.context("failed to close a connection")?;

        let pool = open_pool(options, service, role, connections).await?;
        let mut connection = pool.acquire().await.context("failed to get a connection")?;
        // One at a time: several replicas may start together.
        sqlx::query("SELECT pg_advisory_lock(hashtext('supercargo chassis'))")
            .execute(&mut *connection)
            .await?;
        let tables = sqlx::raw_sql(CHASSIS_TABLES).execute(&mut *connection).await;
        sqlx::query("SELECT pg_advisory_unlock(hashtext('supercargo chassis'))")
            .execute(&mut *connection)
            .await?;
        tables.with_context(|| format!("failed to make the inbox and outbox of {service}"))?;
        drop(connection);
        migrate(&pool, service, migrator).await?;
        Ok(Self {
            pool,
            outbox_written: Arc::new(Notify::new()),
            work_scheduled: Arc::new(Notify::new()),
            service,
        })
    }

    /// Makes the role, schema and tables of `service` and closes again: what has to be done once before a release's
    /// first process of that service. Waits until the database is there; doing it again changes nothing.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn prepare(
        settings: &Settings,
        service: &'static str,
        migrator: &Migrator,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let url = settings.database_url_of(service)?;
        let what = format!("the database of {service} at DATABASE_URL");
        let store = wait_for(&what, stop, || Self::connect(&url, service, 2, migrator)).await?;
        store.pool.close().await;
        Ok(())
    }

    /// The name of the service, which is also the name of its schema.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The pool, for reads outside a transaction.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Counts a failure of `message_id` at `consumer` for a reason of its own, over all replicas and restarts.
    ///
    /// # Errors
    /// When the database does not answer: then nothing is counted.
    pub(crate) async fn count_failure(&self, consumer: &str, message_id: &str) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO inbox_failures (consumer, message_id, failures) VALUES ($1, $2, 1)
             ON CONFLICT (consumer, message_id)
             DO UPDATE SET failures = inbox_failures.failures + 1, failed_at = now() RETURNING failures",
        )
        .bind(consumer)
        .bind(message_id)
        .fetch_one(&self.pool)
        .await
    }

    /// Forgets the failures of a message that was given up: once it is redriven, they are counted anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn forget_failures(&self, consumer: &str, message_id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM inbox_failures WHERE consumer = $1 AND message_id = $2")
            .bind(consumer)
            .bind(message_id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// How to connect to the database at `url` as `application`.
pub(crate) fn connect_options(url: &str, application: &str) -> Result<PgConnectOptions, SettingError> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(url_fault("it must begin with postgres://".to_owned()));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| url_fault(error.to_string()))?;
    Ok(options.application_name(application).options([("client_min_messages", "warning")]))
}

/// What is said of a `DATABASE_URL` that is none.
fn url_fault(why: String) -> SettingError {
    SettingError {
        name: "DATABASE_URL".into(),
        fault: format!("is no address of a Postgres database ({why})"),
        example: "postgres://supercargo:secret@127.0.0.1:5432/supercargo".into(),
    }
}

/// Connections that work in the schema of `service`, under `role` when there is one.
pub(crate) async fn open_pool(
    options: PgConnectOptions,
    service: &'static str,
    role: Option<String>,
    connections: u32,
) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        // Asking each time whether the server is still there would be one more round trip for every statement.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for >= TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let role = role.clone();
            Box::pin(async move {
                if let Some(role) = role {
                    sqlx::query(AssertSqlSafe(format!("SET ROLE {role}"))).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_with(options.options([("search_path", service)]))
        .await
        .context("failed to connect")
}

/// Brings the tables to what this program knows. While a newer release rolls out, and after a roll back, the database knows
/// migrations that this program does not: each release keeps what the one before it needs, so that is no obstacle.
async fn migrate(pool: &PgPool, service: &str, migrator: &Migrator) -> anyhow::Result<()> {
    let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    let newest = known.iter().copied().max().unwrap_or_default();
    let is_there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(pool).await?;
    let unknown: Vec<i64> = if is_there {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE version <> ALL($1) ORDER BY version")
            .bind(&known)
            .fetch_all(pool)
            .await?
    } else {
        Vec::new()
    };
    // Asked here and not left to the library, which goes away from such a database without giving its lock back.
    if let Some(foreign) = unknown.iter().find(|version| **version <= newest) {
        return Err(explain_migration(service, MigrateError::VersionMissing(*foreign)));
    }
    if !unknown.is_empty() {
        tracing::info!(service, "the database was migrated by a newer release, which is still rolling out");
    }
    let mut beside_newer = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    let outcome = beside_newer.set_ignore_missing(true).run(pool).await;
    outcome.map_err(|error| explain_migration(service, error))
}

/// A database that does not fit this program will not fit it later either: that stops the start.
#[allow(clippy::wildcard_enum_match_arm, reason = "the library's enum may grow: all else is retried")]
fn explain_migration(service: &str, error: MigrateError) -> anyhow::Error {
    let unfit = match &error {
        MigrateError::VersionMissing(version) => Some(format!(
            "was migrated to version {version} by another program: use the one of its release, or another database"
        )),
        MigrateError::VersionMismatch(version) => Some(format!(
            "was migrated by another program ({version} differs): use the one of its release, or another database"
        )),
        MigrateError::Dirty(version) => Some(format!(
            "holds a half-made migration {version}: look at its schema {service}, repair it by hand"
        )),
        _ => None,
    };
    match unfit {
        Some(fault) => SettingError {
            name: "DATABASE_URL".into(),
            fault: format!("leads to a database that, for {service}, {fault}"),
            example: "postgres://supercargo:secret@127.0.0.1:5432/supercargo".into(),
        }
        .into(),
        None => anyhow::Error::new(error).context(format!("failed to migrate the database of {service}")),
    }
}

/// Makes the service's role and schema where the user of the URL may. A user who may not create roles keeps working in a
/// schema of the service's name under its own role.
async fn ensure_role_and_schema(
    connection: &mut PgConnection,
    service: &str,
) -> anyhow::Result<Option<String>> {
    let may_create_roles: bool =
        sqlx::query_scalar("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut *connection)
            .await
            .context("failed to ask for the user's rights")?;
    let role = format!("supercargo_{service}");
    let lock = "SELECT pg_advisory_xact_lock(hashtext('supercargo roles'));";
    let script = if may_create_roles {
        format!(
            "BEGIN; {lock}
             DO $$ BEGIN
                 IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN
                 NULL; -- roles belong to the server, the lock to the database: another database's start was quicker
             END $$;
             DO $$ BEGIN
                 IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN GRANT {role} TO CURRENT_USER; END IF;
             END $$;
             CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {role};
             COMMIT;"
        )
    } else {
        format!("BEGIN; {lock} CREATE SCHEMA IF NOT EXISTS {service}; COMMIT;")
    };
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.with_context(|| {
        format!("failed to make the schema {service}: may the user of DATABASE_URL create schemas?")
    })?;
    Ok(may_create_roles.then_some(role))
}
