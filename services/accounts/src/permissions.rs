//! Who may change what others may: pure.

use std::collections::BTreeSet;

use rest::Problem;

/// The permission that stands for all.
pub(crate) const ADMIN: &str = "admin";

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Their id.
    pub id: &'a str,
    /// What they hold.
    pub holds: &'a [String],
}

impl Asker<'_> {
    fn is_admin(&self) -> bool {
        holds_admin(self.holds)
    }
}

fn holds_admin(permissions: &[String]) -> bool {
    permissions.iter().any(|held| held == ADMIN)
}

/// Whom it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Their id.
    pub(crate) id: &'a str,
    /// What they may.
    pub(crate) permissions: &'a [String],
}

impl Subject<'_> {
    fn is_admin(&self) -> bool {
        holds_admin(self.permissions)
    }
}

/// The permissions in the form in which they are kept: each once, in order.
pub(crate) fn normal(mut permissions: Vec<String>) -> Vec<String> {
    permissions.sort();
    permissions.dedup();
    permissions
}

/// Refuses names that stand for nothing. What the subject holds already may stay.
///
/// # Errors
/// 422 with the names that there are.
pub(crate) fn judge_names(
    known: &BTreeSet<String>,
    held: &[String],
    wished: &[String],
) -> Result<(), Problem> {
    let stands = |name: &&String| *name == ADMIN || known.contains(*name) || held.contains(name);
    let Some(nothing) = wished.iter().find(|name| !stands(name)) else { return Ok(()) };
    let mut names: Vec<&str> = known.iter().map(String::as_str).chain([ADMIN]).collect();
    names.sort_unstable();
    let detail = format!("there is no permission {nothing}: those that there are are {}", names.join(", "));
    Err(Problem::invalid(detail).at("/permissions"))
}

/// Refuses a change of the subject's permissions to `wished` that cannot be. `others` is true when there is an enabled admin
/// besides the subject.
///
/// # Errors
/// 403 when the asker is no admin and `admin` is given or taken; 409 when the last admin would be gone.
pub(crate) fn judge_change(
    asker: Asker<'_>,
    subject: Subject<'_>,
    wished: &[String],
    others: bool,
) -> Result<(), Problem> {
    let stays_admin = holds_admin(wished);
    if subject.is_admin() != stays_admin && !asker.is_admin() {
        return Err(Problem::forbidden("only an admin may give or take the permission admin: ask one"));
    }
    if !asker.is_admin() {
        if asker.id == subject.id {
            return Err(Problem::forbidden("only an admin changes their own permissions: ask one"));
        }
        let moved = |name: &&String| wished.contains(name) != subject.permissions.contains(name);
        let mut names = wished.iter().chain(subject.permissions).filter(moved);
        if let Some(name) = names.find(|name| !asker.holds.contains(name)) {
            return Err(Problem::forbidden(format!(
                "you may give and take what you hold yourself, which is not {name}: ask an admin"
            )));
        }
    }
    if subject.is_admin() && !stays_admin && !others {
        return Err(Problem::conflict(format!(
            "{} is the last admin: give the permission admin to somebody else first",
            subject.id
        )));
    }
    Ok(())
}

/// Refuses to disable an account that cannot be.
///
/// # Errors
/// 409 when it is the asker's own, 403 when it is an admin's and the asker is none.
pub(crate) fn judge_disabling(asker: Asker<'_>, subject: Subject<'_>) -> Result<(), Problem> {
    if asker.id == subject.id {
        return Err(Problem::conflict("you cannot disable your own account: ask another admin to do it"));
    }
    if subject.is_admin() && !asker.is_admin() {
        return Err(Problem::forbidden("only an admin may disable the account of an admin: ask one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static ADMINS: LazyLock<Vec<String>> = LazyLock::new(|| names(&["admin"]));
    const A_CLERK: Asker<'_> = Asker { id: "u-1", holds: &[] };

    fn an_admin() -> Asker<'static> {
        Asker { id: "u-1", holds: &ADMINS }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn change(asker: Asker<'_>, before: &[&str], wished: &[&str], others: bool) -> Option<u16> {
        let before = names(before);
        let subject = Subject { id: "u-2", permissions: &before };
        judge_change(asker, subject, &names(wished), others).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_permission_that_nothing_asks_for_is_not_given_and_may_stay() {
        let known = names(&["stock:write", "catalog:write"]).into_iter().collect();
        let refused = judge_names(&known, &[], &names(&["admin", "stock:wirte"])).unwrap_err();
        assert_eq!(refused.status().as_u16(), 422);
        assert!(refused.detail().ends_with("admin, catalog:write, stock:write"), "{}", refused.detail());
        assert_eq!(judge_names(&known, &[], &names(&["admin", "stock:write"])), Ok(()));
        assert_eq!(judge_names(&known, &names(&["old:one"]), &names(&["old:one"])), Ok(()));
    }

    #[test]
    fn permissions_are_kept_once_and_in_order() {
        assert_eq!(normal(names(&["stock:write", "admin", "stock:write"])), ["admin", "stock:write"]);
    }

    #[test]
    fn an_admin_gives_and_takes_all_but_the_last_admins_permission() {
        assert_eq!(change(an_admin(), &[], &["admin"], true), None);
        assert_eq!(change(an_admin(), &["admin"], &["stock:write"], true), None);
        assert_eq!(change(an_admin(), &["admin"], &["stock:write"], false), Some(409));
        assert_eq!(change(an_admin(), &["admin"], &["admin", "stock:write"], false), None);
    }

    #[test]
    fn who_is_no_admin_makes_and_unmakes_none() {
        let holds = names(&["stock:write"]);
        let clerk = Asker { holds: &holds, ..A_CLERK };
        assert_eq!(change(clerk, &[], &["stock:write"], true), None);
        assert_eq!(change(clerk, &["admin"], &["admin", "stock:write"], true), None);
        assert_eq!(change(A_CLERK, &[], &["admin"], true), Some(403));
        assert_eq!(change(A_CLERK, &["admin"], &[], true), Some(403));
    }

    #[test]
    fn who_is_no_admin_gives_and_takes_what_they_hold_and_nothing_of_their_own() {
        let holds = names(&["stock:write", "users:admin"]);
        let clerk = Asker { holds: &holds, ..A_CLERK };
        assert_eq!(change(clerk, &[], &["payments:refund"], true), Some(403));
        assert_eq!(change(clerk, &["payments:refund"], &[], true), Some(403));
        assert_eq!(change(clerk, &["payments:refund"], &["payments:refund", "stock:write"], true), None);
        let own = Subject { id: clerk.id, permissions: &holds };
        let refused = judge_change(clerk, own, &names(&["payments:refund"]), true).unwrap_err();
        assert_eq!(refused.status().as_u16(), 403);
    }

    #[test]
    fn nobody_disables_themselves_and_only_an_admin_disables_an_admin() {
        let (admin, none) = (names(&["admin"]), names(&[]));
        let disabling = |asker, id, permissions: &[String]| {
            let refused = judge_disabling(asker, Subject { id, permissions }).err();
            refused.map(|problem| problem.status().as_u16())
        };
        assert_eq!(disabling(an_admin(), "u-1", &admin), Some(409));
        assert_eq!(disabling(an_admin(), "u-2", &admin), None);
        assert_eq!(disabling(A_CLERK, "u-2", &admin), Some(403));
        assert_eq!(disabling(A_CLERK, "u-2", &none), None);
    }
}
