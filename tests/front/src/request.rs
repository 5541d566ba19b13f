//! What a request asks for: the service and region (from the SigV4 credential scope), the operation
//! (from `X-Amz-Target`, from `Action=`, or from method and path) and the parameters, decoded.
//!
//! A [`Call`] can be rewritten before it goes upstream; its signature is then wrong, which moto
//! does not look at.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::http::request::Parts;
use hyper::{HeaderMap as Headers, Method};
use serde_json::{Map, Value, json};

use crate::shape::Protocol;
use crate::upstream;

/// One request to AWS, understood.
#[derive(Debug, Clone)]
pub struct Call {
    /// Signing name, except that `elasticloadbalancing` becomes `elbv2` or `elb` by its version.
    pub service: String,
    pub region: String,
    pub operation: String,
    pub protocol: Protocol,
    pub access_key: String,
    pub user_agent: String,
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The form parameters in order (query services), else empty.
    pub form: Vec<(String, String)>,
    /// The body as JSON (JSON services), else null.
    pub json: Value,
}

impl Call {
    /// Understands a request; never fails, for what is not understood is passed on as it is.
    pub fn read(parts: Parts, body: Bytes) -> Self {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let path = parts.uri.path();
        let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        let header = |name: &str| text(&parts.headers, name);

        let scope = Scope::find(header("authorization"), &query);
        let content_type = header("content-type");
        let mut form = query;
        if content_type.starts_with("application/x-www-form-urlencoded") {
            form.extend(pairs(&body));
        }
        let action = value(&form, "Action").map(str::to_owned);
        let json_target = header("x-amz-target");
        let json = match content_type.contains("json") {
            true => serde_json::from_slice(&body).unwrap_or(Value::Null),
            false => Value::Null,
        };

        let service = match (scope.service.as_str(), value(&form, "Version")) {
            ("elasticloadbalancing", Some("2015-12-01")) => "elbv2".to_owned(),
            ("elasticloadbalancing", _) => "elb".to_owned(),
            // AssumeRoleWithWebIdentity and its like come without a signature.
            ("", Some("2011-06-15")) => "sts".to_owned(),
            _ => scope.service,
        };
        let (operation, protocol) = if !json_target.is_empty() {
            let operation = json_target.rsplit('.').next().unwrap_or_default().to_owned();
            (operation, Protocol::Json)
        } else if let Some(action) = action {
            (action, if service == "ec2" { Protocol::Ec2 } else { Protocol::Query })
        } else {
            form.clear();
            let xml = matches!(service.as_str(), "s3" | "route53" | "cloudfront");
            let protocol = if xml { Protocol::RestXml } else { Protocol::RestJson };
            (format!("{} {path}", parts.method), protocol)
        };

        Self {
            service,
            region: scope.region,
            operation,
            protocol,
            access_key: scope.access_key,
            user_agent: header("user-agent").to_owned(),
            method: parts.method,
            target,
            headers: parts.headers,
            body,
            form,
            json,
        }
    }

    /// A test that looks at the cloud: its calls are neither recorded nor faulted nor cut.
    pub fn is_observer(&self) -> bool {
        self.user_agent.contains("observer")
    }

    /// Whether the call can change the cloud, by the habits of AWS's operation names.
    pub fn is_mutating(&self) -> bool {
        const READS: &[&str] = &[
            "Describe",
            "List",
            "Get",
            "Head",
            "BatchGet",
            "BatchCheck",
            "Lookup",
            "Search",
            "Scan",
            "Query",
            "Filter",
            "Simulate",
            "Test",
            "HEAD",
            "GET",
            "AssumeRole",
            "Decode",
        ];
        !READS.iter().any(|read| self.operation.starts_with(read))
    }

    pub fn is_dry_run(&self) -> bool {
        self.parameter("DryRun").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The value of one form parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// The value of one JSON string member.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.json.get(name).and_then(Value::as_str)
    }

    /// The form as a tree: `Tag.1.Key=a` becomes `{"Tag": [{"Key": "a"}]}`.
    pub fn tree(&self) -> Value {
        tree(&self.form)
    }

    /// The parameters as they are recorded.
    pub fn parameters(&self) -> Value {
        match self.protocol {
            Protocol::Ec2 | Protocol::Query => {
                let hidden = ["Action", "Version"];
                let shown = self.form.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
                shown
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect::<Map<_, _>>()
                    .into()
            }
            _ => self.json.clone(),
        }
    }

    /// Replaces the form, and with it the body that goes upstream.
    pub fn set_form(&mut self, form: Vec<(String, String)>) {
        self.set_body(upstream::encode(&form).into());
        self.form = form;
    }

    /// Replaces one form parameter.
    pub fn set_parameter(&mut self, name: &str, value: &str) {
        let mut form = std::mem::take(&mut self.form);
        form.retain(|(other, _)| other != name);
        form.push((name.to_owned(), value.to_owned()));
        self.set_form(form);
    }

    /// Takes parameters of either protocol out.
    pub fn remove_parameters(&mut self, names: &[&str]) {
        if self.form.iter().any(|(name, _)| names.contains(&name.as_str())) {
            let mut form = std::mem::take(&mut self.form);
            form.retain(|(name, _)| !names.contains(&name.as_str()));
            self.set_form(form);
        }
        if names.iter().any(|name| self.json.get(name).is_some())
            && let Value::Object(mut json) = std::mem::take(&mut self.json)
        {
            json.retain(|name, _| !names.contains(&name.as_str()));
            self.set_json(Value::Object(json));
        }
    }

    /// Replaces the form by a tree as [`Call::tree`] gives it.
    pub fn set_tree(&mut self, tree: &Value) {
        let mut form = Vec::new();
        flatten(String::new(), tree, &mut form);
        self.set_form(form);
    }

    /// Replaces the JSON body.
    pub fn set_json(&mut self, json: Value) {
        self.set_body(json.to_string().into());
        self.json = json;
    }

    fn set_body(&mut self, body: Bytes) {
        self.headers.remove(CONTENT_LENGTH);
        self.body = body;
    }
}

/// Who signed a request and for what.
#[derive(Default)]
struct Scope {
    access_key: String,
    region: String,
    service: String,
}

impl Scope {
    /// From the `Authorization` header or, for a presigned request, from the query.
    fn find(authorization: &str, query: &[(String, String)]) -> Self {
        let credential = match authorization.split_once("Credential=") {
            Some((_, rest)) => rest.split([',', ' ']).next().unwrap_or_default(),
            None => value(query, "X-Amz-Credential").unwrap_or_default(),
        };
        let mut words = credential.split('/');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let access_key = next();
        let _date = next();
        Self { access_key, region: next(), service: next() }
    }
}

fn text<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn tree(form: &[(String, String)]) -> Value {
    let mut root = Map::new();
    for (name, value) in form {
        let mut node = &mut root;
        let mut words = name.split('.').peekable();
        while let Some(word) = words.next() {
            if words.peek().is_none() {
                node.insert(word.to_owned(), json!(value));
                break;
            }
            let child = node.entry(word).or_insert_with(|| json!({}));
            // A name used both as a leaf and as a branch is no request of AWS; the leaf gives way.
            if !child.is_object() {
                *child = json!({});
            }
            let Value::Object(map) = child else { break };
            node = map;
        }
    }
    lists(Value::Object(root))
}

/// Turns every map with only numbers as keys into a list, in the order of the numbers.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let mut members: Vec<_> = map.into_iter().map(|(key, value)| (key, lists(value))).collect();
    let number = |key: &str| key.parse::<u32>().ok();
    if members.is_empty() || !members.iter().all(|(key, _)| number(key).is_some()) {
        return Value::Object(members.into_iter().collect());
    }
    members.sort_by_key(|(key, _)| number(key));
    Value::Array(members.into_iter().map(|(_, value)| value).collect())
}

fn flatten(name: String, value: &Value, form: &mut Vec<(String, String)>) {
    let join = |key: &str| {
        if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(join(key), value, form)),
        Value::Array(list) => {
            list.iter()
                .zip(1..)
                .for_each(|(value, at)| flatten(join(&at.to_string()), value, form));
        }
        Value::String(text) => form.push((name, text.clone())),
        other => form.push((name, other.to_string())),
    }
}

/// A call for the unit tests of other files.
#[cfg(test)]
pub fn example(service: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    let mut request =
        hyper::Request::builder().method("POST").uri("/").header("AUTHORIZATION", credential);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    Call::read(parts, Bytes::copy_from_slice(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[(&str, &str)] =
        &[("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")];

    #[test]
    fn a_query_call() {
        let call =
            example("ec2", FORM, "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-%C3%A9");
        assert_eq!((call.service.as_str(), call.region.as_str()), ("ec2", "eu-west-1"));
        assert_eq!((call.operation.as_str(), call.protocol), ("DescribeVpcs", Protocol::Ec2));
        assert_eq!(call.access_key, "AKIDEXAMPLE");
        assert_eq!(call.parameters(), json!({"VpcId.1": "vpc-é"}));
        assert!(!call.is_mutating());
    }

    #[test]
    fn a_json_call() {
        let headers = [
            ("X-Amz-Target", "Logs_20140328.CreateLogGroup"),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let call = example("logs", &headers, r#"{"logGroupName": "a"}"#);
        assert_eq!((call.operation.as_str(), call.protocol), ("CreateLogGroup", Protocol::Json));
        assert_eq!(call.member("logGroupName"), Some("a"));
        assert!(call.is_mutating());
    }

    #[test]
    fn load_balancers_are_told_apart_by_version() {
        let call =
            example("elasticloadbalancing", FORM, "Action=DescribeListeners&Version=2015-12-01");
        assert_eq!(call.service, "elbv2");
    }

    #[test]
    fn a_tree_survives_the_way_there_and_back() {
        let mut call = example("ec2", FORM, "Action=A&P.2.R.1.C=x&P.1.C=y&P.10.C=z");
        let tree = call.tree();
        assert_eq!(tree["P"], json!([{"C": "y"}, {"R": [{"C": "x"}]}, {"C": "z"}]));
        call.set_tree(&tree);
        assert_eq!(call.tree(), tree);
        assert_eq!(call.parameter("P.3.C"), Some("z"));
    }
}
