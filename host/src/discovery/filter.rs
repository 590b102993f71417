//! What a discovery takes in, by patterns over names.

use globset::{GlobSet, GlobSetBuilder};

use crate::config::Pattern;

/// Patterns of what to take in, and of what to leave out all the same.
#[derive(Clone, Debug)]
pub struct Filter {
    include: GlobSet,
    exclude: GlobSet,
}

impl Filter {
    /// A filter.
    ///
    /// # Errors
    ///
    /// The patterns are too much together.
    pub fn new(include: &[Pattern], exclude: &[Pattern]) -> Result<Self, globset::Error> {
        Ok(Self { include: set(include)?, exclude: set(exclude)? })
    }

    /// Whether a repository fits.
    pub fn takes(&self, project: Option<&str>, name: &str) -> bool {
        let whole = project.map(|project| format!("{project}/{name}"));
        let text = whole.as_deref().unwrap_or(name);
        self.include.is_match(text) && !self.exclude.is_match(text)
    }
}

fn set(patterns: &[Pattern]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(pattern.get().clone());
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_see_project_and_name_in_upper_or_lower_case() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        type Case<'a> = (&'a [&'a str], &'a [&'a str], Option<&'a str>, &'a str, bool);
        let cases: [Case<'_>; 11] = [
            (&["*"], &[], Some("Payments"), "api", true),
            (&["*"], &[], None, "api", true),
            (&["payments/*"], &[], Some("Payments"), "API", true),
            (&["Payments/*"], &[], Some("Payments-old"), "api", false),
            (&["Payments/*"], &[], None, "Payments", false),
            (&["a/*"], &[], Some("a/b/c"), "api", true),
            (&["*/api"], &[], Some("a/b"), "api", true),
            (&["*/{web,shop}-?"], &[], Some("P"), "shop-1", true),
            (&["web", "Shop/*"], &[], None, "web", true),
            (&["*"], &["*-archive", "Old/*"], Some("New"), "x-Archive", false),
            (&["*"], &["*-archive", "Old/*"], Some("New"), "x-archive-2", true),
        ];
        for (include, exclude, project, name, expected) in cases {
            let filter = Filter::new(&patterns(include), &patterns(exclude)).unwrap();
            assert_eq!(filter.takes(project, name), expected, "{include:?} {exclude:?} {project:?} {name}");
        }
    }
}
