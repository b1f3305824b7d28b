//! The style guide, as far as a machine can see it. Each budget is named beside its reason in CONTRIBUTING.md.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// No function is longer, in lines from its first to its last brace.
const FUNCTION_LINES_MAX: usize = 70;

/// No module is longer, in lines outside its tests.
const MODULE_LINES_MAX: usize = 600;

/// No function takes more arguments, its receiver left out.
const ARGUMENTS_MAX: usize = 5;

/// Where the decisions live: no clock, no entropy, no socket, no thread, no order that differs from run to run.
const PURE: [&str; 3] = ["crates/time/src", "crates/model/src", "crates/core/src"];

const IMPURE_WORDS: [&str; 12] = [
    "SystemTime",
    "Instant::now",
    "getrandom",
    "thread_rng",
    "OsRng",
    "HashMap",
    "HashSet",
    "UdpSocket",
    "std::thread",
    "std::fs",
    "std::env",
    "libc::",
];

struct Source {
    path: PathBuf,
    text: String,
    syntax: syn::File,
}

impl Source {
    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The text without the module of tests at its end.
    fn production(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod ").next().unwrap_or(&self.text)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    for folder in ["crates", "fuzz"] {
        collect(&root.join(folder), &mut paths);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source is readable");
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Source { path: path.strip_prefix(&root).expect("below the root").to_path_buf(), text, syntax }
    };
    let sources: Vec<Source> = paths.into_iter().map(read).collect();
    assert!(sources.len() > 30, "only {} sources were found: the search is broken", sources.len());
    sources
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let is_build = path.ends_with("target");
        match path.is_dir() {
            true if !is_build => collect(&path, into),
            false if path.extension().is_some_and(|end| end == "rs") => into.push(path),
            true | false => {}
        }
    }
}

fn assert_none(sins: &[String]) {
    assert!(sins.is_empty(), "{} places:\n  {}", sins.len(), sins.join("\n  "));
}

/// Finds functions that are too long or want too much.
struct Functions<'a> {
    file: &'a Source,
    sins: Vec<String>,
    /// Inside of what implements a trait: how many arguments its functions take is for the trait to say.
    of_trait: bool,
}

impl Functions<'_> {
    fn weigh(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line - signature.span().start().line + 1;
        if lines > FUNCTION_LINES_MAX {
            let place = self.place(signature);
            self.sins.push(format!("{place} has {lines} lines"));
        }
    }

    fn place(&self, signature: &syn::Signature) -> String {
        format!("{}:{} {}", self.file.name(), signature.span().start().line, signature.ident)
    }

    fn count(&mut self, signature: &syn::Signature) {
        let receiver = usize::from(signature.receiver().is_some());
        let arguments = signature.inputs.len() - receiver;
        let place = self.place(signature);
        if arguments > ARGUMENTS_MAX {
            self.sins.push(format!("{place} takes {arguments} arguments"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.weigh(&function.sig, &function.block);
        self.count(&function.sig);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outside = std::mem::replace(&mut self.of_trait, item.trait_.is_some());
        visit::visit_item_impl(self, item);
        self.of_trait = outside;
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.count(&function.sig);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.weigh(&function.sig, &function.block);
        if !self.of_trait {
            self.count(&function.sig);
        }
        visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn functions_fit_on_a_screen() {
    let mut sins = Vec::new();
    for file in sources() {
        let mut functions = Functions { file: &file, sins: Vec::new(), of_trait: false };
        functions.visit_file(&file.syntax);
        sins.extend(functions.sins);
    }
    assert_none(&sins);
}

#[test]
fn modules_are_short_enough_to_be_read() {
    let too_long = |file: &Source| {
        let lines = file.production().lines().count();
        (!file.is_test() && lines > MODULE_LINES_MAX).then(|| format!("{} has {lines} lines", file.name()))
    };
    assert_none(&sources().iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn the_core_reads_no_clock_and_no_entropy() {
    let mut sins = Vec::new();
    for file in
        sources().iter().filter(|file| PURE.iter().any(|folder| file.is_below(folder)) && !file.is_test())
    {
        for (number, line) in file.production().lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            let word = IMPURE_WORDS.iter().find(|word| !is_comment && line.contains(**word));
            sins.extend(word.map(|word| format!("{}:{} {word}", file.name(), number + 1)));
        }
    }
    assert_none(&sins);
}

/// Finds `unsafe` in any form.
#[derive(Default)]
struct Unsafe {
    lines: Vec<usize>,
}

impl<'ast> Visit<'ast> for Unsafe {
    fn visit_expr_unsafe(&mut self, expression: &'ast syn::ExprUnsafe) {
        self.lines.push(expression.span().start().line);
        visit::visit_expr_unsafe(self, expression);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.lines.extend(signature.unsafety.map(|word| word.span().start().line));
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.lines.extend(item.unsafety.map(|word| word.span().start().line));
        visit::visit_item_impl(self, item);
    }
}

fn unsafe_lines(file: &Source) -> Vec<usize> {
    let mut found = Unsafe::default();
    found.visit_file(&file.syntax);
    found.lines
}

#[test]
fn unsafe_code_lives_in_sys_alone() {
    let mut sins = Vec::new();
    for file in sources().iter().filter(|file| !file.is_below("crates/sys")) {
        sins.extend(unsafe_lines(file).iter().map(|line| format!("{}:{line}", file.name())));
    }
    assert_none(&sins);
}

#[test]
fn each_unsafe_block_says_why_it_is_safe() {
    let mut sins = Vec::new();
    for file in sources().iter().filter(|file| file.is_below("crates/sys/src") && !file.is_test()) {
        let lines: Vec<&str> = file.text.lines().collect();
        for line in unsafe_lines(file) {
            let above = &lines[line.saturating_sub(8)..line];
            if !above.iter().any(|line| line.contains("SAFETY:")) {
                sins.push(format!("{}:{line}", file.name()));
            }
        }
    }
    assert_none(&sins);
}

#[test]
fn every_module_is_on_the_map() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the map is there");
    let missing = |file: &Source| {
        let is_module = file.path.components().any(|part| part.as_os_str() == "src") && !file.is_test();
        (is_module && !map.contains(&format!("`{}`", file.name()))).then(|| file.name())
    };
    assert_none(&sources().iter().filter_map(missing).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_over() {
    // Put together from halves so that this file does not accuse itself.
    let words = [["tod", "o!("], ["unimplemen", "ted!("], ["db", "g!("], ["FIX", "ME"], ["#[ign", "ore"]];
    let mut sins = Vec::new();
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            let left = words.iter().map(|halves| halves.concat()).find(|word| line.contains(word.as_str()));
            sins.extend(left.map(|word| format!("{}:{} {word}", file.name(), number + 1)));
        }
    }
    assert_none(&sins);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |file: &Source| (!file.is_test() && !file.text.starts_with("//!")).then(|| file.name());
    assert_none(&sources().iter().filter_map(silent).collect::<Vec<_>>());
}
