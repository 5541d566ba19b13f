//! What an answer of AWS says of itself, whichever service it comes from: the page that follows, that
//! it is an error whatever its status, and which one.

use aws_smithy_runtime_api::http::Headers;

/// What leads to the next page, as services call it.
const TOKENS: [&str; 6] =
    ["nextToken", "NextToken", "PaginationToken", "paginationToken", "NextMarker", "Marker"];

/// The page token in a request: JSON, or a form.
pub(super) fn token(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    if text.starts_with('{') {
        return Some(next(request)).filter(|token| !token.is_empty());
    }
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let known = TOKENS.contains(&name) && !value.is_empty();
        known.then(|| urlencoding::decode(value).map(Into::into).ok()).flatten()
    };
    // Others (S3, Route 53) repeat the token of the request in their answers.
    text.starts_with("Action=").then(|| text.split('&').find_map(pair)).flatten()
}

/// The token of the next page in an answer, JSON or XML; empty if there is none.
pub(super) fn next(answer: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(answer) else { return String::new() };
    let json = |name: &&str| {
        let value = after(text, &format!("\"{name}\""))?.trim_start().strip_prefix(':')?;
        let mut value = serde_json::Deserializer::from_str(value).into_iter::<String>();
        value.next()?.ok()
    };
    let xml = |name: &&str| {
        let value = after(text, &format!("<{name}>"))?.split_once("</")?.0;
        Some(value.replace("&amp;", "&"))
    };
    let found = match text.starts_with('{') {
        true => TOKENS.iter().find_map(json),
        false => TOKENS.iter().find_map(xml),
    };
    found.unwrap_or_default()
}

/// What comes after the first such word of a text that may be long.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = memchr::memmem::find(text.as_bytes(), word.as_bytes())?;
    text.get(at + word.len()..)
}

/// Whether an answer says by its status that all is well, and is an error all the same.
pub(super) fn hides_error(headers: &Headers, body: &[u8]) -> bool {
    headers.get("x-amzn-errortype").is_some() || body.starts_with(b"{\"__type\"")
}

/// The code in an answer that is an error: in a header, in JSON or in XML.
pub(super) fn code(header: Option<&str>, body: &[u8]) -> String {
    let from_json = || {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let code = body.get("__type").or_else(|| body.get("code"))?;
        Some(code.as_str()?.to_owned())
    };
    let from_xml = || {
        let body = std::str::from_utf8(body).ok()?;
        Some(body.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned())
    };
    let code = header.map(str::to_owned).or_else(from_json).or_else(from_xml).unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_wherever_services_put_them() {
        assert_eq!(code(Some("ThrottlingException:http://x/"), b""), "ThrottlingException");
        assert_eq!(
            code(None, br#"{"__type":"com.amazon#ThrottlingException","m":1}"#),
            "ThrottlingException"
        );
        let xml = b"<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>";
        assert_eq!(code(None, xml), "RequestLimitExceeded");
        assert_eq!(code(None, b"<html><body>no</body></html>"), "");
        assert_eq!(code(None, &[0xff, 0xfe]), "");
    }

    #[test]
    fn tokens_of_pages_are_found_wherever_services_put_them() {
        assert_eq!(token(br#"{"limit":5,"nextToken":"a/b+\""}"#).as_deref(), Some("a/b+\""));
        assert_eq!(token(br#"{"limit":5}"#), None);
        let form = b"Action=DescribeVpcs&NextToken=a%2Fb%2B%22&MaxResults=5";
        assert_eq!(token(form).as_deref(), Some("a/b+\""));
        assert_eq!(token(b"Action=DescribeVpcs&Version=1"), None);
        assert_eq!(token(b"<ListBucket><Marker>a</Marker></ListBucket>"), None);
        assert_eq!(next(br#"{"nextToken" : "a/b+\"", "x": []}"#), "a/b+\"");
        assert_eq!(next(br#"{"x": [], "nextToken": null}"#), "");
        assert_eq!(next(b"<R><nextToken>a&amp;b</nextToken></R>"), "a&b");
        assert_eq!(next(b"<R><NextMarker>a</NextMarker></R>"), "a");
        assert_eq!(next(b"\xff"), "");
    }

    #[test]
    fn an_error_is_one_whatever_its_status() {
        let mut headers = Headers::new();
        assert!(hides_error(&headers, br#"{"__type":"InternalFailure"}"#));
        assert!(!hides_error(&headers, br#"{"logGroups":[]}"#));
        headers.insert("x-amzn-errortype", "InternalFailure");
        assert!(hides_error(&headers, b""));
    }
}
