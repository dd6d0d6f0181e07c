//! The command line.

use std::path::PathBuf;

use chassis::NatsSettings;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::audit::AuditArguments;
use crate::roles::{RoleName, RunArguments};

/// What `--version` tells: ours, the commit, and whose languages we speak. `-V` is just the first.
const VERSIONS: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit ",
    env!("SUPERCARGO_COMMIT"),
    "\nresources supercargo.dev/v1alpha1\nKubernetes ",
    env!("SUPERCARGO_KUBERNETES"),
);

/// A shop's orders as Kubernetes resources: the operator, its services, and the commands of those who run them.
#[derive(Parser, Debug)]
#[command(name = "supercargo", version, long_version = VERSIONS, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run roles until stopped: any of operator, inventory, payment, shipping, notifications, catalog, accounts, orders, cart,
    /// storefront and sandbox; all is every one but the sandbox.
    Run(Box<RunArguments>),
    /// Make the roles, schemas and tables of the named services in their databases, before a release's first start of them. Doing
    /// it again changes nothing, nor does it disturb the release before, which may still run.
    Migrate(MigrateArguments),
    /// Ask whether each of the addresses answers well, as a test of an installation does where there is no curl.
    Ready(ReadyArguments),
    /// Print the definitions of the custom resources, as YAML.
    Crds(GenerateArguments),
    /// Print the JSON Schemas of events, commands and questions.
    Schemas(GenerateArguments),
    /// Print the OpenAPI document of the REST of all services, as JSON.
    Openapi,
    /// Load articles into the shop.
    Catalog(CatalogArguments),
    /// Show how much of each article is there: on hand, reserved and available.
    Stock(StockArguments),
    /// Look into an order, or repair it.
    Order(OrderArguments),
    /// Look after what the service of orders keeps of all of them.
    Orders(OrdersArguments),
    /// Look at messages that could not be handled; deliver them again, or drop them.
    DeadLetters(DeadLetterArguments),
    /// Manage who may order.
    Accounts(AccountsArguments),
    /// Check what must always hold of every order, across Kubernetes, the services' databases, the streams and the payment
    /// provider's own books. Exits with 0 when all is well, 1 with findings, 2 when something could not be checked.
    Audit(Box<AuditArguments>),
}

#[derive(Args, Debug)]
pub struct MigrateArguments {
    /// The roles; all is every one that keeps a database.
    #[arg(required = true, value_name = "ROLE")]
    pub roles: Vec<RoleName>,
    #[command(flatten)]
    pub common: chassis::Settings,
}

#[derive(Args, Debug)]
pub struct ReadyArguments {
    /// What is asked, for example http://supercargo-storefront:8080/ready.
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// How many seconds to wait for it.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub within: u64,
}

#[derive(Args, Debug)]
pub struct GenerateArguments {
    /// Write one file each into this folder instead of printing.
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Args, Debug)]
pub struct CatalogArguments {
    #[command(subcommand)]
    pub command: CatalogCommand,
}

#[derive(Subcommand, Debug)]
pub enum CatalogCommand {
    /// Load articles from a file: a YAML list, or CSV, of sku,name,price,currency,stock[,description,image]. All rows take
    /// effect or none; stock is the quantity on hand to have. Returns when catalog and inventory both hold them.
    Import {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        reach: NatsSettings,
    },
}

#[derive(Args, Debug)]
pub struct StockArguments {
    /// The articles; all when none is named.
    pub skus: Vec<String>,
    /// How the answer is written.
    #[arg(short, long, default_value = "table")]
    pub output: Output,
    #[command(flatten)]
    pub reach: NatsSettings,
}

#[derive(Args, Debug)]
pub struct OrderArguments {
    #[command(subcommand)]
    pub command: OrderCommand,
}

#[derive(Subcommand, Debug)]
pub enum OrderCommand {
    /// Show everything that happened to an order, also after its resource is gone.
    History {
        /// The order's name.
        name: String,
        /// Its namespace.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// How the answer is written.
        #[arg(short, long, default_value = "table")]
        output: Output,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Ask again, at once, for what failed or is not answered: a refused refund under a key of its own, goods that left unpaid
    /// by a new payment attempt, a waiting order's open commands. Never charges twice.
    Retry(RepairArguments),
    /// Say that what was wrong is put right: a Stuck order looks again at what the services say and goes on from there.
    Resume(RepairArguments),
    /// Count what an order is stuck with as settled by hand: nobody is asked for it any more, and the order goes on to its end.
    Skip(SkipArguments),
    /// Give back all the money that is kept for an order; goods that have left stay where they are.
    Refund(RepairArguments),
}

#[derive(Args, Debug)]
pub struct RepairArguments {
    /// The order's name.
    pub name: String,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// Why, in words; kept on the order with your name.
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub reach: NatsSettings,
}

#[derive(Args, Debug)]
pub struct SkipArguments {
    /// The order's name.
    pub name: String,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// How it was settled, in words; kept on the order with your name.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub reach: NatsSettings,
}

#[derive(Args, Debug)]
pub struct OrdersArguments {
    #[command(subcommand)]
    pub command: OrdersCommand,
}

#[derive(Subcommand, Debug)]
pub enum OrdersCommand {
    /// Show how many orders are in each phase, over all orders there ever were.
    Status {
        #[arg(short, long, default_value = "table")]
        output: Output,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Make what shoppers read of their orders anew from the history, open orders first. Broken off, it goes on where it stopped.
    /// To be run once after an upgrade from a version without REST.
    Reproject {
        /// Begin again, also when it was broken off.
        #[arg(long)]
        restart: bool,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Make the orders that were in flight again in a cluster that has lost them, under their order ids, from what the service
    /// orders has kept in Postgres. What is there already stays as it is; broken off, it goes on when it is run again.
    Restore {
        /// Only these namespaces; all when none is named.
        #[arg(short, long, value_name = "NAMESPACE")]
        namespace: Vec<String>,
        /// Only say what would be made.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        reach: NatsSettings,
    },
}

#[derive(Args, Debug)]
pub struct DeadLetterArguments {
    #[command(subcommand)]
    pub command: DeadLetterCommand,
}

/// Which dead letters.
#[derive(Args, Debug)]
pub struct LetterFilter {
    /// Those about this order, by name or order id.
    #[arg(long, value_name = "NAME|ID")]
    pub order: Option<String>,
    /// The namespace of the order that is named.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// Those of this consumer, for example payment-commands.
    #[arg(long)]
    pub consumer: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum DeadLetterCommand {
    /// List them, oldest first.
    List {
        #[command(flatten)]
        filter: LetterFilter,
        /// How the answer is written.
        #[arg(short, long, default_value = "table")]
        output: Output,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Show one with its error, headers and payload.
    Show {
        /// Its number, as listed.
        id: u64,
        /// How the answer is written.
        #[arg(short, long, default_value = "table")]
        output: Output,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Deliver them again to the consumer that could not handle them, each order's in their original order.
    Redrive {
        /// Their numbers, as listed.
        ids: Vec<u64>,
        /// All of them.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: LetterFilter,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Remove them for good; who did so and why is kept.
    Drop {
        /// Their numbers, as listed.
        #[arg(required = true)]
        ids: Vec<u64>,
        /// Why, in words; it is kept beside who did it.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        reach: NatsSettings,
    },
}

#[derive(Args, Debug)]
pub struct AccountsArguments {
    #[command(subcommand)]
    pub command: AccountsCommand,
}

#[derive(Subcommand, Debug)]
pub enum AccountsCommand {
    /// Add a user.
    Add {
        /// The email address.
        email: String,
        /// The user id; a new one when not given.
        #[arg(long)]
        id: Option<String>,
        /// The name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Disable a user: their new orders are Rejected, and they are logged out everywhere.
    Disable {
        /// The user id.
        id: String,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Enable a user again.
    Enable {
        /// The user id.
        id: String,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// Make a registered user an admin, who may do everything over REST.
    GrantAdmin {
        /// Their email address.
        email: String,
        #[command(flatten)]
        reach: NatsSettings,
    },
    /// List the users.
    List {
        /// How the answer is written.
        #[arg(short, long, default_value = "table")]
        output: Output,
        #[command(flatten)]
        reach: NatsSettings,
    },
}
