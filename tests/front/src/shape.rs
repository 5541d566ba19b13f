//! How each protocol of AWS says an error, and which code each service uses for the usual ones.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::request::Call;
use crate::xml;

/// The wire protocols of AWS, as far as their errors differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own dialect of the query protocol.
    Ec2,
    /// Form in, XML out: IAM, STS, ELB, RDS.
    Query,
    /// `X-Amz-Target` and JSON: ECR, ECS, Logs.
    Json,
    RestJson,
    RestXml,
}

/// An error to be answered in the shape of the service that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Failure {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// The caller's mistake: status 400.
    pub fn refuse(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The emulator cannot do this; loud, so that no test passes by accident.
    pub fn not_implemented(call: &Call) -> Self {
        let message = format!(
            "the emulator has no working {}:{} for these parameters; this is no answer of AWS",
            call.service, call.operation
        );
        Self::refuse(NOT_IMPLEMENTED, message)
    }
}

/// The code of every answer that stands for a hole in the emulator.
pub const NOT_IMPLEMENTED: &str = "EmulatorNotImplemented";

/// An answer on its way to the client.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, body: body.into() }
    }

    pub fn json(body: &Value) -> Self {
        Self::new(StatusCode::OK, "application/x-amz-json-1.1", body.to_string())
    }

    /// The error in the shape of the service that `call` went to.
    pub fn failure(call: &Call, failure: &Failure) -> Self {
        let request = request_id();
        let Failure { code, message, .. } = failure;
        let (xml_code, xml_message) = (xml::escape(code), xml::escape(message));
        let kind = if failure.status < 500 { "Sender" } else { "Receiver" };
        let (content_type, body) = match call.protocol {
            Protocol::Ec2 => (
                "text/xml;charset=UTF-8",
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>\
                     <Code>{xml_code}</Code><Message>{xml_message}</Message></Error></Errors>\
                     <RequestID>{request}</RequestID></Response>"
                ),
            ),
            Protocol::Query => (
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>{kind}</Type><Code>{xml_code}</Code>\
                     <Message>{xml_message}</Message></Error><RequestId>{request}</RequestId>\
                     </ErrorResponse>"
                ),
            ),
            Protocol::Json => (
                "application/x-amz-json-1.1",
                json!({"__type": code, "message": message}).to_string(),
            ),
            Protocol::RestJson => ("application/json", json!({"message": message}).to_string()),
            Protocol::RestXml => (
                "application/xml",
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{xml_code}</Code>\
                     <Message>{xml_message}</Message><RequestId>{request}</RequestId></Error>"
                ),
            ),
        };
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = Self::new(status, content_type, body);
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-amzn-requestid", &request);
        if matches!(call.protocol, Protocol::Json | Protocol::RestJson) {
            set("x-amzn-errortype", code);
        }
        answer
    }

    pub fn is_ok(&self) -> bool {
        self.status.is_success()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The AWS error code of an answer that is not a success.
    pub fn error_code(&self) -> Option<String> {
        if self.is_ok() {
            return None;
        }
        let header = self.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let text = self.text();
        let code = if text.trim_start().starts_with('{') {
            let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            let found = json.get("__type").or(json.get("code")).and_then(Value::as_str);
            found.or(header).map(str::to_owned)
        } else {
            xml::between(text, "<Code>", "</Code>").or(header).map(str::to_owned)
        };
        code.map(|code| code.rsplit('#').next().unwrap_or_default().to_owned())
    }

    /// Whether this is no answer of AWS but moto's page for a call that it lacks or that crashed
    /// it.
    pub fn is_emulator_page(&self) -> bool {
        let text = self.text().trim_start();
        let html = || text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"));
        let plain = || !text.is_empty() && !text.starts_with(['<', '{']);
        match self.status.as_u16() {
            404 | 405 | 500 | 501 => html() || plain() || text.starts_with("<html"),
            _ => false,
        }
    }
}

/// The service's own way to say that it is called too often.
pub fn throttle(call: &Call) -> Failure {
    match (call.protocol, call.service.as_str()) {
        (Protocol::Ec2, _) => Failure::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        (_, "s3") => Failure::new(503, "SlowDown", "Please reduce your request rate."),
        (Protocol::RestJson, _) => Failure::new(429, "TooManyRequestsException", "Rate exceeded"),
        (Protocol::Query | Protocol::RestXml, _) => Failure::refuse("Throttling", "Rate exceeded"),
        (Protocol::Json, _) => Failure::refuse("ThrottlingException", "Rate exceeded"),
    }
}

/// The service's own way to say that the caller may not do this.
pub fn deny(call: &Call) -> Failure {
    let prefix = if call.service == "elbv2" { "elasticloadbalancing" } else { &call.service };
    let action = format!("{prefix}:{}", call.operation);
    let why = format!(
        "User: arn:aws:iam::123456789012:user/tester is not authorized to perform: {action} \
         because no identity-based policy allows the {action} action"
    );
    match call.protocol {
        Protocol::Ec2 => {
            let message = format!("You are not authorized to perform this operation. {why}");
            Failure::new(403, "UnauthorizedOperation", message)
        }
        Protocol::Json => Failure::refuse("AccessDeniedException", why),
        Protocol::RestJson => Failure::new(403, "AccessDeniedException", why),
        Protocol::Query | Protocol::RestXml => Failure::new(403, "AccessDenied", why),
    }
}

/// The service's own way to say that the credentials are too old.
pub fn expired(call: &Call) -> Failure {
    const MESSAGE: &str = "The security token included in the request is expired";
    match call.protocol {
        Protocol::Ec2 => Failure::refuse("RequestExpired", "Request has expired."),
        Protocol::Json => Failure::refuse("ExpiredTokenException", MESSAGE),
        Protocol::RestJson => Failure::new(403, "ExpiredTokenException", MESSAGE),
        Protocol::Query => Failure::new(403, "ExpiredToken", MESSAGE),
        Protocol::RestXml => Failure::refuse("ExpiredToken", "The provided token has expired."),
    }
}

/// A number in the form of a UUID, as AWS names its requests.
pub fn request_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::example;

    const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
    const JSON: &[(&str, &str)] =
        &[("x-amz-target", "X.DoIt"), ("content-type", "application/x-amz-json-1.1")];

    #[test]
    fn every_shape_carries_its_code() {
        let calls = [
            example("ec2", FORM, "Action=DoIt"),
            example("iam", FORM, "Action=DoIt"),
            example("ecr", JSON, "{}"),
            example("lambda", &[], ""),
            example("s3", &[], ""),
        ];
        for call in calls {
            let answer = Answer::failure(&call, &Failure::refuse("Bad", "it's <wrong>"));
            assert_eq!(answer.error_code().as_deref(), Some("Bad"), "{call:?}");
            assert!(!answer.is_emulator_page(), "{call:?}");
        }
    }

    #[test]
    fn throttling_is_said_in_each_services_own_words() {
        let said = |call: &Call| (throttle(call).status, throttle(call).code);
        assert_eq!(said(&example("ec2", FORM, "Action=A")), (503, "RequestLimitExceeded".into()));
        assert_eq!(said(&example("ecr", JSON, "{}")), (400, "ThrottlingException".into()));
        assert_eq!(said(&example("iam", FORM, "Action=A")), (400, "Throttling".into()));
    }

    #[test]
    fn pages_of_the_emulator_are_recognised() {
        let page = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).expect("a status");
            Answer::new(status, "text/html", body).is_emulator_page()
        };
        assert!(page(500, "<!doctype html>\n<html lang=en><title>500</title>"));
        assert!(page(404, "Not yet implemented"));
        assert!(!page(404, "<?xml version=\"1.0\"?><ErrorResponse/>"));
        assert!(!page(404, ""));
        assert!(!page(200, "<!doctype html>"));
    }
}
