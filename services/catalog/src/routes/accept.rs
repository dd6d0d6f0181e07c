//! `Accept`: as a picture, or as text? Pure.

use axum::http::{HeaderMap, header};

/// True when the client would rather have text than a picture of that kind. A text that it accepts among others, as much as a
/// picture, is not asked for: some clients name it in every request.
pub(super) fn wants_text(headers: &HeaderMap, kind: &str) -> bool {
    let ranges: Vec<(String, u32)> = headers
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect();
    let weight = |names: [&str; 3]| {
        // The most specific range counts, whatever the others say.
        names
            .iter()
            .find_map(|name| ranges.iter().find(|(range, _)| range == name))
            .map_or(0, |(_, weight)| *weight)
    };
    let text = weight(["text/plain", "text/*", ""]);
    text > weight([kind, "image/*", "*/*"])
}

/// A media range in lower case and its weight in thousandths.
fn range(text: &str) -> Option<(String, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(1000, thousandths)))
}

/// `0.5` is 500; what is no weight counts as the greatest.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u32>()) {
        ("0", Ok(fraction)) => fraction,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sent_to_who_wants_text_and_a_picture_to_everybody_else() {
        let wants = |accept: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            wants_text(&headers, "image/png")
        };
        for accept in
            ["text/plain", "TEXT/PLAIN", "text/plain, */*;q=0.8", "text/plain;q=0.5, image/*;q=0.2", "text/*"]
        {
            assert!(wants(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "image/png",
            "application/json",
            "application/json, text/plain, */*",
            "text/html,application/xhtml+xml,image/avif,*/*;q=0.8",
            "text/plain;q=0",
            "text/plain;q=0.5, image/png",
        ] {
            assert!(!wants(accept), "{accept}");
        }
        assert!(!wants_text(&HeaderMap::new(), "image/png"));
    }
}
