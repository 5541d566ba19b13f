//! Faults on demand: each rule says which calls it strikes and what happens to them.
//!
//! A rule is one flat JSON object, for example
//! `{"service": "ec2", "operation": "CreateVpc", "nth": 2, "count": 1, "drop": "after"}`:
//! the second CreateVpc is carried out, but its answer never arrives. Every rule counts the calls that
//! it matches; of the rules that are due, the first strikes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::request::Call;
use crate::shape::{self, Failure};

/// A rule as tests write it. Without `service`, `region`, `operation` and `body` it matches every
/// call.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    service: Option<String>,
    region: Option<String>,
    /// A whole name, or the start of one followed by `*`.
    operation: Option<String>,
    /// A string that the request's body contains (as sent: forms are percent-encoded) or that one
    /// of its decoded form values contains.
    body: Option<String>,
    /// From which matching call on, counted from 1.
    nth: Option<usize>,
    /// How many calls; for ever if absent.
    count: Option<usize>,

    /// Wait before anything else; may stand beside another action.
    delay_ms: Option<u64>,
    /// Never answer: `true` or `"before"` without carrying the call out, `"after"` having done so.
    hang: Option<When>,
    /// Close the connection `"before"` or `"after"` the call is carried out.
    drop: Option<When>,
    /// Carry out, send half of the answer, close.
    truncate: Option<bool>,
    /// Answer with this status, and `code` and `message` in the service's own shape.
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    /// The service's own answers for too many calls, no permission, old credentials.
    throttle: Option<bool>,
    deny: Option<bool>,
    expired: Option<bool>,
    /// A proxy's page: 502, HTML.
    html: Option<bool>,
    /// Carry out, then replace the first string by the second wherever it stands in the answer.
    replace: Option<[String; 2]>,
    /// A list whose pages never end: the first page again and again, always with the same token.
    repeat_token: Option<bool>,
    /// The answer that the same call got at least so long ago, if it was ever asked.
    stale_ms: Option<u64>,
}

/// Before or after the call is carried out. `true` means before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum When {
    Flag(bool),
    Named(Moment),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    Before,
    After,
}

impl When {
    fn moment(self) -> Option<Moment> {
        match self {
            Self::Flag(true) => Some(Moment::Before),
            Self::Flag(false) => None,
            Self::Named(moment) => Some(moment),
        }
    }
}

/// What a rule does to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing but the delay.
    Delay,
    Hang(Moment),
    Drop(Moment),
    Truncate,
    Fail(Failure),
    Html,
    Replace(String, String),
    RepeatToken,
    Stale(Duration),
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Hang(Moment::Before) => "hang before",
            Self::Hang(Moment::After) => "hang after",
            Self::Drop(Moment::Before) => "drop before",
            Self::Drop(Moment::After) => "drop after",
            Self::Truncate => "truncate",
            Self::Fail(_) => "fail",
            Self::Html => "html",
            Self::Replace(..) => "replace",
            Self::RepeatToken => "repeat token",
            Self::Stale(_) => "stale",
        }
    }
}

impl Rule {
    fn matches(&self, call: &Call) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == wanted,
            })
        };
        let holds = |wanted: &str| {
            call.form.iter().any(|(_, value)| value.contains(wanted))
                || String::from_utf8_lossy(&call.body).contains(wanted)
        };
        same(&self.service, &call.service)
            && same(&self.region, &call.region)
            && same(&self.operation, &call.operation)
            && self.body.as_deref().is_none_or(holds)
    }

    /// What the rule does, in the words of the service that `call` went to.
    fn action(&self, call: &Call) -> Action {
        let set = |flag: Option<bool>| flag == Some(true);
        if let Some(moment) = self.hang.and_then(When::moment) {
            Action::Hang(moment)
        } else if let Some(moment) = self.drop.and_then(When::moment) {
            Action::Drop(moment)
        } else if set(self.truncate) {
            Action::Truncate
        } else if let Some(status) = self.status {
            let code = self.code.clone().unwrap_or_else(|| "InternalError".to_owned());
            let message = self.message.clone().unwrap_or_else(|| "a fault of the front".to_owned());
            Action::Fail(Failure::new(status, code, message))
        } else if set(self.throttle) {
            Action::Fail(shape::throttle(call))
        } else if set(self.deny) {
            Action::Fail(shape::deny(call))
        } else if set(self.expired) {
            Action::Fail(shape::expired(call))
        } else if set(self.html) {
            Action::Html
        } else if let Some([from, to]) = &self.replace {
            Action::Replace(from.clone(), to.clone())
        } else if set(self.repeat_token) {
            Action::RepeatToken
        } else if let Some(milliseconds) = self.stale_ms {
            Action::Stale(Duration::from_millis(milliseconds))
        } else {
            Action::Delay
        }
    }

    fn acts(&self) -> bool {
        self.delay_ms.is_some()
            || self.hang.is_some()
            || self.drop.is_some()
            || self.truncate.is_some()
            || self.status.is_some()
            || self.throttle.is_some()
            || self.deny.is_some()
            || self.expired.is_some()
            || self.html.is_some()
            || self.replace.is_some()
            || self.repeat_token.is_some()
            || self.stale_ms.is_some()
    }
}

/// The rules in force, each with the number of calls it has matched.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<(Rule, usize)>,
}

/// What happens to one call.
#[derive(Debug)]
pub struct Strike {
    pub delay: Duration,
    pub action: Action,
}

impl Faults {
    /// Adds rules, all or none.
    pub fn add(&mut self, text: &[u8]) -> Result<(), String> {
        let rules: Vec<Rule> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if let Some(idle) = rules.iter().find(|rule| !rule.acts()) {
            return Err(format!("this rule does nothing: {idle:?}"));
        }
        self.rules.extend(rules.into_iter().map(|rule| (rule, 0)));
        Ok(())
    }

    /// Counts the call for every rule that it matches and finds the first that is due.
    pub fn strike(&mut self, call: &Call) -> Option<Strike> {
        let mut found = None;
        for (rule, seen) in self.rules.iter_mut().filter(|(rule, _)| rule.matches(call)) {
            *seen += 1;
            let first = rule.nth.unwrap_or(1).max(1);
            let over = rule.count.is_some_and(|count| *seen >= first + count);
            if found.is_none() && *seen >= first && !over {
                let delay = Duration::from_millis(rule.delay_ms.unwrap_or(0));
                found = Some(Strike { delay, action: rule.action(call) });
            }
        }
        found
    }

    /// The rules and their counts, as JSON.
    pub fn list(&self) -> serde_json::Value {
        let shown = self.rules.iter().map(|(rule, seen)| {
            let mut rule = serde_json::to_value(rule).unwrap_or_default();
            if let Some(map) = rule.as_object_mut() {
                map.retain(|_, value| !value.is_null());
                map.insert("seen".to_owned(), (*seen).into());
            }
            rule
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::example;

    fn call(operation: &str) -> Call {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        example("ec2", &form, &format!("Action={operation}&CidrBlock=10.0.0.0%2F16"))
    }

    fn strikes(rules: &str, operations: &[&str]) -> Vec<Option<&'static str>> {
        let mut faults = Faults::default();
        faults.add(rules.as_bytes()).expect("rules");
        let strike = |operation: &&str| Some(faults.strike(&call(operation))?.action.name());
        operations.iter().map(strike).collect()
    }

    #[test]
    fn nth_and_count_say_which_calls() {
        let rules = r#"[{"operation": "CreateVpc", "nth": 2, "count": 1, "drop": "after"}]"#;
        let calls = ["CreateVpc", "DescribeVpcs", "CreateVpc", "CreateVpc"];
        assert_eq!(strikes(rules, &calls), [None, None, Some("drop after"), None]);
    }

    #[test]
    fn the_first_rule_that_is_due_strikes() {
        let rules = r#"[{"operation": "Describe*", "count": 1, "throttle": true}, {"hang": true}]"#;
        let calls = ["DescribeVpcs", "DescribeVpcs"];
        assert_eq!(strikes(rules, &calls), [Some("fail"), Some("hang before")]);
    }

    #[test]
    fn a_decoded_value_can_be_matched() {
        assert_eq!(strikes(r#"[{"body": "10.0.0.0/16", "html": true}]"#, &["A"]), [Some("html")]);
        assert_eq!(strikes(r#"[{"body": "10.9", "html": true}]"#, &["A"]), [None]);
    }

    #[test]
    fn a_rule_that_is_not_understood_is_refused() {
        let mut faults = Faults::default();
        assert!(faults.add(br#"[{"operation": "CreateVpc"}]"#).is_err());
        assert!(faults.add(br#"[{"oparation": "CreateVpc", "hang": true}]"#).is_err());
        assert!(faults.add(br#"[{"drop": "later"}]"#).is_err());
    }
}
