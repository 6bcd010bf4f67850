//! One Rust file as text says it: what its modules define, import and name, and how long its functions are.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

/// A path as it is written, segment by segment.
pub type Path = Vec<String>;

/// A module as a file writes it: the file itself, or a module with its body in braces.
#[derive(Debug, Default)]
pub struct ModuleSource {
    /// Its name; empty for a file.
    pub name: String,
    /// Whether other crates may see it.
    pub is_public: bool,
    /// Whether it is compiled for tests alone.
    pub is_test: bool,
    /// The modules written inside it.
    pub inline: Vec<ModuleSource>,
    /// The modules that it declares and other files hold.
    pub declared: Vec<Declared>,
    /// The names that it defines, and whether each is `pub`.
    pub defined: BTreeMap<String, bool>,
    /// What it imports.
    pub uses: Vec<Use>,
    /// Every path that its code names, imports apart.
    pub named: BTreeSet<Path>,
    /// The lines of each function, from the line of `fn` to its closing brace.
    pub functions: Vec<Function>,
    /// How many lines are compiled for tests alone.
    pub test_lines: usize,
}

/// `mod name;`
#[derive(Debug)]
pub struct Declared {
    /// The module's name.
    pub name: String,
    /// Its file, where `#[path]` names one.
    pub path: Option<String>,
    /// Whether other crates may see it.
    pub is_public: bool,
    /// Whether it is compiled for tests alone.
    pub is_test: bool,
}

/// One name that a `use` brings into scope.
#[derive(Debug)]
pub struct Use {
    /// What is imported.
    pub path: Path,
    /// The name that it gets here, or nothing where all names of a module are imported.
    pub name: Option<String>,
    /// Who may import it from here in turn.
    pub visibility: Sharing,
}

/// Who may import a name from the module that imports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Only modules inside this one.
    Private,
    /// Others of this crate.
    Crate,
    /// Everyone.
    Public,
}

/// A function and its length.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// From the line of `fn` to its closing brace.
    pub lines: usize,
}

/// Parses one file.
pub fn parse(text: &str) -> syn::Result<ModuleSource> {
    let file = syn::parse_file(text)?;
    let mut module = read_module(&file.items);
    module.is_test = file.attrs.iter().any(is_test_only);
    if module.is_test {
        module.test_lines = text.lines().count();
    }
    Ok(module)
}

fn read_module(items: &[Item]) -> ModuleSource {
    let mut module = ModuleSource::default();
    for item in items {
        if attributes(item).iter().any(is_test_only) {
            module.test_lines += lines(item);
            if let Item::Mod(inner) = item {
                module.add_module(inner, true);
            }
        } else if let Item::Mod(inner) = item {
            module.add_module(inner, false);
        } else {
            if let Some((name, visibility)) = defines(item) {
                module.defined.insert(name, matches!(visibility, Visibility::Public(_)));
            }
            if let Item::ForeignMod(foreign) = item {
                module.add_foreign(foreign);
            }
            Reader { module: &mut module }.visit_item(item);
        }
    }
    module
}

impl ModuleSource {
    fn add_module(&mut self, item: &syn::ItemMod, is_test: bool) {
        let name = item.ident.to_string();
        let is_public = matches!(item.vis, Visibility::Public(_));
        if let Some((_, items)) = &item.content {
            let inner = read_module(items);
            if !is_test {
                self.test_lines += inner.test_lines;
            }
            self.inline.push(ModuleSource { name, is_public, is_test, ..inner });
        } else {
            let path = item.attrs.iter().find(|attribute| attribute.path().is_ident("path"));
            let path = path.and_then(|attribute| match &attribute.meta {
                Meta::NameValue(pair) => literal(&pair.value),
                _ => None,
            });
            self.declared.push(Declared { name, path, is_public, is_test });
        }
    }

    fn add_foreign(&mut self, item: &syn::ItemForeignMod) {
        for item in &item.items {
            if let syn::ForeignItem::Fn(function) = item {
                self.defined.insert(function.sig.ident.to_string(), false);
            }
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &[String], visibility: Sharing) {
        let with = |ident: &syn::Ident| before.iter().cloned().chain([ident.to_string()]).collect::<Path>();
        let (path, name) = match tree {
            UseTree::Path(inner) => return self.add_use(&inner.tree, &with(&inner.ident), visibility),
            UseTree::Group(group) => {
                for inner in &group.items {
                    self.add_use(inner, before, visibility);
                }
                return;
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
            UseTree::Rename(name) if name.ident == "self" => (before.to_vec(), Some(name.rename.to_string())),
            UseTree::Rename(name) => (with(&name.ident), Some(name.rename.to_string())),
            UseTree::Glob(_) => (before.to_vec(), None),
        };
        self.uses.push(Use { path, name, visibility });
    }

    /// Takes the paths out of the tokens of a macro, in which nothing is known to be an expression.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        // The punctuation since the last word.
        let mut before = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let goes_on = before == "::";
                    if !goes_on {
                        self.named.insert(std::mem::take(&mut path));
                    }
                    // Neither a member (`x.name`) nor a path from outside (`::name`) leads into the crate.
                    if before != "." && !(goes_on && path.is_empty()) {
                        path.push(ident.to_string());
                    }
                    before.clear();
                }
                TokenTree::Punct(punct) => before.push(punct.as_char()),
                TokenTree::Group(group) => {
                    self.named.insert(std::mem::take(&mut path));
                    before.clear();
                    self.add_tokens(group.stream());
                }
                TokenTree::Literal(_) => {
                    self.named.insert(std::mem::take(&mut path));
                    before.clear();
                }
            }
        }
        self.named.insert(path);
        self.named.remove(&Path::new());
    }
}

/// Collects what the code of one module names.
struct Reader<'a> {
    module: &'a mut ModuleSource,
}

impl Reader<'_> {
    fn add_function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.module.functions.push(Function { name: signature.ident.to_string(), lines: last + 1 - first });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let visibility = match &item.vis {
            Visibility::Public(_) => Sharing::Public,
            Visibility::Restricted(restricted) if !restricted.path.is_ident("self") => Sharing::Crate,
            _ => Sharing::Private,
        };
        if item.leading_colon.is_none() {
            self.module.add_use(&item.tree, &[], visibility);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add_function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.attrs.iter().any(is_test_only) {
            self.module.test_lines += lines(item);
            return;
        }
        self.add_function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add_function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.module.named.insert(segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        visit::visit_macro(self, item);
        self.module.add_tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Paths in attributes are those of macros outside the crate, but `with = "crate::hex"` leads into it.
        if let Meta::List(list) = &attribute.meta {
            for token in list.tokens.clone() {
                let text = token.to_string();
                let path = text.trim_matches('"');
                if matches!(token, TokenTree::Literal(_)) && path.starts_with("crate::") {
                    self.module.named.insert(path.split("::").map(str::to_owned).collect());
                }
            }
        }
    }

    /// `pub(in crate::some::module)` gives a right and takes nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// The name that an item defines in its module.
fn defines(item: &Item) -> Option<(String, &Visibility)> {
    let (ident, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        Item::Macro(item) => (item.ident.as_ref()?, &Visibility::Inherited),
        _ => return None,
    };
    Some((ident.to_string(), visibility))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test_only(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition))
        }
        meta => meta.path().is_ident("test"),
    }
}

/// Whether a condition of `cfg` holds in tests alone.
fn needs_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return condition.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let Ok(parts) = parts else { return false };
    if list.path.is_ident("all") {
        parts.iter().any(needs_test)
    } else {
        list.path.is_ident("any") && parts.iter().all(needs_test)
    }
}

fn literal(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// The lines that something takes, its attributes and documentation included.
fn lines(item: &impl Spanned) -> usize {
    let span = item.span();
    span.end().line + 1 - span.start().line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        parse(text).expect("Rust").named.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_use_is_taken_apart_name_by_name() {
        let module = parse("pub(crate) use crate::a::{self, b::C as D, e::*};").expect("Rust");
        let uses: Vec<_> = module
            .uses
            .iter()
            .map(|one| (one.path.join("::"), one.name.as_deref(), one.visibility))
            .collect();
        let expected = [
            ("crate::a".to_owned(), Some("a"), Sharing::Crate),
            ("crate::a::b::C".to_owned(), Some("D"), Sharing::Crate),
            ("crate::a::e".to_owned(), None, Sharing::Crate),
        ];
        assert_eq!(uses, expected);
    }

    #[test]
    fn paths_in_macros_and_attributes_are_found() {
        let text = "#[serde(with = \"crate::hex\")] struct A;\n fn f() { g!(x.y, crate::b::c(1), d: super::E { }); }";
        assert_eq!(named(text), ["crate::b::c", "crate::hex", "d", "g", "super::E", "x"]);
    }

    #[test]
    fn code_for_tests_alone_names_nothing_and_is_counted() {
        let text = "fn f() {\n a::b()\n}\n#[cfg(all(test, unix))]\nmod tests {\n fn g() { c::d() }\n}\n";
        let module = parse(text).expect("Rust");
        assert_eq!(module.test_lines, 4);
        assert_eq!(module.functions.iter().map(|one| one.lines).collect::<Vec<_>>(), [3]);
        assert_eq!(named(text), ["a::b"]);
        assert!(module.inline.iter().all(|inner| inner.is_test));
    }

    #[test]
    fn code_that_is_compiled_without_tests_too_is_no_test() {
        let module = parse("#[cfg(any(test, unix))] fn f() {}\n#[cfg(not(test))] fn g() {}").expect("Rust");
        assert_eq!((module.test_lines, module.functions.len()), (0, 2));
    }
}
