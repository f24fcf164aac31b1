//! Numbers and names as short text, and tables of them.

use crate::printable::turns;
use unicode_width::UnicodeWidthStr;

/// So many significant digits, without an exponent where it reads well.
pub(crate) fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{x}");
    }
    let exponent = x.abs().log10().floor() as i32;
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

    /// Numbers stand below each other whatever the script of the names.
    #[test]
    fn tables_are_straight() {
        let row = |name: &str, x: &str| strings([name, x]);
        let rows = [row("group", "choices"), row("评价员", "7"), row("Zoe\u{308}", "12"), row("x", "3")];
        let lines = "  group   choices\n  评价员        7\n  Zoe\u{308}          12\n  x             3\n";
        assert_eq!(table(&rows), lines);
    }
}
