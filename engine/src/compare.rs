//! When two values mean the same. A column's [`Kind`] decides; nobody writes an `equals` by hand.

use crate::table::{Column, Kind, Table};
use crate::{Row, Value};
use std::net::IpAddr;

/// Whether two cells of a kind mean the same.
pub fn equal(kind: Kind, a: &Value, b: &Value) -> bool {
    // Cells of one and the same row, mostly: [`crate::Shared`].
    std::ptr::eq(a, b)
        || a == b
        || (kind != Kind::Plain && canonical(kind, a) == canonical(kind, b))
}

/// Whether two rows of a table have the same natural key. A table without one has no equals.
pub fn same_key(table: &Table, a: &Row, b: &Row) -> bool {
    let mut keys = table.keys().peekable();
    keys.peek().is_some() && keys.all(|at| equal(table.columns[at].kind, &a[at], &b[at]))
}

/// The columns in which what is wanted differs from what is seen. What AWS owns never differs, and
/// a NULL that AWS fills equals anything.
pub fn differing(table: &Table, wanted: &Row, seen: &Row) -> Vec<usize> {
    (0..table.columns.len())
        .filter(|&at| differs(&table.columns[at], &wanted[at], &seen[at]))
        .collect()
}

/// Whether a wanted cell asks for a change of a seen one.
pub fn differs(column: &Column, wanted: &Value, seen: &Value) -> bool {
    column.settable() && !unsaid(column, wanted) && !equal(column.kind, wanted, seen)
}

/// Whether a cell leaves what it holds to AWS: NULL, or no part at all, where AWS fills it then.
pub fn unsaid(column: &Column, cell: &Value) -> bool {
    let none = || column.parts().is_some() && cell.as_array().is_some_and(Vec::is_empty);
    column.late && (cell.is_null() || none())
}

/// A form in which values that mean the same are equal to the letter.
pub fn canonical(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Set, Value::Array(items)) => sorted(items.clone()),
        (Kind::Tags, Value::Null) => Value::Object(serde_json::Map::new()),
        (Kind::Range, Value::String(text)) => {
            range(text).map_or_else(|| value.clone(), Value::from)
        }
        (Kind::Port, Value::Number(n)) if n.as_i64() == Some(-1) => Value::Null,
        (Kind::Policy, Value::String(text)) => match serde_json::from_str(text) {
            Ok(document) => policy(&document),
            Err(_) => value.clone(),
        },
        (Kind::Policy, document) => policy(document),
        (Kind::Policies, Value::Object(documents)) => {
            let document =
                |(name, it): (&String, &Value)| (name.clone(), canonical(Kind::Policy, it));
            Value::Object(documents.iter().map(document).collect())
        }
        (Kind::Policies, Value::Null) => Value::Object(serde_json::Map::new()),
        (Kind::Parts(_), Value::Null) => Value::Array(Vec::new()),
        (Kind::Parts(table), Value::Array(parts)) => {
            sorted(parts.iter().map(|one| part(table, one)).collect())
        }
        _ => value.clone(),
    }
}

fn part(table: &Table, row: &Value) -> Value {
    let Value::Array(cells) = row else { return row.clone() };
    table.columns.iter().zip(cells).map(|(column, cell)| canonical(column.kind, cell)).collect()
}

/// `2001:DB8::/32` and `2001:db8:0::/32` are one range.
fn range(text: &str) -> Option<String> {
    let (address, bits) = text.trim().split_once('/').unwrap_or((text.trim(), ""));
    let address: IpAddr = address.parse().ok()?;
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = if bits.is_empty() { widest } else { bits.parse().ok()? };
    Some(format!("{address}/{bits}"))
}

/// A policy document in one of its many spellings: AWS takes a string for a list of one wherever it
/// takes a list, an account id for its root user, and no list of a policy has an order.
fn policy(document: &Value) -> Value {
    let Value::Object(fields) = document else { return document.clone() };
    let statements = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "Statement" => match value {
                Value::Array(items) => sorted(items.iter().map(statement).collect()),
                single => Value::Array(vec![statement(single)]),
            },
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(statements.collect())
}

fn statement(one: &Value) -> Value {
    let Value::Object(fields) = one else { return one.clone() };
    let fields = fields.iter().filter(|(name, value)| !(*name == "Sid" && **value == "")).map(
        |(name, value)| {
            let value = match name.as_str() {
                "Action" | "NotAction" => actions(list(value)),
                "Resource" | "NotResource" => list(value),
                "Principal" | "NotPrincipal" => principals(value),
                "Condition" => conditions(value),
                _ => value.clone(),
            };
            (name.clone(), value)
        },
    );
    Value::Object(fields.collect())
}

fn principals(value: &Value) -> Value {
    let Value::Object(kinds) = value else {
        // "*" alone stands for {"AWS": "*"}.
        return if value == "*" { serde_json::json!({ "AWS": ["*"] }) } else { value.clone() };
    };
    let kinds = kinds.iter().map(|(kind, who)| {
        let who = match (kind.as_str(), list(who)) {
            ("AWS", Value::Array(names)) => sorted(names.iter().map(root_user).collect()),
            (_, names) => names,
        };
        (kind.clone(), who)
    });
    Value::Object(kinds.collect())
}

fn root_user(name: &Value) -> Value {
    match name.as_str() {
        Some(id) if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) => {
            Value::from(format!("arn:aws:iam::{id}:root"))
        }
        _ => name.clone(),
    }
}

/// Operators hold keys, keys hold a value or a list of values; booleans and numbers may be strings.
fn conditions(value: &Value) -> Value {
    let Value::Object(operators) = value else { return value.clone() };
    let operators = operators.iter().map(|(operator, keys)| {
        let keys = match keys {
            Value::Object(keys) => Value::Object(
                keys.iter().map(|(key, values)| (key.to_lowercase(), list(values))).collect(),
            ),
            other => other.clone(),
        };
        (operator.clone(), keys)
    });
    Value::Object(operators.collect())
}

/// One value as a list of one; a list in order, its scalars as text.
fn list(value: &Value) -> Value {
    let text = |item: &Value| match item {
        Value::Bool(b) => Value::from(b.to_string()),
        Value::Number(n) => Value::from(n.to_string()),
        other => other.clone(),
    };
    match value {
        Value::Array(items) => sorted(items.iter().map(text).collect()),
        single => Value::Array(vec![text(single)]),
    }
}

/// Actions are spelled in any case.
fn actions(value: Value) -> Value {
    let Value::Array(items) = value else { return value };
    let lower = |item: Value| match item {
        Value::String(text) => Value::from(text.to_lowercase()),
        other => other,
    };
    sorted(items.into_iter().map(lower).collect())
}

fn sorted(items: Vec<Value>) -> Value {
    let mut keyed: Vec<_> = items.into_iter().map(|item| (item.to_string(), item)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    Value::Array(keyed.into_iter().map(|(_, item)| item).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn same(kind: Kind, a: Value, b: Value) {
        assert!(equal(kind, &a, &b), "{a} and {b} should mean the same");
    }

    #[track_caller]
    fn other(kind: Kind, a: Value, b: Value) {
        assert!(!equal(kind, &a, &b), "{a} and {b} should differ");
    }

    #[test]
    fn sets_have_no_order() {
        same(Kind::Set, json!(["a", "b", "a"]), json!(["b", "a"]));
        other(Kind::Set, json!(["a"]), json!(["a", "b"]));
        other(Kind::Set, json!(null), json!([]));
    }

    #[test]
    fn no_tags_are_an_empty_map() {
        same(Kind::Tags, json!(null), json!({}));
        other(Kind::Tags, json!(null), json!({"a": ""}));
    }

    #[test]
    fn ranges_are_compared_as_addresses() {
        same(Kind::Range, json!("2001:DB8:0::/32"), json!("2001:db8::/32"));
        same(Kind::Range, json!("10.0.0.1"), json!("10.0.0.1/32"));
        other(Kind::Range, json!("10.0.0.0/8"), json!("10.0.0.0/9"));
    }

    #[test]
    fn minus_one_is_no_port_and_zero_is_one() {
        same(Kind::Port, json!(-1), json!(null));
        other(Kind::Port, json!(0), json!(null));
    }

    #[test]
    fn policies_are_compared_by_meaning() {
        let short = json!({"Version": "2012-10-17", "Statement": {
            "Sid": "", "Effect": "Allow", "Principal": {"AWS": "123456789012"},
            "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:SecureTransport": true}}}});
        let long = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]},
            "Action": ["STS:assumerole"], "Condition": {"Bool": {"AWS:securetransport": ["true"]}}}]});
        same(Kind::Policy, short.clone(), long.clone());
        same(Kind::Policy, json!(short.to_string()), long);
        other(Kind::Policy, short, json!({"Version": "2012-10-17", "Statement": []}));
        same(
            Kind::Policy,
            json!({"Statement": [{"Principal": "*"}]}),
            json!({"Statement": {"Principal": {"AWS": "*"}}}),
        );
    }
}
