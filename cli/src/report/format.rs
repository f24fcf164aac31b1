//! Numbers and names as short text, and tables of them.

use crate::printable::turns;
use unicode_width::UnicodeWidthStr;

/// Places of a line of sentences.
const WIDTH: usize = 110;

/// So many significant digits, without an exponent where it reads well.
pub(crate) fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    // As it is when rounded.
    let rounded = format!("{x:.*e}", digits.saturating_sub(1));
    let exponent: i32 = rounded.rsplit('e').next().and_then(|e| e.parse().ok()).unwrap_or(0);
    if (-4..7).contains(&exponent) {
        format!("{x:.*}", (digits as i32 - 1 - exponent).max(0) as usize)
    } else {
        format!("{x:.*e}", digits.saturating_sub(1).min(3))
    }
}

pub(crate) fn probability(p: f64) -> String {
    match p {
        // Underflow.
        0.0 => "<1e-300".into(),
        _ if p >= 1e-4 => format!("{p:.4}"),
        _ => format!("{p:.1e}"),
    }
}

/// `p = …`, or that it underflowed.
pub(crate) fn equals(p: f64) -> String {
    let text = probability(p);
    if text.starts_with('<') { format!("p {text}").replace('<', "< ") } else { format!("p = {text}") }
}

/// So many things.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// In lines of at most [`WIDTH`] places behind a mark, the others below the first one's text. What belongs to a number
/// stays with it, and what a no-break space joins; that is written as a space.
pub(crate) fn wrap(mark: &str, text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split(' ') {
        let joins = word.starts_with(['±', '=', '%', '…']);
        match words.last_mut() {
            Some(last) if joins || open => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
        open = matches!(word, "±" | "=" | "…");
    }
    let indent = " ".repeat(mark.width());
    let (mut lines, mut line) = (String::new(), mark.to_owned());
    let mut empty = true;
    for word in words {
        if !empty && line.width() + 1 + word.width() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    (lines + line.trim_end() + "\n").replace('\u{a0}', " ")
}

pub(crate) fn percent(p: f64) -> String {
    format!("{:.1} %", 100.0 * p)
}

pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or("-".into())
}

pub(crate) fn strings<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(String::from).to_vec()
}

/// Rows of cells: the first column to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // In places of a terminal, not characters: a Chinese one takes two, an accent of its own none.
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..columns).map(|c| width(c).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let fill = " ".repeat(width.saturating_sub(cell.width()));
            let [before, after] = if c == 0 { ["", &fill] } else { [&fill[..], ""] };
            line.extend(["  ", before, cell, after]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// At most so many characters and places of a terminal, none of which is a control character.
pub(crate) fn shorten(name: &str, most: usize) -> String {
    let clean = |c: char| if turns(c) || c.is_control() { '·' } else { c };
    let mut clean: String = name.chars().take(most + 1).map(clean).collect();
    // Both are bounded: any number of accents takes no place.
    let fits = |text: &str, most: usize| text.chars().count() <= most && text.width() <= most;
    if fits(&clean, most) {
        return clean;
    }
    while !fits(&clean, most - 1) {
        clean.pop();
    }
    clean + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (0.99999999, "1.000"),
            (0.0123456, "0.01235"),
            (-1234.56, "-1235"),
            (1234567.0, "1234567"),
            (1.5e9, "1.500e9"),
            (2.5e-7, "2.500e-7"),
            (f64::NAN, "NaN"),
        ];
        for (x, text) in cases {
            assert_eq!(significant(x, 4), text);
        }
        assert_eq!((probability(0.25).as_str(), probability(1e-9).as_str()), ("0.2500", "1.0e-9"));
        assert_eq!(shorten("a\tb", 5), "a·b");
        assert_eq!(shorten("αβγδε", 4), "αβγ…");
        assert_eq!(shorten("评价员一二", 10), "评价员一二");
        assert_eq!(shorten("评价员一二", 8), "评价员…");
        assert_eq!(shorten(&"\u{301}".repeat(1000), 8).chars().count(), 8);
    }

    #[test]
    fn sentences_are_wrapped() {
        let text = "a spread with cv 0.74 ± 0.07 (Gamma) is worse by 4.5, z = 2.2; ".repeat(4);
        let wrapped = wrap("  => ", text.trim_end());
        assert!(wrapped.lines().count() == 3 && wrapped.lines().all(|line| line.width() <= WIDTH));
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("     ")));
        assert!(!wrapped.contains("±\n") && !wrapped.contains("=\n") && wrapped.ends_with("z = 2.2;\n"));
        let flat: Vec<&str> = wrapped.trim_start_matches("  => ").split_whitespace().collect();
        assert_eq!(flat, text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(wrap("  ", "12 %, f1\u{a0}2"), "  12 %, f1 2\n");
        assert_eq!((equals(0.0).as_str(), equals(0.5).as_str()), ("p < 1e-300", "p = 0.5000"));
    }

    /// Numbers stand below each other whatever the script of the names.
    #[test]
    fn tables_are_straight() {
        let row = |name: &str, x: &str| strings([name, x]);
        let rows = [row("group", "choices"), row("评价员", "7"), row("Zoe\u{308}", "12"), row("x", "3")];
        let lines = "  group   choices\n  评价员        7\n  Zoe\u{308}          12\n  x             3\n";
        assert_eq!(table(&rows), lines);
    }
}
