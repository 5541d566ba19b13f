//! Cuts lists into pages where moto ignores paging, as AWS would.
//!
//! The emulator is asked once for the whole list; the pages after the first come from that answer,
//! which is kept for a minute behind the token. So a long list is not computed once per page, and,
//! as on AWS, pages of one listing belong together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::request::Call;
use crate::shape::{Answer, Failure, Protocol};
use crate::xml;

/// How long a token is good for.
const LIFE: Duration = Duration::from_secs(60);

/// How one operation pages.
struct Listing {
    service: &'static str,
    operation: &'static str,
    /// Where the list is in the answer. Empty if moto cuts the pages itself; then only a smaller
    /// page size is asked of it.
    path: &'static [&'static str],
    /// The request's parameters for the page size and the token, and the answer's for the token.
    size: &'static str,
    token: &'static str,
    next: &'static str,
    /// The sizes that AWS accepts, and the one it takes when none is given (`None`: everything).
    least: usize,
    most: usize,
    default: Option<usize>,
    /// A request parameter that names single things; AWS refuses to page then.
    named: &'static str,
}

const fn ec2(
    operation: &'static str,
    path: &'static [&'static str],
    named: &'static str,
) -> Listing {
    Listing {
        service: "ec2",
        operation,
        path,
        size: "MaxResults",
        token: "NextToken",
        next: "nextToken",
        least: 5,
        most: 1000,
        default: None,
        named,
    }
}

const fn json_list(
    service: &'static str,
    operation: &'static str,
    path: &'static [&'static str],
    most: usize,
    default: usize,
    named: &'static str,
) -> Listing {
    let (size, token, next) = ("maxResults", "nextToken", "nextToken");
    let default = Some(default);
    Listing { service, operation, path, size, token, next, least: 1, most, default, named }
}

/// A list of a query service other than EC2, given as its name and those of the page size and of the
/// next marker.
const fn query(
    (service, size, next): (&'static str, &'static str, &'static str),
    operation: &'static str,
    path: &'static [&'static str],
    most: usize,
) -> Listing {
    let (token, default, named) = ("Marker", Some(100), "");
    Listing { service, operation, path, size, token, next, least: 1, most, default, named }
}

const IAM: (&str, &str, &str) = ("iam", "MaxItems", "Marker");
const ELB: (&str, &str, &str) = ("elbv2", "PageSize", "NextMarker");

/// A list that moto pages itself.
const fn native(
    service: &'static str,
    operation: &'static str,
    size: &'static str,
    most: usize,
    named: &'static str,
) -> Listing {
    let (token, next) = ("", "");
    let (path, default): (&[&str], _) = (&[], None);
    Listing { service, operation, path, size, token, next, least: 1, most, default, named }
}

/// Every list that the front pages. Sources: the API references; the shapes as moto answers them.
const LISTINGS: &[Listing] = &[
    ec2("DescribeVpcs", &["vpcSet"], "VpcId"),
    ec2("DescribeSubnets", &["subnetSet"], "SubnetId"),
    ec2("DescribeSecurityGroups", &["securityGroupInfo"], "GroupId"),
    ec2("DescribeSecurityGroupRules", &["securityGroupRuleSet"], "SecurityGroupRuleId"),
    ec2("DescribeNetworkInterfaces", &["networkInterfaceSet"], "NetworkInterfaceId"),
    ec2("DescribeRouteTables", &["routeTableSet"], "RouteTableId"),
    ec2("DescribeInternetGateways", &["internetGatewaySet"], "InternetGatewayId"),
    ec2("DescribeNetworkAcls", &["networkAclSet"], "NetworkAclId"),
    json_list("ecr", "DescribeRepositories", &["repositories"], 1000, 100, "repositoryNames"),
    json_list("ecr", "ListImages", &["imageIds"], 1000, 100, ""),
    json_list("ecr", "DescribeImages", &["imageDetails"], 1000, 100, "imageIds"),
    json_list("ecs", "ListClusters", &["clusterArns"], 100, 100, ""),
    json_list("ecs", "ListServices", &["serviceArns"], 100, 10, ""),
    json_list("ecs", "ListTasks", &["taskArns"], 100, 100, ""),
    json_list("ecs", "ListTaskDefinitions", &["taskDefinitionArns"], 100, 100, ""),
    json_list("ecs", "ListTaskDefinitionFamilies", &["families"], 100, 100, ""),
    json_list(
        "ecr-public",
        "DescribeRepositories",
        &["repositories"],
        1000,
        100,
        "repositoryNames",
    ),
    query(IAM, "ListUsers", &["ListUsersResult", "Users"], 1000),
    query(IAM, "ListGroups", &["ListGroupsResult", "Groups"], 1000),
    query(IAM, "ListGroupsForUser", &["ListGroupsForUserResult", "Groups"], 1000),
    query(IAM, "ListAccessKeys", &["ListAccessKeysResult", "AccessKeyMetadata"], 1000),
    query(
        IAM,
        "GetAccountAuthorizationDetails",
        &["GetAccountAuthorizationDetailsResult", "RoleDetailList"],
        1000,
    ),
    query(IAM, "ListRolePolicies", &["ListRolePoliciesResult", "PolicyNames"], 1000),
    query(IAM, "ListUserPolicies", &["ListUserPoliciesResult", "PolicyNames"], 1000),
    query(IAM, "ListGroupPolicies", &["ListGroupPoliciesResult", "PolicyNames"], 1000),
    query(IAM, "ListPolicyVersions", &["ListPolicyVersionsResult", "Versions"], 1000),
    query(IAM, "ListInstanceProfiles", &["ListInstanceProfilesResult", "InstanceProfiles"], 1000),
    query(
        IAM,
        "ListInstanceProfilesForRole",
        &["ListInstanceProfilesForRoleResult", "InstanceProfiles"],
        1000,
    ),
    query(ELB, "DescribeTargetGroups", &["DescribeTargetGroupsResult", "TargetGroups"], 400),
    query(ELB, "DescribeListeners", &["DescribeListenersResult", "Listeners"], 400),
    Listing {
        service: "tagging",
        operation: "GetResources",
        path: &["ResourceTagMappingList"],
        size: "ResourcesPerPage",
        token: "PaginationToken",
        next: "PaginationToken",
        least: 1,
        most: 100,
        default: Some(50),
        named: "ResourceARNList",
    },
    native("ec2", "DescribeInstances", "MaxResults", 1000, "InstanceId"),
    native("logs", "DescribeLogGroups", "limit", 50, ""),
    native("logs", "DescribeLogStreams", "limit", 50, ""),
    native("elbv2", "DescribeLoadBalancers", "PageSize", 400, "LoadBalancerArns"),
    native("elbv2", "DescribeRules", "PageSize", 400, "RuleArns"),
    native("iam", "ListRoles", "MaxItems", 1000, ""),
    native("iam", "ListPolicies", "MaxItems", 1000, ""),
    native("iam", "ListAttachedRolePolicies", "MaxItems", 1000, ""),
];

impl Listing {
    fn of(call: &Call) -> Option<&'static Self> {
        LISTINGS.iter().find(|row| row.operation == call.operation && row.service == call.service)
    }

    fn is_native(&self) -> bool {
        self.path.is_empty()
    }

    fn names_things(&self, call: &Call) -> bool {
        let of_list = |name: &str| name.split('.').next() == Some(self.named);
        !self.named.is_empty()
            && (call.form.iter().any(|(name, _)| of_list(name))
                || call
                    .json
                    .get(self.named)
                    .and_then(Value::as_array)
                    .is_some_and(|l| !l.is_empty()))
    }

    /// The page size that is asked for, checked as AWS does.
    fn asked_size(&self, call: &Call) -> Result<Option<usize>, Failure> {
        let Some(text) = parameter(call, self.size) else {
            return Ok(None);
        };
        let allowed = self.least..=self.most;
        match text.parse() {
            Ok(size) if allowed.contains(&size) => Ok(Some(size)),
            _ if call.protocol == Protocol::Ec2 => {
                let bound = if text.parse().is_ok_and(|size: i64| size > 5) {
                    format!("Expecting a value less than or equal to {}.", self.most)
                } else {
                    format!("Expecting a value greater than or equal to {}.", self.least)
                };
                let message =
                    format!("Value ( {text} ) for parameter maxResults is invalid. {bound}");
                Err(Failure::refuse("InvalidParameterValue", message))
            }
            _ if call.protocol == Protocol::Query => {
                let bounds = format!("between {} and {}", self.least, self.most);
                let message = format!("Member '{}' must have a value {bounds}", self.size);
                Err(Failure::refuse("ValidationError", message))
            }
            _ => {
                let message = format!(
                    "Invalid parameter at '{}' failed to satisfy constraint: 'Member must be \
                     between {} and {}'",
                    self.size, self.least, self.most
                );
                Err(Failure::refuse("InvalidParameterException", message))
            }
        }
    }

    fn bad_token(&self, call: &Call, token: &str) -> Failure {
        if call.protocol == Protocol::Ec2 {
            let message = format!(
                "Value ( {token} ) for parameter NextToken is invalid. The token is invalid."
            );
            return Failure::refuse("InvalidParameterValue", message);
        }
        if call.protocol == Protocol::Query {
            return Failure::refuse("ValidationError", "Invalid Marker.");
        }
        Failure::refuse("InvalidParameterException", "Invalid parameter: nextToken is not valid.")
    }
}

/// A parameter of either protocol, as text. An empty token is no token.
fn parameter(call: &Call, name: &str) -> Option<String> {
    let text = match call.json.get(name) {
        None | Some(Value::Null) => call.parameter(name)?.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// A whole list as the emulator gave it.
enum Whole {
    /// The items' places in the text, and the place of the list between its tags.
    Xml { answer: Answer, items: Vec<Range<usize>>, list: Range<usize> },
    /// The items, and the answer without them.
    Json { answer: Answer, items: Vec<Value>, rest: Value },
}

impl Whole {
    fn read(listing: &Listing, answer: &Answer) -> Option<Self> {
        if answer.text().starts_with('{') {
            let mut rest: Value = serde_json::from_slice(&answer.body).ok()?;
            let list =
                listing.path.iter().try_fold(&mut rest, |value, name| value.get_mut(name))?;
            let Value::Array(items) = list.take() else {
                return None;
            };
            return Some(Self::Json { answer: answer.clone(), items, rest });
        }
        let root = xml::parse(answer.text())?;
        let list = root.find(listing.path)?;
        let items = list.children.iter().map(|item| item.whole.clone()).collect();
        Some(Self::Xml { answer: answer.clone(), items, list: list.inner.clone() })
    }

    fn len(&self) -> usize {
        match self {
            Self::Xml { items, .. } => items.len(),
            Self::Json { items, .. } => items.len(),
        }
    }

    /// The answer with only some of the items, and the token for the next page.
    fn page(&self, listing: &Listing, range: Range<usize>, token: Option<&str>) -> Answer {
        match self {
            Self::Xml { answer, items, list } => {
                let text = answer.text();
                let some = &items[range];
                let items = match (some.first(), some.last()) {
                    (Some(first), Some(last)) => &text[first.start..last.end],
                    _ => "",
                };
                let rest = &text[list.end..];
                let body = [&text[..list.start], items, rest].concat();
                let page = Answer { body: body.into(), ..answer.clone() };
                token.map_or(page.clone(), |token| with_token(listing, &page, token))
            }
            Self::Json { answer, items, rest } => {
                let mut page = rest.clone();
                let list = listing.path.iter().try_fold(&mut page, |page, name| page.get_mut(name));
                if let Some(list) = list {
                    *list = items[range].into();
                }
                if let (Some(token), Some(map)) = (token, page.as_object_mut()) {
                    map.insert(listing.next.to_owned(), json!(token));
                }
                Answer { body: page.to_string().into(), ..answer.clone() }
            }
        }
    }
}

/// Puts a next token into an answer, in place of one that is there.
fn with_token(listing: &Listing, answer: &Answer, token: &str) -> Answer {
    let text = answer.text();
    let (next, last) = (listing.next, listing.path.last().copied().unwrap_or_default());
    let body = if text.starts_with('{') {
        let mut json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        if let Some(map) = json.as_object_mut() {
            map.insert(next.to_owned(), json!(token));
        }
        json.to_string()
    } else {
        let (open, close) = (format!("<{next}>"), format!("</{next}>"));
        let without = match xml::between(text, &open, &close) {
            Some(old) => text.replace(&format!("{open}{old}{close}"), ""),
            None => text.to_owned(),
        };
        let mut token = format!("{open}{}{close}", xml::escape(token));
        let without = match listing.service {
            "iam" => {
                token.insert_str(0, "<IsTruncated>true</IsTruncated>");
                without.replace("<IsTruncated>false</IsTruncated>", "")
            }
            _ => without,
        };
        let (full, empty) = (format!("</{last}>"), format!("<{last}/>"));
        match without.rfind(&full).map(|at| at + full.len()) {
            Some(at) => [&without[..at], &token, &without[at..]].concat(),
            None => without.replace(&empty, &format!("{empty}{token}")),
        }
    };
    Answer { body: body.into(), ..answer.clone() }
}

/// An answer whose token never changes, for a listing that never ends.
pub fn with_endless_token(call: &Call, answer: &Answer) -> Answer {
    match Listing::of(call) {
        Some(listing) if !listing.is_native() => with_token(listing, answer, "for-ever-and-ever"),
        Some(_) if call.service == "logs" => {
            let row = json_list("logs", "", &[""], 50, 50, "");
            with_token(&row, answer, "for-ever-and-ever")
        }
        _ => answer.clone(),
    }
}

/// What a call asks of the pager.
pub struct Plan {
    listing: &'static Listing,
    size: Option<usize>,
    start: usize,
    whole: Option<Arc<Whole>>,
}

/// The lists behind the tokens that are out.
#[derive(Default)]
pub struct Pages {
    tokens: HashMap<String, (Arc<Whole>, usize, Instant)>,
}

impl Pages {
    /// Checks what a call asks for. `limit` is the page size that tests force on every list.
    pub fn plan(&self, call: &mut Call, limit: Option<usize>) -> Result<Option<Plan>, Failure> {
        let Some(listing) = Listing::of(call) else {
            return Ok(None);
        };
        let named = listing.names_things(call);
        if listing.is_native() {
            if let (Some(limit), false) = (limit, named) {
                ask_smaller(call, listing, limit);
            }
            return Ok(None);
        }
        let asked = listing.asked_size(call)?;
        let token = parameter(call, listing.token);
        if named {
            return match asked.is_some() || token.is_some() {
                true => Err(together(call, listing)),
                false => Ok(None),
            };
        }
        // Whatever moto makes of them, it is to give the whole list.
        call.remove_parameters(&[listing.size, listing.token]);
        let size = [asked.or(listing.default), limit].into_iter().flatten().min();
        let mut plan = Plan { listing, size, start: 0, whole: None };
        if let Some(token) = token {
            let known = self.tokens.get(&token).filter(|(_, _, since)| since.elapsed() < LIFE);
            let Some((whole, start, _)) = known else {
                return Err(listing.bad_token(call, &token));
            };
            plan.start = *start;
            plan.whole = Some(Arc::clone(whole));
        }
        Ok(Some(plan))
    }

    /// The page that the plan asks for, cut from the kept answer or from this new one.
    pub fn cut(&mut self, plan: &Plan, answer: &Answer) -> Answer {
        let whole = match &plan.whole {
            Some(whole) => Arc::clone(whole),
            None if !answer.is_ok() || plan.size.is_none() => return answer.clone(),
            None => match Whole::read(plan.listing, answer) {
                Some(whole) => Arc::new(whole),
                None => return answer.clone(),
            },
        };
        let length = whole.len();
        let start = plan.start.min(length);
        let end = plan.size.map_or(length, |size| length.min(start + size));
        if start == 0 && end == length {
            return answer.clone();
        }
        let token = (end < length).then(|| {
            self.tokens.retain(|_, (_, _, since)| since.elapsed() < LIFE);
            let token = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
            self.tokens.insert(token.clone(), (Arc::clone(&whole), end, Instant::now()));
            token
        });
        whole.page(plan.listing, start..end, token.as_deref())
    }
}

impl Plan {
    /// The answer that is kept behind the call's token; then the emulator need not be asked.
    pub fn kept(&self) -> Option<&Answer> {
        self.whole.as_deref().map(|whole| match whole {
            Whole::Xml { answer, .. } | Whole::Json { answer, .. } => answer,
        })
    }
}

fn together(call: &Call, listing: &Listing) -> Failure {
    let (named, size) = (listing.named, listing.size);
    let message = format!("The parameter {named} cannot be used with the parameter {size}");
    match call.protocol {
        Protocol::Ec2 => Failure::refuse("InvalidParameterCombination", message),
        _ => Failure::refuse("InvalidParameterException", message),
    }
}

/// Makes a list that moto pages itself come in smaller pages.
fn ask_smaller(call: &mut Call, listing: &Listing, limit: usize) {
    let asked = parameter(call, listing.size).and_then(|text| text.parse().ok());
    let size = asked.unwrap_or(listing.most).min(limit);
    if call.protocol == Protocol::Json {
        let mut json = call.json.clone();
        if let Some(map) = json.as_object_mut() {
            map.insert(listing.size.to_owned(), json!(size));
            call.set_json(json);
        }
    } else {
        call.set_parameter(listing.size, &size.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::example;
    use hyper::StatusCode;

    fn vpcs(parameters: &str) -> Call {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        example("ec2", &form, &format!("Action=DescribeVpcs{parameters}"))
    }

    fn answer(count: usize) -> Answer {
        let items: String =
            (0..count).map(|n| format!("<item><vpcId>{n}</vpcId></item>")).collect();
        let body = format!("<R><vpcSet>{items}</vpcSet><requestId>x</requestId></R>");
        Answer::new(StatusCode::OK, "text/xml", body)
    }

    /// Walks a list and tells the size of each page.
    fn walk(count: usize, parameters: &str, limit: Option<usize>) -> Vec<usize> {
        let mut pages = Pages::default();
        let (mut sizes, mut token) = (Vec::new(), String::new());
        loop {
            let mut call = vpcs(&format!("{parameters}{token}"));
            let plan = pages.plan(&mut call, limit).expect("fine").expect("a list");
            let page = pages.cut(&plan, plan.kept().unwrap_or(&answer(count)));
            let root = xml::parse(page.text()).expect("well formed");
            sizes.push(root.list(&["vpcSet"]).len());
            match root.child("nextToken") {
                Some(next) => token = format!("&NextToken={}", next.text()),
                None => return sizes,
            }
        }
    }

    #[test]
    fn pages_are_as_large_as_asked() {
        assert_eq!(walk(12, "&MaxResults=5", None), [5, 5, 2]);
        assert_eq!(walk(10, "&MaxResults=5", None), [5, 5]);
        assert_eq!(walk(12, "", None), [12]);
        assert_eq!(walk(5, "", Some(2)), [2, 2, 1]);
        assert_eq!(walk(0, "&MaxResults=5", None), [0]);
    }

    fn refusal(parameters: &str) -> String {
        match Pages::default().plan(&mut vpcs(parameters), None) {
            Err(failure) => failure.code,
            Ok(_) => "accepted".to_owned(),
        }
    }

    #[test]
    fn nonsense_is_refused_as_on_aws() {
        assert_eq!(refusal("&NextToken=abc"), "InvalidParameterValue");
        assert_eq!(refusal("&MaxResults=4"), "InvalidParameterValue");
        assert_eq!(refusal("&MaxResults=1001"), "InvalidParameterValue");
        assert_eq!(refusal("&MaxResults=5&VpcId.1=vpc-1"), "InvalidParameterCombination");
        assert_eq!(refusal("&VpcId.1=vpc-1"), "accepted");
    }

    #[test]
    fn json_lists_are_cut_too() {
        let headers = [
            ("x-amz-target", "E.DescribeRepositories"),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let mut call = example("ecr", &headers, r#"{"maxResults": 2}"#);
        let mut pages = Pages::default();
        let plan = pages.plan(&mut call, None).expect("fine").expect("a list");
        let page = pages.cut(&plan, &Answer::json(&json!({"repositories": [1, 2, 3], "other": 1})));
        let page: Value = serde_json::from_slice(&page.body).expect("JSON");
        assert_eq!((&page["repositories"], &page["other"]), (&json!([1, 2]), &json!(1)));
        let token = page["nextToken"].as_str().expect("a token");
        let mut call = example("ecr", &headers, &json!({"nextToken": token}).to_string());
        let plan = pages.plan(&mut call, None).expect("fine").expect("a list");
        let page = pages.cut(&plan, plan.kept().expect("kept"));
        let page: Value = serde_json::from_slice(&page.body).expect("JSON");
        assert_eq!(page, json!({"repositories": [3], "other": 1}));
    }
}
