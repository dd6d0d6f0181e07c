//! Texts of others, made safe for one line of a mail.

use url::Url;

/// One line: no control characters (they could forge headers), no line or paragraph separators, no marks that reverse the
/// direction of what follows, no runs of blanks; at most `longest` characters.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let cleaned: String = text.chars().map(|c| if breaks_a_line(c) { ' ' } else { c }).collect();
    let mut line = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(longest) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn breaks_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A letter with at most one empty line between paragraphs, which templates cannot promise.
pub(crate) fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.trim().lines() {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    tidied
}

/// The value of a header of ours: printable ASCII.
pub(crate) fn header_value(text: &str) -> String {
    let ascii: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    one_line(&ascii, 500).replace('…', "...")
}

/// A link that a mail may show: http or https, nothing that runs.
pub(crate) fn safe_link(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    is_web.then(|| url.to_string())
}

/// The `Message-ID` of the message about the event `id`: the same whenever it is sent.
pub(crate) fn message_id(id: &str) -> String {
    let local: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '.' })
        .collect();
    format!("<{}@supercargo.dev>", local.trim_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(one_line("A. Shopper\r\nBcc: all@example.com", 100), "A. Shopper Bcc: all@example.com");
        assert_eq!(one_line("  a\t\u{0}b\u{2028}c \u{202e}d ", 100), "a b c d");
        assert_eq!(one_line("Zoë Müller 🫖", 100), "Zoë Müller 🫖");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }

    #[test]
    fn a_letter_has_at_most_one_empty_line_between_paragraphs() {
        assert_eq!(tidy("\na\n\n\n\nb\n  c\n\n-- \nShop\n\n"), "a\n\nb\n  c\n\n-- \nShop\n");
    }

    #[test]
    fn only_links_to_the_web_are_shown() {
        assert_eq!(
            safe_link("https://track.example/SC1?a=1&b=2").as_deref(),
            Some("https://track.example/SC1?a=1&b=2")
        );
        assert_eq!(safe_link("https://h/a\"onclick=x b").as_deref(), Some("https://h/a%22onclick=x%20b"));
        for text in ["javascript:alert(1)", "data:text/html,x", "track.example", "", "file:///etc/passwd"] {
            assert_eq!(safe_link(text), None, "{text}");
        }
    }

    #[test]
    fn the_message_id_is_a_word_of_the_event_id() {
        assert_eq!(message_id("0b9c-1/3"), "<0b9c-1.3@supercargo.dev>");
        assert_eq!(message_id("a\r\nX: y/shipment/4"), "<a..X..y.shipment.4@supercargo.dev>");
    }
}
