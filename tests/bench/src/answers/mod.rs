//! What AWS answers: one file per service.

mod ec2;
mod ecr;
mod ecs;
mod elb;
mod iam;
mod logs;

use crate::account::{Account, Region};
use crate::made::{Made, has};
use hyper::StatusCode;
use iasql_front::request::Call;
use iasql_front::shape::{Answer, Failure};
use serde_json::Value;
use std::ops::Range;

/// Answers a call, or says that it is none of those that are measured.
pub fn answer(account: &Account, made: &Made, call: &Call) -> Result<Answer, Failure> {
    let (region, everywhere) = (account.region(&call.region, made), account.everywhere(made));
    let answer = match call.service.as_str() {
        "ec2" => ec2::answer(region, call),
        "ecr" => ecr::answer(region, call),
        "ecr-public" => ecr::public(account, call),
        "ecs" => ecs::answer(region, call),
        "elbv2" => elb::answer(region, call),
        "iam" => iam::answer(everywhere, call),
        "logs" => logs::answer(region, call),
        "sts" => iam::identity(call),
        "tagging" => logs::tags(region, call),
        _ => None,
    };
    answer.ok_or_else(|| Failure::not_implemented(call))
}

/// One page of a list: which things are on it, and the token of the next.
struct Page {
    range: Range<usize>,
    next: Option<String>,
}

impl Page {
    /// Of `all` things, at most `most` of them, or as many as are asked for.
    fn of(all: usize, asked: Option<usize>, most: usize, token: Option<&str>) -> Self {
        let start = token.and_then(|token| token.parse().ok()).unwrap_or(0).min(all);
        let end = (start + asked.unwrap_or(most).min(most)).min(all);
        Self { range: start..end, next: (end < all).then(|| end.to_string()) }
    }

    /// By the parameters of a query service.
    fn form(all: usize, call: &Call, size: &str, most: usize, token: &str) -> Self {
        let asked = call.parameter(size).and_then(|size| size.parse().ok());
        Self::of(all, asked, most, call.parameter(token))
    }

    /// By the members of a JSON service.
    fn json(all: usize, call: &Call, size: &str, most: usize, default: usize) -> Self {
        let asked = call.json.get(size).and_then(Value::as_u64);
        let asked = asked.and_then(|size| usize::try_from(size).ok()).unwrap_or(default);
        Self::of(all, Some(asked), most, call.member("nextToken"))
    }

    /// The element that says how to go on, if there is more.
    fn element(&self, name: &str) -> String {
        self.next.iter().map(|next| format!("<{name}>{next}</{name}>")).collect()
    }

    /// The things on it, in XML.
    fn each(&self, one: impl Fn(usize) -> String) -> String {
        self.range.clone().map(one).collect()
    }

    /// An answer with them, and with the token, in JSON.
    fn answer(&self, name: &str, one: impl Fn(usize) -> String) -> Answer {
        let found: Vec<_> = self.range.clone().map(one).collect();
        let next = self.next.iter().map(|next| format!(",\"nextToken\":\"{next}\""));
        let next: String = next.collect();
        json_text(format!("{{\"{name}\":[{}]{next}}}", found.join(",")))
    }
}

/// What there is of a kind: what the counts say, and after that what was made.
struct All<'a> {
    counted: Vec<usize>,
    one: &'a dyn Fn(usize) -> String,
    made: Vec<String>,
}

impl<'a> All<'a> {
    /// As far as the text of a thing has all `parts`.
    fn of(
        region: Region<'_>,
        kind: &str,
        parts: &[String],
        count: usize,
        one: &'a dyn Fn(usize) -> String,
    ) -> Self {
        let counted = (0..count).filter(|number| parts.is_empty() || has(&one(*number), parts));
        Self { counted: counted.collect(), one, made: region.made(kind, parts) }
    }

    fn len(&self) -> usize {
        self.counted.len() + self.made.len()
    }

    fn get(&self, at: usize) -> String {
        match self.counted.get(at) {
            Some(number) => (self.one)(*number),
            None => self.made[at - self.counted.len()].clone(),
        }
    }
}

/// An answer of a JSON service that is text already.
fn json_text(body: String) -> Answer {
    Answer::new(StatusCode::OK, "application/x-amz-json-1.1", body)
}

/// The answer that something was asked for that is not there.
fn missing(call: &Call, code: &str) -> Answer {
    Answer::failure(call, &Failure::refuse(code, "It is not there."))
}

/// An answer of a query service.
fn xml(call: &Call, namespace: &str, body: &str) -> Answer {
    let name = &call.operation;
    let body = format!(
        "<{name}Response xmlns=\"{namespace}\"><{name}Result>{body}</{name}Result>\
         <ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></{name}Response>"
    );
    Answer::new(StatusCode::OK, "text/xml", body)
}

/// The values of a list in a form: `Names.member.1=a`.
fn members<'a>(call: &'a Call, name: &str) -> Vec<&'a str> {
    let start = format!("{name}.member.");
    let of = |(key, value): &'a (String, String)| key.starts_with(&start).then_some(value.as_str());
    call.form.iter().filter_map(of).collect()
}

/// The texts of a list in JSON.
fn texts<'a>(call: &'a Call, name: &str) -> Vec<&'a str> {
    let list = call.json.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let page = Page::of(2500, None, 1000, token.as_deref());
            seen.extend(page.range.clone());
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, (0..2500).collect::<Vec<_>>());
        assert_eq!(Page::of(10, Some(5000), 1000, None).range, 0..10);
        assert_eq!(Page::of(0, None, 1000, None).next, None);
    }
}
