//! The record types as they stand in `src/`: names, types, serde attributes and docs.

use std::collections::BTreeMap;
use std::path::Path;
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, LitStr, PathArguments, Type};

/// All types with docs of this crate, by name.
pub(crate) struct Types(BTreeMap<String, Shape>);

/// A struct or an enum.
pub(crate) struct Shape {
    pub(crate) doc: String,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Struct(Vec<Field>),
    /// With the name of the field that tells the variants apart, where the tag is inside.
    Enum(Vec<Variant>, Option<String>),
}

pub(crate) struct Field {
    /// As serialised.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) ty: Type,
    /// Has a `serde(default)`.
    pub(crate) default: bool,
}

pub(crate) struct Variant {
    /// As serialised.
    pub(crate) name: String,
    pub(crate) ident: String,
    pub(crate) doc: String,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Unit,
    Newtype(Box<Type>),
    Struct(Vec<Field>),
}

impl Types {
    /// Reads every file of a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut types = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for item in syn::parse_file(&text).unwrap().items {
                let (name, attrs, kind) = match item {
                    Item::Struct(item) => {
                        let Fields::Named(_) = item.fields else { continue };
                        (item.ident.to_string(), item.attrs, Kind::Struct(fields(&item.fields)))
                    }
                    Item::Enum(item) => {
                        let serde = Serde::of(&item.attrs);
                        let variants = item.variants.iter().map(|variant| Variant {
                            name: serde.renamed(&variant.ident.to_string()),
                            ident: variant.ident.to_string(),
                            doc: doc(&variant.attrs),
                            content: match &variant.fields {
                                Fields::Unit => Content::Unit,
                                Fields::Unnamed(fields) => Content::Newtype(Box::new(fields.unnamed[0].ty.clone())),
                                named @ Fields::Named(_) => Content::Struct(fields(named)),
                            },
                        });
                        (item.ident.to_string(), item.attrs, Kind::Enum(variants.collect(), serde.tag))
                    }
                    _ => continue,
                };
                types.insert(name, Shape { doc: doc(&attrs), kind });
            }
        }
        Self(types)
    }

    pub(crate) fn get(&self, name: &str) -> &Shape {
        self.0.get(name).unwrap_or_else(|| panic!("no type `{name}` in src/"))
    }
}

fn fields(fields: &Fields) -> Vec<Field> {
    let field = |field: &syn::Field| {
        let serde = Serde::of(&field.attrs);
        let name = field.ident.as_ref().unwrap().to_string();
        Field {
            name: serde.rename.unwrap_or(name),
            doc: doc(&field.attrs),
            ty: field.ty.clone(),
            default: serde.default,
        }
    };
    fields.iter().map(field).collect()
}

/// The serde attributes that change a format.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    snake_case: bool,
    tag: Option<String>,
    default: bool,
}

impl Serde {
    fn of(attrs: &[Attribute]) -> Self {
        let mut serde = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            attr.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let value =
                    if meta.input.peek(syn::Token![=]) { Some(meta.value()?.parse::<LitStr>()?.value()) } else { None };
                match (name.as_str(), value) {
                    ("rename", value) => serde.rename = value,
                    ("rename_all", Some(case)) if case == "snake_case" => serde.snake_case = true,
                    ("tag", value) => serde.tag = value,
                    ("default", _) => serde.default = true,
                    // Another name is only ever read: what is written has one.
                    ("borrow" | "deny_unknown_fields" | "skip_serializing_if" | "alias", _) => {}
                    (other, value) => panic!("serde({other} {value:?}): teach it to tests/it"),
                }
                Ok(())
            })
            .unwrap();
        }
        serde
    }

    fn renamed(&self, variant: &str) -> String {
        if !self.snake_case {
            return variant.to_owned();
        }
        let mut name = String::new();
        for (i, c) in variant.char_indices() {
            if c.is_uppercase() && i > 0 {
                name.push('_');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

/// The first paragraph of the doc comment on one line, without the brackets of links. What follows tells of Rust.
fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| {
        let Expr::Lit(literal) = &attr.meta.require_name_value().ok()?.value else { return None };
        let Lit::Str(text) = &literal.lit else { return None };
        Some(text.value().trim().to_owned())
    });
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}

/// The type's last path segment and its type arguments: `std::borrow::Cow<'a, str>` gives `Cow` and `str`.
pub(crate) fn split(ty: &Type) -> (String, Vec<&Type>) {
    let Type::Path(path) = ty else { panic!("a type that is no path: teach it to tests/it") };
    let segment = path.path.segments.last().unwrap();
    let mut arguments = Vec::new();
    if let PathArguments::AngleBracketed(list) = &segment.arguments {
        arguments.extend(list.args.iter().filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        }));
    }
    (segment.ident.to_string(), arguments)
}
