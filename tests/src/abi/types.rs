//! The layout of types, as abi_stable knows and compares it.
//!
//! Types of the standard library are named where they are used and not described: Rust itself vouches for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use forgewatch_plugin_api::abi::abi_stable::type_layout::{
    LifetimeArrayOrSlice, TLData, TLField, TLFields, TLFunction, TLPrimitive, TypeLayout,
};

/// Types that say nothing beyond what is in them, so that names can do without them.
const WRAPPERS: [&str; 6] =
    ["FfiPoll", "LocalBorrowingFfiFuture", "NonNull", "PhantomData", "PrefixRef", "RObjectVtable"];

/// Descriptions by package, and in it by name. Types that cannot be told apart by name stand beside each other.
pub(super) type Described = BTreeMap<String, BTreeSet<(String, String)>>;

/// Every type that can be reached from `root`.
pub(super) fn describe(root: &'static TypeLayout) -> Described {
    let types = Types::reachable(root);
    let mut described = Described::new();
    for layout in types.all.iter().filter(|layout| layout.package() != "std") {
        let entry = (types.name(layout), types.description(layout));
        described.entry(package(layout)).or_default().insert(entry);
    }
    described
}

/// A type's package, and as much of its version as has to be the same.
fn package(layout: &TypeLayout) -> String {
    let version = layout.package_version().to_string();
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let version = version.split('.').take(parts).collect::<Vec<_>>().join(".");
    format!("{} {version}", layout.package())
}

struct Types {
    all: Vec<&'static TypeLayout>,
}

impl Types {
    fn reachable(root: &'static TypeLayout) -> Self {
        let mut all: Vec<&'static TypeLayout> = Vec::new();
        let mut open = vec![root];
        while let Some(layout) = open.pop() {
            if all.contains(&layout) {
                continue;
            }
            all.push(layout);
            open.extend(layout.shared_vars().type_layouts().iter().map(|nested| nested()));
            if let Some(checks) = layout.extra_checks() {
                open.extend(checks.nested_type_layouts().iter().copied());
            }
        }
        Self { all }
    }

    /// A name that tells a type from the others. abi_stable leaves out what derived types are generic over, so that
    /// is read off the fields in which types of one name differ.
    fn name(&self, layout: &'static TypeLayout) -> String {
        let name = layout.name();
        let arguments = self.arguments(layout).join(", ");
        let TLData::Primitive(primitive) = layout.data() else {
            return if arguments.is_empty() { name.to_owned() } else { format!("{name}<{arguments}>") };
        };
        match primitive {
            TLPrimitive::SharedRef => format!("&{arguments}"),
            TLPrimitive::MutRef => format!("&mut {arguments}"),
            TLPrimitive::ConstPtr => format!("*const {arguments}"),
            TLPrimitive::MutPtr => format!("*mut {arguments}"),
            TLPrimitive::Array => format!("[{arguments}; {:?}]", layout.generics().const_params()),
            _ => name.to_owned(),
        }
    }

    fn arguments(&self, layout: &'static TypeLayout) -> Vec<String> {
        let declared = layout.generics().type_params();
        let types: Vec<_> = match declared {
            [] => self.differing(layout),
            declared => declared.iter().map(|parameter| parameter()).collect(),
        };
        let mut names: Vec<String> = Vec::new();
        for argument in types {
            let inner = match WRAPPERS.contains(&argument.name()) && declared.is_empty() {
                true => self.arguments(argument),
                false => Vec::new(),
            };
            let inner = if inner.is_empty() { vec![self.name(argument)] } else { inner };
            for name in inner {
                if !declared.is_empty() || !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The types in a type's fields that tell it from others of its name.
    fn differing(&self, layout: &'static TypeLayout) -> Vec<&'static TypeLayout> {
        let namesakes = self.all.iter().filter(|other| {
            **other != layout && other.name() == layout.name() && other.package() == layout.package()
        });
        let others: Vec<_> = namesakes.map(|other| parts(other)).collect();
        let own = parts(layout).into_iter().enumerate();
        let differs = |index: usize, part| {
            others.iter().any(|other| other.get(index).is_some_and(|other_part| *other_part != part))
        };
        own.filter(|(index, part)| differs(*index, *part)).map(|(_, part)| part).collect()
    }

    fn description(&self, layout: &'static TypeLayout) -> String {
        let mut text = format!("    size {}, alignment {}", layout.size(), layout.alignment());
        if layout.is_nonzero() {
            text.push_str(", never zero");
        }
        // Writing to a text does not fail.
        let _ = writeln!(text, ", {:?}", layout.repr_attr());
        match layout.data() {
            TLData::Primitive(primitive) => drop(writeln!(text, "    primitive {primitive:?}")),
            TLData::Opaque => text.push_str("    opaque\n"),
            TLData::Struct { fields } => self.fields(&mut text, "field", fields),
            TLData::Union { fields } => self.fields(&mut text, "variant", fields),
            TLData::Enum(data) => {
                let names = data.variant_names_iter().collect::<Vec<_>>().join(", ");
                let exhaustive = if data.exhaustiveness.is_exhaustive() { "" } else { ", more may follow" };
                let _ = writeln!(text, "    variants {names} = {:?}{exhaustive}", data.discriminants);
                let _ = writeln!(text, "    fields of each {:?}", data.field_count);
                self.fields(&mut text, "field", data.fields);
            }
            TLData::PrefixType(data) => {
                let _ = writeln!(text, "    the first {} fields are always there", data.first_suffix_field);
                self.fields(&mut text, "field", data.fields);
            }
        }
        self.fields(&mut text, "phantom", layout.phantom_fields());
        if let Some(checks) = layout.extra_checks() {
            let checks = checks.to_string();
            let checks = checks.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "    check {checks}");
        }
        text
    }

    fn fields(&self, text: &mut String, kind: &str, fields: TLFields) {
        for field in fields {
            let lifetimes = lifetimes(field.lifetime_indices());
            let _ = writeln!(text, "    {kind} {}: {}{lifetimes}", field.name(), self.type_of(field));
        }
    }

    fn type_of(&self, field: TLField) -> String {
        let functions: Vec<_> = field.function_range().iter().map(|it| self.signature(&it)).collect();
        match (field.is_function(), &*functions) {
            (_, []) => self.name(field.layout()),
            (true, functions) => functions.join("; "),
            (false, functions) => format!("{} of {}", self.name(field.layout()), functions.join("; ")),
        }
    }

    fn signature(&self, function: &TLFunction) -> String {
        let qualifier = if function.fn_qualifs.is_unsafe() { "unsafe " } else { "" };
        let parameters: Vec<_> =
            function.param_type_layouts.iter().map(|parameter| self.name(parameter())).collect();
        let answer = function.return_type_layout().map_or("()".to_owned(), |answer| self.name(answer()));
        let lifetimes = lifetimes(function.paramret_lifetime_indices);
        format!("{qualifier}fn({}) -> {answer}{lifetimes}", parameters.join(", "))
    }
}

/// The types that a type is made of, in order; of the functions in one that can be extended, none.
fn parts(layout: &'static TypeLayout) -> Vec<&'static TypeLayout> {
    let mut parts = Vec::new();
    for field in layout.get_fields().into_iter().flatten() {
        parts.push(field.layout());
        if !layout.is_prefix_kind() {
            let answers = field.function_range().iter().filter_map(|function| function.return_type_layout());
            parts.extend(answers.map(|answer| answer()));
        }
    }
    parts.extend(layout.phantom_fields().iter().map(|field| field.layout()));
    parts
}

/// Whose lifetime each reference has, in order; empty when there is none.
fn lifetimes(indices: LifetimeArrayOrSlice<'_>) -> String {
    // The type shows its content in this form alone: words in a nest of brackets.
    let shown = format!("{indices:?}");
    let words = shown.split(|char: char| !char.is_ascii_alphanumeric() && !"()".contains(char));
    let words = words.filter(|word| matches!(*word, "ANONYMOUS" | "STATIC") || word.starts_with("Param("));
    words.fold(String::new(), |text, word| {
        let before = if text.is_empty() { ", lifetimes" } else { "" };
        format!("{text}{before} {}", word.to_lowercase())
    })
}
