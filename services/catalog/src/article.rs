//! What an article may look like: the bounds that the import, the catalog and the resources share.

use events::questions::Article;

/// The longest SKU, coupon code or name of an object.
const LONGEST_SKU: usize = 63;
const LONGEST_NAME: usize = 200;
const LONGEST_DESCRIPTION: usize = 4000;
const LONGEST_IMAGE: usize = 1000;

/// Why `sku` is no stock keeping unit, as the end of a sentence that begins with its place.
pub(crate) fn fault_of_sku(sku: &str) -> Option<String> {
    if sku.is_empty() {
        return Some("is missing: every article has a SKU, for example MUG-01".to_owned());
    }
    let fits = sku.starts_with(|first: char| first.is_ascii_alphanumeric())
        && sku.chars().all(|other| other.is_ascii_alphanumeric() || "._-".contains(other))
        && sku.len() <= LONGEST_SKU;
    (!fits).then(|| {
        format!(
            "{:?} is not a SKU: begin with a letter or digit and go on with letters, digits, '.', '_' and '-', \
             {LONGEST_SKU} at most, for example MUG-01",
            excerpt(sku)
        )
    })
}

/// Why `name` is no name.
pub(crate) fn fault_of_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("is missing: every article has a name".to_owned());
    }
    fault_of_text(name, LONGEST_NAME)
}

/// Why `description` is no description; an empty one is none at all.
pub(crate) fn fault_of_description(description: &str) -> Option<String> {
    fault_of_text(description, LONGEST_DESCRIPTION)
}

/// Why `image` is no image.
pub(crate) fn fault_of_image(image: &str) -> Option<String> {
    fault_of_text(image, LONGEST_IMAGE)
}

/// Why `text` is no line of text of at most `longest` characters.
pub(crate) fn fault_of_text(text: &str, longest: usize) -> Option<String> {
    if text.chars().any(char::is_control) {
        return Some(format!(
            "{:?} has a control character or a line break: write it as one line of text",
            excerpt(text)
        ));
    }
    let length = text.chars().count();
    (length > longest).then(|| format!("{:?} has {length} characters: {longest} are accepted", excerpt(text)))
}

/// What is wrong with an article, with the name of its field in front.
pub(crate) fn fault_of(article: &Article) -> Option<String> {
    let Article { sku, name, price: _, description, image } = article;
    let named = |field: &str, fault: String| format!("{field} {fault}");
    fault_of_sku(sku)
        .map(|fault| named("sku", fault))
        .or_else(|| fault_of_name(name).map(|fault| named("name", fault)))
        .or_else(|| {
            description.as_deref().and_then(fault_of_description).map(|fault| named("description", fault))
        })
        .or_else(|| image.as_deref().and_then(fault_of_image).map(|fault| named("image", fault)))
}

/// As much of `text` as a message has room for.
pub(crate) fn excerpt(text: &str) -> String {
    const ROOM: usize = 60;
    match text.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `A, B, C and 4 more`: names, as many as a message has room for.
pub(crate) fn some_of(names: &[&str]) -> String {
    const ROOM: usize = 10;
    let shown = names.iter().take(ROOM).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(ROOM) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}
