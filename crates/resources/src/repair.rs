//! Repair by people: what was asked of an order that needs a person, who asked, and what came of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use money::Money;
use serde::{Deserialize, Serialize};

/// How many repairs an order tells; the newest of each action is always among them.
pub const REPAIRS: usize = 10;
/// The annotation by which a program that asks for a repair names the person behind it.
pub const REPAIR_BY_ANNOTATION: &str = "supercargo.dev/repair-by";
/// How much of an annotation's value is kept as the reason, in characters.
pub const REPAIR_REASON: usize = 500;

/// What a person may have an order do.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepairAction {
    /// Ask again, at once, for what failed or is not answered.
    Retry,
    /// What was wrong is put right: look again and go on from there.
    Resume,
    /// What is stuck counts as settled by hand.
    Skip,
    /// Give back all the money that is kept.
    Refund,
}

impl RepairAction {
    /// All of them, in the order in which requests of the same moment are judged.
    pub const ALL: [Self; 4] = [Self::Retry, Self::Resume, Self::Skip, Self::Refund];

    /// The annotation that asks for it; its value is the reason in words, and a new value is a new request.
    #[must_use]
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::Retry => "supercargo.dev/retry",
            Self::Resume => "supercargo.dev/resume",
            Self::Skip => "supercargo.dev/skip",
            Self::Refund => "supercargo.dev/refund",
        }
    }

    /// The text in the resource.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Resume => "Resume",
            Self::Skip => "Skip",
            Self::Refund => "Refund",
        }
    }

    /// What is typed after `supercargo order`.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Resume => "resume",
            Self::Skip => "skip",
            Self::Refund => "refund",
        }
    }
}

/// What came of a request.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairOutcome {
    /// It is done, or under way.
    Taken,
    /// It made no sense, and changed nothing.
    Refused,
}

/// A request of a person, judged.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Its number, from 1.
    pub number: i64,
    /// What was asked for.
    pub action: RepairAction,
    /// Why, in the words of whoever asked: the annotation's value.
    #[schemars(length(max = 500))]
    pub reason: String,
    /// Who asked: the user name that the command line gave, else the manager of the annotation's field.
    #[schemars(length(max = 200))]
    pub by: String,
    /// When it was judged.
    pub at: MicroTime,
    /// What came of it.
    pub outcome: RepairOutcome,
    /// What was done, or why not.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// A part of an order that can be settled by hand.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The label is void, or the goods have arrived: a person made certain of it.
    Parcel,
    /// The money is where it belongs: a person made certain of it.
    Money,
}

/// What people have had done for an order's money; the operator brings the payment up to it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MoneyRepair {
    /// How often an undo that was refused was asked for again: the payment's spec.undoRetry follows.
    #[serde(default)]
    pub undo_retry: u32,
    /// The attempt by which dispatched goods are to be paid after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What was kept when the money was settled by hand; what comes on top of it later is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Money>,
    /// True: all that is kept is to be given back as goodwill, whatever becomes of the goods.
    #[serde(default)]
    pub refund: bool,
}
