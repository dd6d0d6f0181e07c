//! Lists in pages: `{items, next}`, with a limit and an opaque cursor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// How many items a page has when nothing is asked for.
pub const DEFAULT_LIMIT: u32 = 20;
/// How many items a page has at most.
pub const GREATEST_LIMIT: u32 = 100;

/// A page of a list.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` of `items`, of which one more was read when there are more; `position` is where an item stands.
    #[must_use]
    pub fn of<P: Serialize>(mut items: Vec<T>, limit: u32, at: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|last| cursor(&at(last))) } else { None };
        Self { items, next }
    }
}

/// Which page is asked for.
#[derive(Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct Paging {
    /// How many items, 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// The limit and, where there is a cursor, the position that it stands for.
    ///
    /// # Errors
    /// 400 when either cannot be.
    pub fn read<P: DeserializeOwned>(&self) -> Result<(u32, Option<P>), Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=GREATEST_LIMIT).contains(&limit) {
            return Err(Problem::unreadable(format!("limit is {limit}: ask for 1 to {GREATEST_LIMIT}")));
        }
        Ok((limit, self.cursor.as_deref().map(position).transpose()?))
    }
}

/// The cursor of a position.
#[must_use]
pub fn cursor<P: Serialize>(position: &P) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// The position of a cursor.
///
/// # Errors
/// 400 when it is none of ours.
pub fn position<P: DeserializeOwned>(cursor: &str) -> Result<P, Problem> {
    let fault = || Problem::unreadable("cursor is none of this list: take the `next` of the page before");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| fault())?;
    // The database keeps no text with this character, so no position has one.
    if bytes.windows(6).any(|six| six == b"\\u0000") {
        return Err(fault());
    }
    serde_json::from_slice(&bytes).map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_where_this_one_ends() {
        let page = Page::of(vec![1, 2, 3], 2, |number| *number);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(position::<i32>(&page.next.unwrap()), Ok(2));
        assert_eq!(Page::of(vec![1, 2], 2, |number| *number).next, None);
    }

    #[test]
    fn a_limit_or_cursor_that_cannot_be_is_refused() {
        for (limit, cursor) in [(Some(0), None), (Some(101), None), (None, Some("%")), (None, Some("e30"))] {
            let paging = Paging { limit, cursor: cursor.map(str::to_owned) };
            assert_eq!(paging.read::<(i64, String)>().unwrap_err().status().as_u16(), 400);
        }
        assert_eq!(Paging::default().read::<i64>(), Ok((20, None)));
    }
}
