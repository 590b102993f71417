//! Which files are read, and in which order.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    Environment,
    layers::Layer,
    problem::{Problem, Source},
    syntax::FileFormat,
    watch::Stamp,
};

/// What people write beside `forgewatch.toml` or in its place, and nobody reads.
const MISNAMED: [&str; 3] = ["forgewatch.yaml", "forgewatch.yml", "forgewatch.json"];

/// Reads the files that the operator named or, when there are none, those of the system and the user. Says where it has
/// looked for some, and what was there just before.
pub(super) fn read(
    named: &[PathBuf],
    environment: &Environment,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> (Vec<Layer>, Vec<(PathBuf, Stamp)>) {
    let mut reader = Reader { environment, problems, warnings, layers: Vec::new(), looked_at: Vec::new() };
    for path in named {
        if environment.working_dir.join(path).is_dir() {
            reader.folder(path);
        } else {
            reader.file(path, true);
        }
    }
    if named.is_empty() {
        reader.file(&environment.system_dir.join("forgewatch.toml"), false);
        reader.overlooked(&environment.system_dir, &MISNAMED);
        let snippets = environment.system_dir.join("conf.d");
        if snippets.is_dir() {
            reader.folder(&snippets);
        } else {
            reader.look(&snippets);
        }
        if let Some(home) = environment.xdg_dir("XDG_CONFIG_HOME", ".config") {
            let own = home.join("forgewatch");
            reader.file(&own.join("forgewatch.toml"), false);
            reader.overlooked(&own, &MISNAMED);
            reader.overlooked(&own, &["conf.d"]);
        }
    }
    (reader.layers, reader.looked_at)
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
    layers: Vec<Layer>,
    looked_at: Vec<(PathBuf, Stamp)>,
}

impl Reader<'_> {
    /// Notes what is at a path, which may be nothing.
    fn look(&mut self, path: &Path) -> PathBuf {
        let absolute = self.environment.working_dir.join(path);
        self.looked_at.push((absolute.clone(), Stamp::of(&absolute)));
        absolute
    }

    fn folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(self.look(folder)).and_then(|entries| {
            entries.map(|entry| entry.map(|it| it.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let mut names = match entries {
            Ok(names) => names,
            Err(error) => {
                self.problems.push(about_file(folder, format!("cannot list this folder: {error}")));
                return;
            }
        };
        names.sort();
        for name in names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
            let path = folder.join(name);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("toml" | "yaml" | "json") => self.file(&path, true),
                Some("yml") => self.warnings.push(Problem {
                    help: Some("rename it to end in `.yaml`".into()),
                    ..about_file(&path, "not read: of a folder only *.toml, *.yaml and *.json are".into())
                }),
                _ => {}
            }
        }
    }

    /// Warns about what is there and is not read.
    fn overlooked(&mut self, folder: &Path, names: &[&str]) {
        for path in names.iter().map(|name| folder.join(name)).filter(|path| path.exists()) {
            let help = format!(
                "write its settings into {}, or name it with --config, which is read in place of all these files",
                folder.join("forgewatch.toml").display()
            );
            let message = "not read: only `forgewatch.toml` is looked for here".to_owned();
            self.warnings.push(Problem { help: Some(help), ..about_file(&path, message) });
        }
    }

    fn file(&mut self, path: &Path, required: bool) {
        let absolute = self.look(path);
        let text = match std::fs::read_to_string(&absolute) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return,
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::InvalidData => "this file cannot be read: it is not UTF-8 text".into(),
                    _ => format!("this file cannot be read: {error}"),
                };
                self.problems.push(about_file(path, message));
                return;
            }
        };
        let base = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        self.layers.push(Layer::of_text(path.to_owned(), FileFormat::of(path), text, base));
    }
}

fn about_file(path: &Path, message: String) -> Problem {
    let source = Some(Source::File { path: path.to_owned(), line: None });
    Problem { key: String::new(), source, message, help: None }
}
