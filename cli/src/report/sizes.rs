//! Sample sizes: what `power` says, as text for people and as JSON.

use super::format::{or_dash, percent, significant, strings, table};
use prefstrength_learn::limits::GROUPS;
use prefstrength_learn::{Design, Explanation, LearnError, Nearest, PowerTarget, Truth};
use serde::Serialize;
use std::fmt::Write as _;

/// Choices beyond which nobody collects more.
const OUT_OF_REACH: f64 = 50_000.0;

/// Sample sizes of several designs, or of data.
#[derive(Debug, Serialize)]
pub(crate) struct Sizes {
    schema_version: u32,
    command: &'static str,
    /// One-sided.
    level: f64,
    power: f64,
    /// (z₁₋ₗₑᵥₑₗ + z_power)².
    noncentrality: f64,
    file: Option<String>,
    designs: Vec<OfDesign>,
    #[serde(skip)]
    asked: Asked,
}

#[derive(Debug)]
struct Asked {
    target: PowerTarget,
    cv: Vec<f64>,
    lapse: Vec<f64>,
    each: Vec<u32>,
}

#[derive(Debug, Serialize)]
struct OfDesign {
    /// Standard deviation of βD; of data the root mean square, at the fit of plain DPO.
    size: f64,
    information_of_ln_mean: f64,
    information_of_v: f64,
    spreads: Vec<Spread>,
    lapses: Vec<Lapse>,
    /// Whether label noise and spread cannot be told apart with any number of choices within reach.
    hopeless: bool,
    data: Option<Data>,
}

/// A spread of β that is to be found.
#[derive(Debug, Serialize)]
struct Spread {
    cv: f64,
    /// Choices that show that plain DPO is not all; as all numbers here, null where there is no such number.
    choices: Option<f64>,
    /// Choices that show that it is not label noise.
    choices_to_tell: Option<f64>,
    /// The share of flipped labels that it looks like.
    looks_like_lapse: Option<f64>,
    people: Vec<People>,
}

#[derive(Debug, Serialize)]
struct People {
    /// Null for those of the data.
    choices_each: Option<u32>,
    people: Option<f64>,
}

/// Labels that are flipped.
#[derive(Debug, Serialize)]
struct Lapse {
    lapse: f64,
    choices: Option<f64>,
    /// Choices that show that it is not a spread.
    choices_to_tell: Option<f64>,
    /// The spread that it looks like.
    looks_like_cv: Option<f64>,
}

/// What there is.
#[derive(Debug, Serialize)]
struct Data {
    number: usize,
    weight: f64,
    /// E\[β\] of plain DPO.
    mean: f64,
    /// The least cv that as many choices would show.
    cv_found: Option<f64>,
    people: Option<OfPeople>,
}

#[derive(Debug, Serialize)]
struct OfPeople {
    number: usize,
    choices_least: usize,
    choices_most: usize,
    /// The least cv that as many people would show.
    cv_found: Option<f64>,
}

impl Sizes {
    pub(crate) fn new(target: PowerTarget, cv: &[f64], lapse: &[f64], each: &[u32]) -> Self {
        Self {
            schema_version: 1,
            command: "power",
            level: target.level(),
            power: target.power(),
            noncentrality: target.noncentrality(),
            file: None,
            designs: Vec::new(),
            asked: Asked { target, cv: cv.to_vec(), lapse: lapse.to_vec(), each: each.to_vec() },
        }
    }

    /// Of a study that is planned.
    pub(crate) fn plan(&mut self, design: &Design) -> Result<(), LearnError> {
        let each: Vec<_> = self.asked.each.iter().map(|&each| (Some(each), vec![each as usize])).collect();
        let planned = self.of_design(design, &each)?;
        self.designs.push(planned);
        Ok(())
    }

    /// Of data, in which people have made so many choices.
    pub(crate) fn look_at(
        &mut self,
        file: &str,
        design: &Design,
        people: Option<&[usize]>,
    ) -> Result<(), LearnError> {
        let each: Vec<_> = people.map(|each| (None, each.to_vec())).into_iter().collect();
        let mut seen = self.of_design(design, &each)?;
        let target = &self.asked.target;
        let weight = design.weight().unwrap_or_default();
        let of_people = |each: &[usize]| {
            Ok::<_, LearnError>(OfPeople {
                number: each.len(),
                choices_least: each.iter().copied().min().unwrap_or_default(),
                choices_most: each.iter().copied().max().unwrap_or_default(),
                // As for the tests themselves.
                cv_found: if each.len() < GROUPS { None } else { design.cv_of_people(each, target)? },
            })
        };
        seen.hopeless = is_hopeless(&seen, OUT_OF_REACH.max(weight));
        seen.data = Some(Data {
            number: design.number().unwrap_or_default(),
            weight,
            mean: design.mean().unwrap_or_default(),
            cv_found: design.cv_of_choices(weight, target)?,
            people: people.map(of_people).transpose()?,
        });
        self.file = Some(file.into());
        self.designs.push(seen);
        Ok(())
    }

    fn of_design(&self, design: &Design, each: &[(Option<u32>, Vec<usize>)]) -> Result<OfDesign, LearnError> {
        let Asked { target, cv, lapse, .. } = &self.asked;
        // Where plain DPO could not have fitted such choices as it fits the data, there is no number.
        let nearest = |truth, rival| match design.nearest(truth, rival) {
            Ok(nearest) => Ok(Some(nearest)),
            Err(LearnError::Design(_)) => Ok(None),
            Err(e) => Err(e),
        };
        let choices = |nearest: Option<Nearest>| nearest.map(|n| n.choices(target)).filter(|n| n.is_finite());
        let spread = |&cv: &f64| {
            let truth = Truth::Spread(cv);
            let other = nearest(truth, Explanation::Lapse)?;
            let people = |(choices_each, each): &(Option<u32>, Vec<usize>)| {
                let people = match design.people(cv, each, target) {
                    Err(LearnError::Design(_)) => None,
                    people => Some(people?).filter(|people| people.is_finite()),
                };
                Ok(People { choices_each: *choices_each, people })
            };
            Ok(Spread {
                cv,
                choices: choices(nearest(truth, Explanation::Plain)?),
                choices_to_tell: choices(other),
                looks_like_lapse: other.map(|n| n.lapse),
                people: each.iter().map(people).collect::<Result<_, LearnError>>()?,
            })
        };
        let flipped = |&lapse: &f64| {
            let other = nearest(Truth::Lapse(lapse), Explanation::Spread)?;
            Ok(Lapse {
                lapse,
                choices: choices(nearest(Truth::Lapse(lapse), Explanation::Plain)?),
                choices_to_tell: choices(other),
                looks_like_cv: other.map(|n| n.cv),
            })
        };
        let mut found = OfDesign {
            size: design.size(),
            information_of_ln_mean: design.information_of_ln_mean(),
            information_of_v: design.information_of_v(),
            spreads: cv.iter().map(spread).collect::<Result<_, LearnError>>()?,
            lapses: lapse.iter().map(flipped).collect::<Result<_, LearnError>>()?,
            hopeless: false,
            data: None,
        };
        found.hopeless = is_hopeless(&found, OUT_OF_REACH);
        Ok(found)
    }
}

/// Whether it takes more choices than that to tell noise from spread, whichever of what was asked for it is.
fn is_hopeless(design: &OfDesign, most: f64) -> bool {
    let spreads = design.spreads.iter().map(|spread| spread.choices_to_tell);
    let lapses = design.lapses.iter().map(|flipped| flipped.choices_to_tell);
    spreads.chain(lapses).flatten().all(|choices| choices > most)
}

/// Rounded up, to three digits where there are more.
fn count(number: Option<f64>) -> String {
    let Some(n) = number else { return "-".into() };
    let unit = 10_f64.powi((n.log10().floor() as i32 - 2).max(0));
    let n = (n / unit - 1e-9).ceil() * unit;
    if n < 1e7 { format!("{n:.0}") } else { significant(n, 3) }
}

/// People: fewer than the test asks for are not enough, however much they differ.
fn count_people(people: Option<f64>) -> String {
    count(people.map(|people| people.max(GROUPS as f64)))
}

fn short(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

pub(crate) fn of_sizes(sizes: &Sizes) -> String {
    let share = |p: f64| format!("{} %", short(100.0 * p));
    let mut text = format!(
        "Sample sizes for a power of {} at a one-sided level of {}\n",
        share(sizes.power),
        share(sizes.level)
    );
    match (sizes.designs.first(), &sizes.file) {
        (Some(OfDesign { data: Some(data), size, .. }), Some(file)) => {
            let _ = write!(text, "{file}: {} margins", data.number);
            if data.weight != data.number as f64 {
                let _ = write!(text, " of total weight {}", significant(data.weight, 6));
            }
            let _ = writeln!(
                text,
                "; plain DPO has β = {}, and βD a size of s = {} (root mean square)",
                significant(data.mean, 4),
                significant(*size, 3)
            );
        }
        _ => text.push_str("Margins are normal; s is the standard deviation of βD.\n"),
    }
    text.push_str("cv is the coefficient of variation of β, whose distribution is Gamma.\n");
    text.push_str(&of_choices(sizes));
    text.push_str(&of_people(sizes));
    text.push_str(&of_noise(sizes));
    text
}

/// The first cells of a row: s, where there are several designs.
fn begin(sizes: &Sizes, design: &OfDesign) -> Vec<String> {
    if sizes.file.is_some() { Vec::new() } else { vec![short(design.size)] }
}

fn cvs(sizes: &Sizes) -> impl Iterator<Item = String> {
    sizes.asked.cv.iter().map(|&cv| format!("cv {}", short(cv)))
}

fn of_choices(sizes: &Sizes) -> String {
    let mut text = String::from("\nChoices that show a spread, if every choice has a β of its own\n");
    let mut rows = vec![if sizes.file.is_some() { strings([""]) } else { strings(["s"]) }];
    rows[0].extend(cvs(sizes));
    for design in &sizes.designs {
        let mut row = begin(sizes, design);
        if row.is_empty() {
            row.push("choices".into());
        }
        row.extend(design.spreads.iter().map(|s| count(s.choices)));
        rows.push(row);
    }
    text.push_str(&table(&rows));
    if let Some(data) = sizes.designs.iter().find_map(|design| design.data.as_ref()) {
        text.push_str(&match data.cv_found {
            Some(cv) => {
                format!("  => as many choices as these show a cv of {} or more\n", significant(cv, 2))
            }
            None => "  => as many choices as these show no spread, however large it is\n".into(),
        });
    }
    text.push_str(
        "  By the likelihood ratio against plain DPO, which has one β for all. Label noise passes for a spread\n  \
         there: see below.\n",
    );
    text
}

fn of_people(sizes: &Sizes) -> String {
    let mut text = String::from("\nPeople with a β each who show that they differ\n");
    let mut rows = vec![strings(["s", "choices each"])];
    if sizes.file.is_some() {
        let Some(people) = sizes.designs.iter().find_map(|design| design.data.as_ref()?.people.as_ref())
        else {
            return String::new();
        };
        let _ = writeln!(
            text,
            "  There are {}, with {} to {} choices.",
            people.number, people.choices_least, people.choices_most
        );
        rows = vec![strings(["choices each"])];
    }
    rows[0].extend(cvs(sizes));
    for design in &sizes.designs {
        let each = design.spreads.first().map_or(0, |spread| spread.people.len());
        for i in 0..each {
            let mut row = begin(sizes, design);
            let choices = design.spreads.first().and_then(|spread| spread.people[i].choices_each);
            row.push(choices.map_or("as they have".into(), |each| each.to_string()));
            row.extend(design.spreads.iter().map(|spread| count_people(spread.people[i].people)));
            rows.push(row);
        }
    }
    text.push_str(&table(&rows));
    if let Some(people) = sizes.designs.iter().find_map(|design| design.data.as_ref()?.people.as_ref()) {
        text.push_str(&match people.cv_found {
            Some(cv) => format!("  => as many people as these show a cv of {} or more\n", significant(cv, 2)),
            None => "  => as many people as these show no spread, however large it is\n".into(),
        });
    }
    let _ = writeln!(
        text,
        "  By the test between people: does what one of them chooses go with what else they choose? {GROUPS} at \
         least.\n  Label noise does not pass for a spread there; people of other or opposite tastes do."
    );
    text
}

fn of_noise(sizes: &Sizes) -> String {
    let mut text = String::from("\nChoices that tell label noise from a spread\n");
    let header = strings(["truth", "not plain DPO", "which of the two", "until then it looks like"]);
    let mut rows = vec![if sizes.file.is_some() { header } else { [strings(["s"]), header].concat() }];
    for design in &sizes.designs {
        for flipped in &design.lapses {
            let mut row = begin(sizes, design);
            row.push(format!("{} of labels flipped", percent_short(flipped.lapse)));
            row.extend([count(flipped.choices), count(flipped.choices_to_tell)]);
            row.push(or_dash(flipped.looks_like_cv.map(|cv| format!("cv {}", significant(cv, 2)))));
            rows.push(row);
        }
        for spread in &design.spreads {
            let mut row = begin(sizes, design);
            row.push(format!("cv {}", short(spread.cv)));
            row.extend([count(spread.choices), count(spread.choices_to_tell)]);
            row.push(or_dash(spread.looks_like_lapse.map(|lapse| format!("{} flipped", percent(lapse)))));
            rows.push(row);
        }
    }
    text.push_str(&table(&rows));
    let hopeless: Vec<String> =
        sizes.designs.iter().filter(|design| design.hopeless).map(|design| short(design.size)).collect();
    if !hopeless.is_empty() {
        let whose = if sizes.file.is_some() {
            "with margins like these".into()
        } else {
            format!("at s = {}", hopeless.join(", "))
        };
        let _ = writeln!(
            text,
            "  => hopeless {whose}: it takes more than {OUT_OF_REACH} choices, whichever of these it is.\n     Ask for \
             clearer pairs, with larger margins, or ask the same people again and again."
        );
    }
    text.push_str(
        "  By likelihood ratios: of the truth against plain DPO, and of both together against the other alone.\n",
    );
    text
}

fn percent_short(p: f64) -> String {
    format!("{} %", short(100.0 * p))
}
