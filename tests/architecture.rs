//! The law of the stack: the tables of docs/architecture.md against the imports of the source.
//!
//! A row of a table names files; a file may import from its own row and from rows above it, and no files may import
//! each other in a circle. Every file has a row, and every row has a file. An import is any path that begins with
//! `crate`, `super` or `self`; what a module only passes on (`pub use`) counts for who takes it, not for the module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate: the heading of its table, and its source.
const CRATES: [(&str, &str); 3] =
    [("## The kernel", "src"), ("## Learning", "learn/src"), ("## The tool", "cli/src")];

#[test]
fn no_import_points_down_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).expect("docs/architecture.md");
    let mut checked = 0;
    for (heading, source) in CRATES {
        // The package of the kernel holds neither of the others.
        if !root.join(source).is_dir() {
            continue;
        }
        let faults = check(&rows(&text, heading), &Source::read(&root.join(source)));
        assert!(faults.is_empty(), "{source}:\n{}", faults.join("\n"));
        checked += 1;
    }
    assert!(checked > 0);
}

/// The check itself notices what it is for.
#[test]
fn the_law_is_enforced() {
    let source = |files: &[(&str, &str)]| {
        let parse = |(name, text): &(&str, &str)| ((*name).to_owned(), Module::parse(name, text));
        Source { files: files.iter().map(parse).collect() }
    };
    let table: Vec<Vec<String>> = vec![vec!["low.rs".into()], vec!["mid/*.rs".into()], vec!["lib.rs".into()]];
    let files = |low: &'static str, a: &'static str| {
        source(&[
            ("lib.rs", "mod low;\nmod mid;"),
            ("low.rs", low),
            ("mid/mod.rs", "mod a;\npub use a::A;"),
            ("mid/a.rs", a),
        ])
    };
    assert_eq!(check(&table, &files("", "use crate::low::{self, X};")), [""; 0]);
    let down = check(&table, &files("use crate::mid::A;", ""));
    assert!(down[0].contains("low.rs imports mid/a.rs"), "{down:?}");
    let inline = check(&table, &files("fn f() { crate::mid::a::g() }", ""));
    assert!(inline[0].contains("low.rs imports mid/a.rs"), "{inline:?}");
    let circle = check(&table, &files("", "use super::B;\n"));
    assert_eq!(circle, [""; 0]);
    let circle = check(
        &table,
        &source(&[
            ("lib.rs", "mod low; mod mid;"),
            ("low.rs", ""),
            ("mid/mod.rs", "mod a; mod b;"),
            ("mid/a.rs", "use super::b::B;"),
            ("mid/b.rs", "use super::a::A;"),
        ]),
    );
    assert!(circle.iter().any(|fault| fault.contains("circle")), "{circle:?}");
    let homeless = check(&table[1..], &files("", ""));
    assert!(homeless.iter().any(|fault| fault.contains("low.rs has no row")), "{homeless:?}");
}

/// The files of every row of the table under a heading, as patterns.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = rest.split("\n## ").next().unwrap_or_default();
    let table = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let files = |line: &str| {
        let cell = line.split('|').nth(2).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).flat_map(braces).collect()
    };
    table.map(files).collect()
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn braces(pattern: &str) -> Vec<String> {
    match pattern.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?))) {
        Some((a, (list, b))) => {
            list.split(',').flat_map(|x| braces(&format!("{a}{}{b}", x.trim()))).collect()
        }
        None => vec![pattern.to_owned()],
    }
}

/// Whether a path fits a pattern in which `*` stands for any name.
fn fits(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
    path.len() == pattern.len()
        && path.iter().zip(pattern).all(|(name, pattern)| match pattern.split_once('*') {
            Some((a, b)) => name.len() >= a.len() + b.len() && name.starts_with(a) && name.ends_with(b),
            None => *name == pattern,
        })
}

fn check(rows: &[Vec<String>], source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut place = BTreeMap::new();
    for file in source.files.keys() {
        match rows.iter().position(|row| row.iter().any(|pattern| fits(file, pattern))) {
            Some(row) => drop(place.insert(file, row)),
            None => faults.push(format!("{file} has no row")),
        }
    }
    for pattern in rows.iter().flatten() {
        if !source.files.keys().any(|file| fits(file, pattern)) {
            faults.push(format!("no file is {pattern}"));
        }
    }
    let mut graph: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (file, module) in &source.files {
        for import in &module.imports {
            let Some(target) = source.resolve(import, 0) else { continue };
            if target == *file {
                continue;
            }
            if let (Some(from), Some(to)) = (place.get(file), place.get(&target))
                && to > from
            {
                faults.push(format!("{file} imports {target} ({})", import.join("::")));
            }
            graph.entry(file).or_default().insert(target);
        }
    }
    if let Some(circle) = circle(&graph) {
        faults.push(format!("a circle: {}", circle.join(" -> ")));
    }
    faults.dedup();
    faults
}

/// Files that import each other, if there are any.
fn circle(graph: &BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        file: &str,
        graph: &BTreeMap<&str, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(start) = path.iter().position(|f| f == file) {
            path.drain(..start);
            path.push(file.to_owned());
            return true;
        }
        if done.contains(file) {
            return false;
        }
        path.push(file.to_owned());
        for next in graph.get(file).into_iter().flatten() {
            if walk(next, graph, path, done) {
                return true;
            }
        }
        path.pop();
        done.insert(file.to_owned());
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|file| {
        let mut path = Vec::new();
        walk(file, graph, &mut path, &mut done).then_some(path)
    })
}

/// A file's imports, and the names that it passes on.
struct Module {
    /// Paths from the root of the crate.
    imports: Vec<Vec<String>>,
    exports: Vec<(String, Vec<String>)>,
    /// Where a path that begins with a plain name is looked up: the module's own children.
    path: Vec<String>,
}

struct Source {
    files: BTreeMap<String, Module>,
}

impl Source {
    fn read(root: &Path) -> Self {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    found.push(path);
                }
            }
        }
        let mut paths = Vec::new();
        walk(root, &mut paths);
        let mut files = BTreeMap::new();
        for path in paths {
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().replace('\\', "/");
            // Tests look at everything.
            if name.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable");
            files.insert(name.clone(), Module::parse(&name, &text));
        }
        assert!(!files.is_empty());
        Self { files }
    }

    /// The file that holds a module.
    fn file_of(&self, module: &[String]) -> Option<String> {
        let path = module.join("/");
        let names = match module {
            [] => vec!["lib.rs".to_owned(), "main.rs".to_owned()],
            _ => vec![format!("{path}.rs"), format!("{path}/mod.rs")],
        };
        names.into_iter().find(|name| self.files.contains_key(name))
    }

    /// The file that defines what a path from the root of the crate names.
    fn resolve(&self, path: &[String], depth: usize) -> Option<String> {
        let mut module = 0;
        while module < path.len() && self.file_of(&path[..=module]).is_some() {
            module += 1;
        }
        let file = self.file_of(&path[..module])?;
        let Some(name) = path.get(module) else { return Some(file) };
        let passed_on = self.files[&file].exports.iter().find(|(export, _)| export == name);
        match passed_on {
            Some((_, to)) if depth < 8 => self.resolve(to, depth + 1),
            _ => Some(file),
        }
    }
}

impl Module {
    fn parse(name: &str, text: &str) -> Self {
        let stem = name.trim_end_matches(".rs").trim_end_matches("/mod");
        let path: Vec<String> = match stem {
            "lib" | "main" | "mod" => Vec::new(),
            _ => stem.split('/').map(String::from).collect(),
        };
        // Tests inside a file look at the file.
        let code = without_comments(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        let mut module = Self { imports: Vec::new(), exports: Vec::new(), path };
        let mut rest = String::new();
        // Statements that begin with `use`, at the outer level or inside functions; and what is left.
        let mut code = &code[..];
        while let Some(at) = find_use(code) {
            let (before, tail) = code.split_at(at);
            rest.push_str(before);
            let end = tail.find(';').unwrap_or(tail.len());
            let public = before.trim_end().ends_with("pub")
                || before.trim_end().ends_with(')')
                    && before.rsplit('\n').next().is_some_and(|l| l.trim_start().starts_with("pub("));
            for (path, alias) in leaves(&tail[3..end]) {
                let Some(path) = module.absolute(&path) else { continue };
                if public {
                    module.exports.push((alias, path));
                } else {
                    module.imports.push(path);
                }
            }
            code = &tail[end..];
        }
        rest.push_str(code);
        for start in ["crate::", "super::", "self::"] {
            let mut text = &rest[..];
            while let Some(at) = text.find(start) {
                let inside_word = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                // `$crate` in a macro names where it is expanded, which has its own imports.
                let in_macro = text[..at].ends_with('$');
                let path: String = text[at..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                    .collect();
                text = &text[at + start.len()..];
                if inside_word || in_macro {
                    continue;
                }
                let path: Vec<String> =
                    path.split("::").filter(|s| !s.is_empty()).map(String::from).collect();
                if path.len() > 1 {
                    module.imports.extend(module.absolute(&path));
                }
            }
        }
        module
    }

    /// From the root of the crate; `None` for another crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([&self.path[..], rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|s| *s == "super").count();
                let up = self.path.len().checked_sub(ups)?;
                Some([&self.path[..up], &path[ups..]].concat())
            }
            // Of a child, as in `mod a; pub use a::A;`; if there is none, of another crate.
            _ => Some([&self.path[..], path].concat()),
        }
    }
}

/// Where the next `use` begins.
fn find_use(code: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = code[from..].find("use ") {
        let at = from + at;
        if code[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || c == ';' || c == '{' || c == ')')
        {
            return Some(at);
        }
        from = at + 4;
    }
    None
}

/// The paths of a `use`, and the names that they get.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((prefix, rest)) = tree.split_once('{') {
        let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
        let prefix: Vec<String> =
            prefix.split("::").map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
        let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
        for c in inner.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if c == ',' && depth == 0 {
                parts.push(std::mem::take(&mut part));
            } else {
                part.push(c);
            }
        }
        parts.push(part);
        let parts = parts.iter().filter(|part| !part.trim().is_empty());
        return parts
            .flat_map(|part| leaves(part))
            .map(|(path, alias)| {
                let path: Vec<String> = match &path[..] {
                    [only] if only == "self" => prefix.clone(),
                    _ => [&prefix[..], &path[..]].concat(),
                };
                (path, alias)
            })
            .collect();
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path: Vec<String> = path.split("::").map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
    let alias = match alias.trim() {
        "" => path.last().cloned().unwrap_or_default(),
        alias => alias.to_owned(),
    };
    // What a glob names cannot be seen from here: the module counts.
    let path = if path.last().is_some_and(|s| s == "*") { path[..path.len() - 1].to_vec() } else { path };
    vec![(path, alias)]
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.split("//").next().unwrap_or_default();
        // A statement of its own line; attributes are none of it.
        if line.trim_start().starts_with("#[") { "" } else { line }
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}
