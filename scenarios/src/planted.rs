//! Planted bugs: guards of the server, each with the text that takes it out and the scenarios that must notice. They
//! lie as files under `scenarios/planted`, so that anyone can see again that a scenario fails for what it is about;
//! the `planted` binary applies them to a copy of the sources.
//!
//! ```toml
//! tells = "What the server then does wrong, in a sentence."
//! file = "engine/node/src/somewhere.rs"     # from the root
//! find = "text that occurs in it exactly once"
//! replace = "what stands there instead"
//! caught_by = ["name-of-a-scenario"]        # each of them must fail
//!
//! [[also]]                                  # where two guards stand for the same thing: the other one
//! file = "..."
//! find = "..."
//! replace = "..."
//! ```

#![allow(clippy::disallowed_methods, reason = "sources lie on a real disk, outside of any world")]

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

#[derive(Clone, Debug)]
pub struct Planted {
    /// The name of its file.
    pub name: String,
    pub bug: Bug,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    pub tells: String,
    pub file: String,
    pub find: String,
    pub replace: String,
    pub caught_by: Vec<String>,
    #[serde(default)]
    pub also: Vec<Change>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub file: String,
    pub find: String,
    pub replace: String,
}

impl Planted {
    /// All that there are below the root of the sources, by name.
    pub fn all(root: &Path) -> Result<Vec<Planted>, String> {
        let folder = root.join("scenarios/planted");
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let paths = entries.flatten().map(|entry| entry.path());
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        let mut all = files.map(|path| Planted::read(&path)).collect::<Result<Vec<_>, String>>()?;
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn read(path: &Path) -> Result<Planted, String> {
        let refuse = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
        let bug = toml::from_str(&text).map_err(|error| refuse(&error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Planted { name, bug })
    }

    /// Its files below `root`, each with the text that has the bug in it.
    pub fn planted_texts(&self, root: &Path) -> Result<Vec<(String, String)>, String> {
        let Bug { file, find, replace, also, .. } = &self.bug;
        let first = Change { file: file.clone(), find: find.clone(), replace: replace.clone() };
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for change in [first].iter().chain(also) {
            let text = match texts.remove(&change.file) {
                Some(changed) => changed,
                None => std::fs::read_to_string(root.join(&change.file))
                    .map_err(|error| format!("{}: {error}", change.file))?,
            };
            texts.insert(change.file.clone(), self.change(change, &text)?);
        }
        Ok(texts.into_iter().collect())
    }

    fn change(&self, change: &Change, text: &str) -> Result<String, String> {
        let Change { file, find, replace } = change;
        match text.matches(find).count() {
            1 => Ok(text.replacen(find, replace, 1)),
            count => {
                Err(format!("{}: what it looks for occurs {count} times in {file}, not once", self.name))
            }
        }
    }
}
