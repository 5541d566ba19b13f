//! What was made since the account was set, in a plain store.
//!
//! A thing is the text that answers show of it, and is found by parts of that text: elements of XML, members
//! of JSON.

use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things by region and kind, in the order in which they were made.
#[derive(Default)]
pub struct Made(Mutex<Things>);

#[derive(Default)]
struct Things {
    last: usize,
    by_kind: HashMap<(String, String), Vec<String>>,
}

impl Made {
    /// A number that nothing else has: larger than any that the counts give.
    pub fn number(&self) -> usize {
        let mut things = self.things();
        things.last += 1;
        (1 << 32) + things.last
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.things().by_kind.values().map(Vec::len).sum()
    }

    pub fn keep(&self, region: &str, kind: &str, thing: String) {
        let key = (region.to_owned(), kind.to_owned());
        self.things().by_kind.entry(key).or_default().push(thing);
    }

    /// Those that have all parts.
    pub fn find(&self, region: &str, kind: &str, parts: &[String]) -> Vec<String> {
        let (things, key) = (self.things(), (region.to_owned(), kind.to_owned()));
        let all = things.by_kind.get(&key).into_iter().flatten();
        all.filter(|thing| has(thing, parts)).cloned().collect()
    }

    /// Changes those that have all parts, or takes them out where `change` leaves nothing; says how many.
    pub fn change(
        &self,
        region: &str,
        kind: &str,
        parts: &[String],
        change: impl Fn(&str) -> Option<String>,
    ) -> usize {
        let (mut things, key) = (self.things(), (region.to_owned(), kind.to_owned()));
        let (all, mut changed) = (things.by_kind.entry(key).or_default(), 0);
        all.retain_mut(|thing| {
            if !has(thing, parts) {
                return true;
            }
            changed += 1;
            let now = change(thing);
            now.map(|now| *thing = now).is_some()
        });
        changed
    }

    /// A poisoned lock is used all the same: no invariant spans a panic here.
    fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a thing has all parts.
pub fn has(thing: &str, parts: &[String]) -> bool {
    parts.iter().all(|part| thing.contains(part))
}

/// A part of a thing in XML.
pub fn element(name: &str, value: &str) -> String {
    format!("<{name}>{}</{name}>", iasql_front::xml::escape(value))
}

/// A part of a thing in JSON.
pub fn member(name: &str, value: &str) -> String {
    format!("{}:{}", json!(name), json!(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_changed_and_taken_out_by_its_parts() {
        let made = Made::default();
        made.keep("a", "group", element("id", "1") + &element("vpc", "x"));
        made.keep("a", "group", element("id", "12") + &element("vpc", "x"));
        let find = |region, part: &str| made.find(region, "group", &[part.to_owned()]).len();
        assert_eq!((find("a", "<vpc>x</vpc>"), find("a", "<id>1</id>"), find("b", "")), (2, 1, 0));
        let one = [element("id", "1")];
        assert_eq!(made.change("a", "group", &one, |it| Some(it.replace(">x<", ">y<"))), 1);
        assert_eq!((find("a", "<vpc>y</vpc>"), made.len()), (1, 2));
        assert_eq!((made.change("a", "group", &one, |_| None), made.len()), (1, 1));
        assert_eq!(made.change("a", "group", &one, |_| None), 0);
    }
}
