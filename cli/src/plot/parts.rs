//! What the pictures share: numbers as text, ranges and ticks, the frame with its axes, the legend.

pub(super) const WIDTH: f64 = 640.0;
/// Of the frames of most pictures.
pub(super) const HEIGHT: f64 = 256.0;
pub(super) const LEFT: f64 = 58.0;
pub(super) const RIGHT: f64 = 614.0;
/// Colour of what was observed, which is no family's.
pub(super) const OBSERVED: &str = "#0a8754";
const MARGIN: f64 = 16.0;
/// Size of all text but the title: 12 where the picture is shown 600 wide.
const FONT: f64 = 13.0;

/// Not NaN, and small enough for differences and margins to stay finite.
pub(super) fn usable(value: f64) -> bool {
    value.abs() <= 1e300
}

/// For text and attributes; characters that XML forbids become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => to.push(' '),
            c => to.push(c),
        }
    }
    to
}

/// Estimated for a wide sans-serif (DejaVu), in pixels at size `FONT`.
pub(super) fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | ' ' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 0.34,
        'f' | 'r' | 't' | 'I' | '(' | ')' | '[' | ']' | '-' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '−' | '…' => 0.95,
        'A'..='Z' => 0.73,
        ' '..='~' => 0.63,
        '\u{300}'..='\u{36f}' => 0.0,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7ff}' => 1.05,
        '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' => 1.05,
        '\u{1f000}'.. => 1.3,
        _ => 0.7,
    };
    FONT * text.chars().map(em).sum::<f64>()
}

/// At most `chars` characters and `width` pixels, the last an ellipsis where something is lost.
pub(super) fn shorten(text: &str, chars: usize, width: f64) -> String {
    if text.chars().count() <= chars && text_width(text) <= width {
        return text.to_owned();
    }
    let mut to = String::new();
    for c in text.chars().take(chars.saturating_sub(1)) {
        to.push(c);
        if text_width(&to) + text_width("…") > width {
            to.pop();
            break;
        }
    }
    to.truncate(to.trim_end().len());
    to + "…"
}

/// Lines of at most `width` pixels, broken between words.
fn wrap(text: &str, width: f64, lines: usize) -> Vec<String> {
    let mut to: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let (word, full) = (shorten(word, usize::MAX, width), to.len() == lines);
        match to.last_mut() {
            Some(line) if text_width(line) + text_width(" ") + text_width(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) if full => {
                *line = shorten(&format!("{line} …"), usize::MAX, width);
                break;
            }
            _ => to.push(word),
        }
    }
    to
}

/// Decimal exponent.
fn exponent(value: f64) -> i32 {
    (value.abs().log10() + 1e-9).floor() as i32
}

/// To the digit that `step` needs; as 2e6 where the `largest` of its kind asks for it.
fn number(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < 1e-6 * step {
        return "0".to_owned();
    }
    let text = if (1e-3..1e6).contains(&largest) {
        format!("{value:.*}", usize::try_from(-exponent(step)).unwrap_or(0))
    } else {
        let digits = usize::try_from(exponent(value) - exponent(step)).unwrap_or(0).min(6);
        let text = format!("{value:.digits$e}");
        let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{power}", trimmed(mantissa))
    };
    text.replace('-', "−")
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// To three digits, as short as can be.
pub(super) fn compact(value: f64) -> String {
    if !usable(value) {
        return "–".to_owned();
    }
    let text = number(value, 10_f64.powi(exponent(value).clamp(-300, 300) - 2), value.abs());
    if text.contains('e') { text } else { trimmed(&text).to_owned() }
}

/// Multiples of 1, 2 or 5 times a power of ten between `from` and `to`, at most `count` steps, and the step.
pub(super) fn ticks(from: f64, to: f64, count: usize) -> (Vec<f64>, f64) {
    let rough = (to - from) / count.max(1) as f64;
    let power = 10_f64.powi(exponent(rough).clamp(-306, 306));
    let fits = |factor: &f64| factor * power >= rough * (1.0 - 1e-9);
    let step = power * [1.0, 2.0, 5.0].into_iter().find(fits).unwrap_or(10.0);
    let first = (from / step - 1e-9).ceil();
    let all = (0..=count).map(|i| (first + i as f64) * step);
    (all.take_while(|tick| *tick <= to + 1e-9 * step).collect(), step)
}

/// Of an axis. `from` < `to`, and both are above 0 if it is logarithmic.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) log: bool,
    /// After every number.
    pub(super) unit: &'static str,
    /// With grid and numbers.
    pub(super) shown: bool,
}

impl Range {
    pub(super) fn new(from: f64, to: f64) -> Self {
        let size = from.abs().max(to.abs());
        let middle = 0.5 * (from + to);
        let (from, to) = if to - from > (1e-4 * size).max(1e-300) {
            (from, to)
        } else if size > 1e-300 {
            (middle - 0.5 * size, middle + 0.5 * size)
        } else {
            (-1.0, 1.0)
        };
        Self { from, to, log: false, unit: "", shown: true }
    }

    /// Around the usable ones of the values; 0 to 1 without any.
    pub(super) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let ends = values.into_iter().filter(|v| usable(*v)).fold(None, |ends, v| match ends {
            None => Some((v, v)),
            Some((from, to)) => Some((v.min(from), v.max(to))),
        });
        let (from, to) = ends.unwrap_or((0.0, 1.0));
        Self::new(from, to)
    }

    /// With shares of the length to spare at the ends.
    pub(super) fn spare(self, before: f64, after: f64) -> Self {
        let length = self.to - self.from;
        Self { from: self.from - before * length, to: self.to + after * length, ..self }
    }

    fn labels(&self, count: usize) -> Vec<(f64, String)> {
        if self.log {
            let decades = (self.to.log10() - self.from.log10()).max(0.0);
            let factors: &[f64] = if decades <= 3.0 && count > 5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let step = (decades / count as f64).ceil().max(1.0) as usize;
            let powers = (self.from.log10().floor() as i32..=self.to.log10().ceil() as i32).step_by(step);
            let all = powers.flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)));
            let inside: Vec<f64> = all.filter(|v| (self.from..=self.to).contains(v)).collect();
            if inside.len() > 1 {
                return inside.into_iter().map(|v| (v, compact(v) + self.unit)).collect();
            }
        }
        let (ticks, step) = ticks(self.from, self.to, count);
        let largest = ticks.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        ticks.into_iter().map(|v| (v, number(v, step, largest) + self.unit)).collect()
    }
}

/// A range laid on pixels.
pub(super) struct Scale {
    pub(super) range: Range,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    /// Where the value lies, none if it cannot be drawn. Far beyond the frame all places are alike.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let Range { from, to, log, .. } = self.range;
        if !usable(value) || log && value <= 0.0 {
            return None;
        }
        let share =
            if log { (value.ln() - from.ln()) / (to.ln() - from.ln()) } else { (value - from) / (to - from) };
        Some((self.start + share * (self.end - self.start)).clamp(-4000.0, 4000.0))
    }

    /// Places and labels; as many as fit side by side.
    fn across(&self) -> Vec<(f64, String)> {
        let mut few = Vec::new();
        for count in (1..=8).rev() {
            few = self.placed(count);
            let apart = |pair: &[(f64, String)]| {
                pair[1].0 - pair[0].0 > 0.5 * (text_width(&pair[0].1) + text_width(&pair[1].1)) + 12.0
            };
            if few.windows(2).all(apart) {
                return few;
            }
        }
        few.truncate(1);
        few
    }

    pub(super) fn placed(&self, count: usize) -> Vec<(f64, String)> {
        let labels = self.range.labels(count).into_iter();
        labels.filter_map(|(value, label)| Some((self.at(value)?, label))).collect()
    }
}

/// Of the legend: a sample, 30 wide and around y = 0, and its text.
pub(super) type Key = (String, String);

pub(super) struct Layout<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
    pub(super) keys: Vec<Key>,
    pub(super) x: Range,
    pub(super) x_title: &'a str,
    pub(super) y: Range,
    /// Above the frame.
    pub(super) y_title: &'a str,
    /// More if the numbers of the vertical axis need it.
    pub(super) left: f64,
    pub(super) right: f64,
    /// Of the frame alone.
    pub(super) height: f64,
}

/// A picture with its frame, which has yet to be filled.
pub(super) struct Plot {
    out: String,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Plot {
    pub(super) fn new(layout: Layout<'_>) -> Self {
        let rows = if layout.y.shown { layout.y.labels(8) } else { Vec::new() };
        let widest = rows.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
        let (left, right) = (layout.left.max(MARGIN + widest + 7.0), layout.right);
        let scale = |range, start, end| Scale { range, start, end };
        let mut plot =
            Self { out: String::new(), x: scale(layout.x, left, right), y: scale(layout.y, 0.0, 1.0) };

        let top = plot.head(&layout);
        let bottom = top + layout.height;
        plot.y = scale(layout.y, bottom, top);
        for (value, label) in rows {
            let Some(y) = plot.y.at(value) else { continue };
            plot.draw(&format!(r##"<path d="M{left:.2} {y:.2}H{right:.2}" stroke="#d9d9d9"/>"##));
            plot.text(left - 7.0, y + 4.5, r#"text-anchor="end""#, &label);
        }
        for (x, label) in plot.x.across() {
            plot.draw(&format!(r##"<path d="M{x:.2} {top:.2}V{bottom:.2}" stroke="#ececec"/>"##));
            let half = 0.5 * text_width(&label) + 2.0;
            plot.text(x.min(WIDTH - half), bottom + 18.0, r#"text-anchor="middle""#, &label);
        }
        plot.draw(&format!(r##"<path d="M{left:.2} {bottom:.2}H{right:.2}" stroke="#8a8a8a"/>"##));
        plot.text(0.5 * (left + right), bottom + 39.0, r#"text-anchor="middle""#, layout.x_title);

        let [title, subtitle] = [layout.title, layout.subtitle].map(escape);
        let height = bottom + 53.0;
        plot.out = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" role="img" font-family="sans-serif" font-size="{FONT}" fill="#1a1a1a">
<title>{title}</title>
<desc>{subtitle}</desc>
<rect width="{WIDTH}" height="{height:.0}" fill="#ffffff"/>
{}"##,
            plot.out
        );
        plot
    }

    /// Title, subtitle, legend and the title of the vertical axis. Returns where the frame starts.
    fn head(&mut self, layout: &Layout<'_>) -> f64 {
        let (width, mut y) = (WIDTH - 2.0 * MARGIN, 5.0);
        for line in wrap(layout.title, width * FONT / 17.0 / 1.12, 2) {
            y += 21.0;
            self.text(MARGIN, y, r#"font-size="17" font-weight="bold""#, &line);
        }
        for (i, line) in wrap(layout.subtitle, width, 4).into_iter().enumerate() {
            y += if i == 0 { 21.0 } else { 17.0 };
            self.text(MARGIN, y, r##"fill="#444444""##, &line);
        }
        let mut x = WIDTH;
        for (sample, text) in &layout.keys {
            let length = 37.0 + text_width(text);
            if x + length > WIDTH - MARGIN {
                y += if x == WIDTH { 27.0 } else { 21.0 };
                x = MARGIN;
            }
            self.draw(&format!(r#"<g transform="translate({x:.2} {:.2})">{sample}</g>"#, y - 4.5));
            self.text(x + 37.0, y, "", text);
            x += length + 16.0;
        }
        y += if layout.y_title.is_empty() { 8.0 } else { 28.0 };
        match layout.y.shown {
            true => self.text(MARGIN, y, "", layout.y_title),
            false => self.text(layout.left - 8.0, y, r#"text-anchor="end""#, layout.y_title),
        }
        y + 11.0
    }

    pub(super) fn draw(&mut self, element: &str) {
        self.out.push_str(element);
        self.out.push('\n');
    }

    pub(super) fn text(&mut self, x: f64, y: f64, look: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.draw(&format!(r#"<text x="{x:.2}" y="{y:.2}" {look}>{}</text>"#, escape(text)));
    }

    /// Cut at the frame.
    pub(super) fn clipped(&mut self, elements: &str) {
        let (left, top) = (self.x.start, self.y.end);
        let (width, height) = (self.x.end - left, self.y.start - top);
        self.draw(&format!(
            r#"<svg x="{left:.2}" y="{top:.2}" width="{width:.2}" height="{height:.2}" viewBox="{left:.2} {top:.2} {width:.2} {height:.2}">"#
        ));
        self.draw(elements);
        self.draw("</svg>");
    }

    /// Points as "x y", without those that cannot be drawn.
    pub(super) fn places(&self, points: impl IntoIterator<Item = (f64, f64)>) -> Vec<String> {
        let place = |(x, y)| Some(format!("{:.2} {:.2}", self.x.at(x)?, self.y.at(y)?));
        points.into_iter().filter_map(place).collect()
    }

    pub(super) fn no_data(&mut self) {
        let (x, y) = (0.5 * (self.x.start + self.x.end), 0.5 * (self.y.start + self.y.end));
        self.text(x, y, r##"text-anchor="middle" fill="#666666""##, "no data");
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }
}

/// An upright or level line across the frame.
pub(super) fn rule(plot: &mut Plot, x: Option<f64>, y: Option<f64>) {
    let (left, right, bottom, top) = (plot.x.start, plot.x.end, plot.y.start, plot.y.end);
    let mut line = |path: String| plot.draw(&format!(r##"<path d="{path}" stroke="#8a8a8a"/>"##));
    if let Some(x) = x.filter(|x| (left..=right).contains(x)) {
        line(format!("M{x:.2} {top:.2}V{bottom:.2}"));
    }
    if let Some(y) = y.filter(|y| (top..=bottom).contains(y)) {
        line(format!("M{left:.2} {y:.2}H{right:.2}"));
    }
}
