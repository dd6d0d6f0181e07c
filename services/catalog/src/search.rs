//! From what a shopper types to what the database searches for.
//!
//! The database's own readers of queries either refuse text (`to_tsquery`) or know no beginnings of words
//! (`websearch_to_tsquery`). So the words are cut out here, and each is quoted.

/// How many characters of a text are searched for.
pub(crate) const LONGEST: usize = 200;
/// How many words of it: more would make a search cost more and find no more.
const MOST_WORDS: usize = 10;

/// The words of `text` as a `tsquery` that finds articles with all of them; of the last one its beginning is enough. `None` when
/// there is no word in it, so that nothing can be found.
///
/// Words are parted as in the column `search`: by blanks and ASCII punctuation.
pub(crate) fn tsquery(text: &str) -> Option<String> {
    let parts =
        |letter: char| letter.is_whitespace() || (letter.is_ascii() && !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = text.split(parts).filter(|word| !word.is_empty()).take(MOST_WORDS).collect();
    // A word holds neither a quote nor a backslash: both are ASCII punctuation.
    (!words.is_empty()).then(|| format!("'{}':*", words.join("' & '")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_words_are_wanted_and_of_the_last_one_its_beginning() {
        for (text, expected) in [
            ("mug", "'mug':*"),
            ("  White MUG ", "'White' & 'MUG':*"),
            ("MUG-01", "'MUG' & '01':*"),
            ("tee & !cap | (hat):*", "'tee' & 'cap' & 'hat':*"),
            (r"o'neill\'", "'o' & 'neill':*"),
            ("größe\u{a0}m", "'größe' & 'm':*"),
        ] {
            assert_eq!(tsquery(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "   ", "&|!():*<->'\\\"", "-", "\t\n"] {
            assert_eq!(tsquery(text), None, "{text}");
        }
    }

    #[test]
    fn a_search_has_no_more_than_ten_words() {
        let text = "mug ".repeat(50);
        assert_eq!(tsquery(&text).unwrap().matches("'mug'").count(), MOST_WORDS);
    }

    /// What PostgreSQL takes for a query of quoted words, by its grammar.
    fn is_well_formed(query: &str) -> bool {
        let Some(inner) = query.strip_prefix('\'').and_then(|rest| rest.strip_suffix("':*")) else {
            return false;
        };
        inner.split("' & '").all(|word| {
            !word.is_empty() && !word.contains(['\'', '\\', '\0']) && !word.chars().any(char::is_whitespace)
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_a_query_that_is_none(text in any::<String>()) {
            prop_assert!(tsquery(&text).is_none_or(|query| is_well_formed(&query)));
        }

        #[test]
        fn no_operator_in_a_text_is_one(text in "[a-z'\\\\&|!():*<> -]{0,40}") {
            prop_assert!(tsquery(&text).is_none_or(|query| is_well_formed(&query)));
        }
    }
}
