//! Which orders were judged: sixteen bytes each, whatever their ids.

use std::collections::HashSet;

use uuid::Uuid;

/// An order id, or another id, in sixteen bytes.
pub type Key = [u8; 16];

/// A UUID is its own key; any other text is hashed to one.
pub fn key_of(id: &str) -> Key {
    let own = Uuid::try_parse(id).ok().filter(|uuid| uuid.hyphenated().to_string() == id);
    own.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes())).into_bytes()
}

/// The orders that were judged.
#[derive(Default)]
pub struct Seen(HashSet<Key>);

impl Seen {
    /// True when it was not there before.
    pub fn insert(&mut self, id: &str) -> bool {
        self.0.insert(key_of(id))
    }

    /// True when it is there.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains(&key_of(id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_keys_of_their_own_whatever_their_form() {
        let uuid = "3b241101-e2bb-4255-8caf-4136c566a962";
        assert_eq!(key_of(uuid), *Uuid::parse_str(uuid).unwrap().as_bytes());
        // The same number written otherwise is another id.
        assert_ne!(key_of(uuid), key_of(&uuid.to_uppercase()));
        assert_ne!(key_of("web-1001"), key_of("web-1002"));
        let mut seen = Seen::default();
        assert!(seen.insert("web-1001"));
        assert!(!seen.insert("web-1001"));
    }
}
