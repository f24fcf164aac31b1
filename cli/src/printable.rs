//! Text from files, made fit for a terminal: nothing in it may move the cursor, turn the direction of what
//! follows, or fill the screen.

/// The most characters that a message quotes.
const MAX_SHORT: usize = 40;

/// Whether a character turns the direction of text, or is there without being seen.
pub(crate) fn turns(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Escapes control characters, among them those that turn the direction of text.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if turns(c) => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Text for use in a message: cut off, and printable.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHORT + 1).collect();
    if shown.chars().count() > MAX_SHORT {
        shown = shown.chars().take(MAX_SHORT - 1).chain(['…']).collect();
    }
    let mut out = printable(&shown);
    // Escapes take up to ten characters.
    if out.chars().count() > MAX_SHORT {
        out = out.chars().take(MAX_SHORT - 1).chain(['…']).collect();
    }
    out
}

/// The same for bytes that may not be UTF-8.
pub(crate) fn short_bytes(text: &[u8]) -> String {
    // Four bytes a character at most.
    short(&String::from_utf8_lossy(text.get(..4 * (MAX_SHORT + 1)).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short() {
        assert_eq!(short(&"\u{7}".repeat(100)).chars().count(), 40);
        assert_eq!(short_bytes(&[0xff; 1000]).chars().count(), 40);
        assert_eq!(short("a\u{202e}b\n"), "a\\u{202e}b\\n");
    }
}
