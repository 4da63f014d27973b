//! Functions are short.

use super::{assert_none, sources};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

/// Longest function, in lines from `fn` to the closing brace, exclusive.
const FUNCTION_LINES: usize = 70;

/// Collects functions that are too long.
struct Functions<'p> {
    path: &'p str,
    findings: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let first = signature.fn_token.span().start().line;
        let lines = block.brace_token.span.close().end().line - first + 1;
        if lines >= FUNCTION_LINES {
            let (path, name) = (self.path, &signature.ident);
            self.findings
                .push(format!("{path}:{first}: `{name}` has {lines} lines; fewer than {FUNCTION_LINES} are allowed"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn long_functions(path: &str, text: &str) -> Vec<String> {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut functions = Functions { path, findings: Vec::new() };
    functions.visit_file(&file);
    functions.findings
}

#[test]
fn functions_are_short() {
    let findings: Vec<String> = sources().iter().flat_map(|(path, text)| long_functions(path, text)).collect();
    assert_none(&findings);
}

#[test]
fn a_long_function_is_found_wherever_it_is() {
    let function = |lines: usize| format!("fn long() {{\n{}}}", "    f();\n".repeat(lines - 2));
    let cases = [
        (function(69), 0),
        (function(70), 1),
        (format!("impl S {{ {} }}", function(70)), 1),
        (format!("trait T {{ fn none(); {} }}", function(70)), 1),
        (format!("mod m {{ {} }}", function(70)), 1),
        (format!("fn outer() {{ {} }}", function(70)), 2),
    ];
    for (text, found) in cases {
        assert_eq!(long_functions("a.rs", &text).len(), found, "{text}");
    }
    assert_eq!(
        long_functions("a.rs", &format!("\n{}", function(71))),
        ["a.rs:2: `long` has 71 lines; fewer than 70 are allowed"]
    );
}
