//! Whether anything has changed since database and cloud last agreed, told without holding row
//! against row: by prints of what was seen then and of what is seen now. Most calls find that nothing
//! has, or next to nothing, and need not take apart the rest.

use crate::Row;
use crate::table::Table;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// What stands for a resource as the cloud tells of it: equal prints, equal rows. It is part of a hash
/// that nobody finds a second row for, so that no change can hide behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Print([u8; 16]);

impl Print {
    /// The print of a row in cloud terms.
    pub fn of(row: &Row) -> Self {
        Self::of_text(&serde_json::to_string(row).unwrap_or_default())
    }

    /// The same of a row as JSON, as [`crate::frame`] has written it; or of whatever tells it from others.
    pub fn of_text(text: &str) -> Self {
        let mut print = [0; 16];
        print.copy_from_slice(&Sha256::digest(text)[..16]);
        Self(print)
    }
}

impl fmt::Display for Print {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for Print {
    type Err = std::num::ParseIntError;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(digits, 16).map(|number| Self(number.to_be_bytes()))
    }
}

/// Whether these are the same, in any order.
pub fn same(mut these: Vec<Print>, mut those: Vec<Print>) -> bool {
    these.sort_unstable();
    those.sort_unstable();
    these == those
}

/// The tables that have to be known to tell what some changes come to: those with the changes, those
/// that refer to them, since they may have to follow, and all that these refer to.
pub fn concerned(all: &[&'static Table], changed: impl Fn(&Table) -> bool) -> Vec<&'static Table> {
    let mut concerned: Vec<_> = all.iter().copied().filter(|table| changed(table)).collect();
    spread(all, &mut concerned, |known, other| refers(other, known));
    with_those_referred_to(all, concerned)
}

/// Tables, and all that they refer to.
pub fn with_those_referred_to(
    all: &[&'static Table],
    mut tables: Vec<&'static Table>,
) -> Vec<&'static Table> {
    spread(all, &mut tables, refers);
    tables
}

fn refers(from: &Table, to: &Table) -> bool {
    from.refers_to().any(|name| name == to.name)
}

/// Adds to some tables what is next to them, and what is next to that.
fn spread(
    all: &[&'static Table],
    tables: &mut Vec<&'static Table>,
    next: impl Fn(&Table, &Table) -> bool,
) {
    let mut at = 0;
    while let Some(&known) = tables.get(at) {
        let more = all.iter().copied().filter(|other| next(known, other));
        let more: Vec<_> = more.filter(|other| !tables.contains(other)).collect();
        tables.extend(more);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_print_goes_into_text_and_comes_back() {
        for row in [vec![], vec![json!("a"), json!(null)], vec![json!({"k": [1, 2]})]] {
            let print = Print::of(&row);
            assert_eq!(print.to_string().len(), 32);
            assert_eq!(print.to_string().parse(), Ok(print));
            assert_eq!(Print::of_text(&json!(row).to_string()), print);
        }
    }

    #[test]
    fn how_often_counts_and_order_does_not() {
        let [a, b] = ["a", "b"].map(|cell| Print::of(&vec![json!(cell)]));
        assert!(same(vec![a, b, a], vec![b, a, a]));
        assert!(!same(vec![a, b, a], vec![b, b, a]));
        assert!(!same(vec![a], vec![a, a]));
    }
}
