//! Preference pairs: read from CSV, or simulated.

use prefstrength_learn::Pairs;
use prefstrength_learn::limits::LARGEST_FEATURE;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Gamma, LogNormal, StandardNormal, StandardUniform};
use std::collections::HashMap;
use std::io::BufRead;

/// Reads `pair_id[,group_id],f1,...,fn`, of numbers without quotes; the command line tool reads any CSV.
pub(crate) fn read(input: impl BufRead) -> Result<Pairs, String> {
    let mut lines =
        (1..).zip(input.lines()).map(|(n, line)| Ok((n, line.map_err(|e| format!("line {n}: {e}"))?)));
    let mut next = || {
        lines.find(|line: &Result<_, String>| line.as_ref().map_or(true, |(_, text)| !text.trim().is_empty()))
    };
    let (_, header) = next().ok_or("header: the file is empty")??;
    let header: Vec<&str> = header.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
    if header[0] != "pair_id" {
        return Err("header: the first column must be `pair_id`: pair_id[,group_id],f1,...,fn".into());
    }
    let grouped = header.get(1) == Some(&"group_id");
    let first = 1 + usize::from(grouped);
    let dim = header.len() - first;
    if dim == 0 {
        return Err("header: there are no features f1,...,fn".into());
    }
    for (i, name) in header.iter().skip(first).enumerate() {
        if *name != format!("f{}", i + 1) {
            return Err(format!("header: column {} is `{name}`, expected `f{}`", first + i + 1, i + 1));
        }
    }
    let (mut features, mut groups, mut names) = (Vec::new(), Vec::new(), HashMap::new());
    while let Some(line) = next() {
        let (line, text) = line?;
        if text.contains('"') {
            return Err(format!(
                "line {line}: quotes are beyond this example; `prefstrength train` reads them"
            ));
        }
        let cells: Vec<&str> = text.split(',').map(str::trim).collect();
        if cells.len() != header.len() {
            return Err(format!("line {line}: {} columns, the header has {}", cells.len(), header.len()));
        }
        for (name, cell) in header.iter().zip(&cells).skip(first) {
            match cell.parse::<f64>() {
                Ok(x) if x.abs() <= LARGEST_FEATURE => features.push(x),
                Ok(x) if x.is_finite() => {
                    return Err(format!("line {line}, column `{name}`: {cell} is too large"));
                }
                _ => {
                    return Err(format!("line {line}, column `{name}`: `{cell}` is not a finite number"));
                }
            }
        }
        if grouped {
            let next = names.len() as u32;
            groups.push(*names.entry(cells[1].to_owned()).or_insert(next));
        }
    }
    if features.is_empty() {
        return Err("there are no rows below the header".into());
    }
    let pairs = Pairs::new(features, dim).map_err(|e| e.to_string())?;
    if grouped { pairs.with_groups(groups).map_err(|e| e.to_string()) } else { Ok(pairs) }
}

/// The p(β) behind a simulated population; E[β] = 1.
#[derive(Clone, Copy)]
pub(crate) enum Truth {
    Point,
    Gamma { cv: f64 },
    LogNormal { cv: f64 },
}

impl Truth {
    pub(crate) fn cv(self) -> f64 {
        match self {
            Self::Point => 0.0,
            Self::Gamma { cv } | Self::LogNormal { cv } => cv,
        }
    }

    /// One β per pair.
    fn strengths(self, rng: &mut ChaCha8Rng, n: usize) -> Result<Vec<f64>, String> {
        Ok(match self {
            Self::Point => vec![1.0; n],
            Self::Gamma { cv } => {
                let v = cv * cv;
                Gamma::new(1.0 / v, v).map_err(|e| e.to_string())?.sample_iter(rng).take(n).collect()
            }
            Self::LogNormal { cv } => {
                let variance = (cv * cv).ln_1p();
                let beta = LogNormal::new(-0.5 * variance, variance.sqrt()).map_err(|e| e.to_string())?;
                beta.sample_iter(rng).take(n).collect()
            }
        })
    }
}

/// The policy of every simulated population.
pub(crate) const TRUE_W: [f64; 5] = [1.2, -1.0, 0.8, 0.6, -0.4];

/// Standard normal feature differences; a pair is chosen in this order with probability σ(β w·f).
pub(crate) fn simulate(truth: Truth, n: usize, seed: u64) -> Result<Pairs, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut features = Vec::with_capacity(n * TRUE_W.len());
    for beta in truth.strengths(&mut rng, n)? {
        let row: [f64; TRUE_W.len()] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
        let margin: f64 = row.iter().zip(TRUE_W).map(|(f, w)| f * w).sum();
        let u: f64 = StandardUniform.sample(&mut rng);
        let chosen = u < 1.0 / (1.0 + (-beta * margin).exp());
        features.extend(row.map(|f| if chosen { f } else { -f }));
    }
    Pairs::new(features, TRUE_W.len()).map_err(|e| e.to_string())
}
