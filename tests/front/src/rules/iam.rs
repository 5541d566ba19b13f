//! IAM: names and paths, trust policies, and what must be gone before something is deleted.
//!
//! Known to be missing: quotas, permissions boundaries, the grammar of policies beyond what moto
//! checks, and principals of other accounts, of which AWS knows whether they exist.

use serde_json::Value;

use super::ask;
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;
use crate::xml::Element;

/// A call that gives something a name.
struct Naming {
    operation: &'static str,
    parameter: &'static str,
    most: usize,
    /// The list of its namesakes in the answer of `List{set}`; empty if moto looks after them.
    set: &'static str,
    /// What precedes and follows the name in AWS's message about a namesake.
    taken: [&'static str; 2],
}

const fn naming(
    operation: &'static str,
    parameter: &'static str,
    most: usize,
    set: &'static str,
    taken: [&'static str; 2],
) -> Naming {
    Naming { operation, parameter, most, set, taken }
}

const NAMINGS: &[Naming] = &[
    naming("CreateRole", "RoleName", 64, "Roles", ["Role with name ", " already exists."]),
    naming("CreateUser", "UserName", 64, "Users", ["User with name ", " already exists."]),
    naming("CreateGroup", "GroupName", 128, "Groups", ["Group with name ", " already exists."]),
    naming(
        "CreatePolicy",
        "PolicyName",
        128,
        "Policies",
        ["A policy called ", " already exists. Duplicate names are not allowed."],
    ),
    naming(
        "CreateInstanceProfile",
        "InstanceProfileName",
        128,
        "InstanceProfiles",
        ["Instance Profile ", " already exists."],
    ),
    naming("PutRolePolicy", "PolicyName", 128, "", [""; 2]),
    naming("PutUserPolicy", "PolicyName", 128, "", [""; 2]),
    naming("PutGroupPolicy", "PolicyName", 128, "", [""; 2]),
];

/// What holds something, so that it is not deleted: the call that deletes, its parameter, the call
/// that knows, where the holders (or their number) are in the answer, how many may be left, and what
/// AWS says.
type Holder =
    (&'static str, &'static str, &'static str, &'static [&'static str], usize, &'static str);

const HOLDERS: &[Holder] = &[
    (
        "DeletePolicy",
        "PolicyArn",
        "GetPolicy",
        &["Policy", "AttachmentCount"],
        0,
        "Cannot delete a policy attached to entities.",
    ),
    (
        "DeletePolicy",
        "PolicyArn",
        "ListPolicyVersions",
        &["Versions"],
        1,
        "This policy has more than one version. Before you delete a policy, you must delete the \
         policy's versions. The default version is deleted with the policy.",
    ),
    (
        "DeleteUser",
        "UserName",
        "ListAccessKeys",
        &["AccessKeyMetadata"],
        0,
        "Cannot delete entity, must delete access keys first.",
    ),
    (
        "DeleteUser",
        "UserName",
        "GetLoginProfile",
        &["LoginProfile"],
        0,
        "Cannot delete entity, must delete login profile first.",
    ),
    (
        "DeleteUser",
        "UserName",
        "ListGroupsForUser",
        &["Groups"],
        0,
        "Cannot delete entity, must remove users from group first.",
    ),
    (
        "DeleteUser",
        "UserName",
        "ListMFADevices",
        &["MFADevices"],
        0,
        "Cannot delete entity, must delete MFA device first.",
    ),
    (
        "DeleteGroup",
        "GroupName",
        "GetGroup",
        &["Users"],
        0,
        "Cannot delete entity, must remove users from group first.",
    ),
    (
        "DeleteGroup",
        "GroupName",
        "ListAttachedGroupPolicies",
        &["AttachedPolicies"],
        0,
        "Cannot delete entity, must detach all policies first.",
    ),
    (
        "DeleteGroup",
        "GroupName",
        "ListGroupPolicies",
        &["PolicyNames"],
        0,
        "Cannot delete entity, must delete policies first.",
    ),
];

/// What only AWS itself does to a service's own role.
const PROTECTED: &[&str] = &[
    "AttachRolePolicy",
    "DeleteRole",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
];

pub async fn check(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let operation = call.operation.clone();
    for naming in NAMINGS.iter().filter(|naming| naming.operation == operation) {
        check_name(front, call, naming).await?;
    }
    check_duration(call)?;
    check_length(call, "Description", 1000)?;
    for parameter in ["Path", "NewPath"] {
        check_path(call, parameter)?;
    }
    let holders = HOLDERS.iter().filter(|(deletes, ..)| *deletes == operation);
    for (_, parameter, question, path, most, message) in holders {
        let asked = [(*parameter, call.parameter(parameter).unwrap_or_default())];
        let result = format!("{question}Result");
        let held = ask(front, call, ("iam", question), &asked, |root| {
            root.child(&result).and_then(|result| result.find(path)).map_or(0, count)
        });
        if held.await? > *most {
            return Err(Failure::new(409, "DeleteConflict", *message));
        }
    }
    if PROTECTED.contains(&operation.as_str()) {
        check_protected(front, call).await?;
    }
    match operation.as_str() {
        "CreateRole" => check_trust(front, call, "AssumeRolePolicyDocument").await,
        "UpdateAssumeRolePolicy" => check_trust(front, call, "PolicyDocument").await,
        "ListEntitiesForPolicy" => {
            // With it moto finds none.
            call.remove_parameters(&["MaxItems"]);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How many things an element has in it: children, or as many as it says.
fn count(element: &Element<'_>) -> usize {
    match element.children.len() {
        0 => element.text().trim().parse().unwrap_or(0),
        some => some,
    }
}

/// How AWS names a parameter in its messages.
fn label(parameter: &str) -> String {
    let mut signs = parameter.chars();
    signs.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(signs).collect()
}

async fn check_name(front: &Front, call: &Call, naming: &Naming) -> Result<(), Failure> {
    let Naming { parameter, most, set, taken, .. } = naming;
    let name = call.parameter(parameter).unwrap_or_default();
    check_length(call, parameter, *most)?;
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || "+=,.@_-".contains(sign);
    if name.is_empty() || !name.chars().all(allowed) {
        let label = label(parameter);
        return Err(invalid(format!(
            "The specified value for {label} is invalid. It must contain only alphanumeric characters \
             and/or the following: +=,.@_-"
        )));
    }
    if set.is_empty() {
        return Ok(());
    }
    // Names that differ in their case alone are the same.
    let list = format!("List{set}");
    let result = format!("{list}Result");
    let asked = [("MaxItems", "1000"), ("Scope", "Local")];
    let exists = ask(front, call, ("iam", &list), &asked, |root| {
        let found = root.list(&[&result, set]).iter();
        found.map(|one| one.get(parameter)).any(|other| other.eq_ignore_ascii_case(name))
    });
    if exists.await? {
        let message = [taken[0], name, taken[1]].concat();
        return Err(Failure::new(409, "EntityAlreadyExists", message));
    }
    Ok(())
}

fn check_length(call: &Call, parameter: &str, most: usize) -> Result<(), Failure> {
    match call.parameter(parameter) {
        Some(value) if value.chars().count() > most => {
            let constraint = format!("Member must have length less than or equal to {most}");
            Err(unsatisfied(parameter, value, &constraint))
        }
        _ => Ok(()),
    }
}

fn check_duration(call: &Call) -> Result<(), Failure> {
    const PARAMETER: &str = "MaxSessionDuration";
    let Some(value) = call.parameter(PARAMETER) else {
        return Ok(());
    };
    let constraint = match value.parse::<i64>() {
        Ok(3600..=43200) => return Ok(()),
        Ok(43201..) => "Member must have value less than or equal to 43200",
        _ => "Member must have value greater than or equal to 3600",
    };
    Err(unsatisfied(PARAMETER, value, constraint))
}

fn check_path(call: &Call, parameter: &str) -> Result<(), Failure> {
    let Some(path) = call.parameter(parameter) else {
        return Ok(());
    };
    check_length(call, parameter, 512)?;
    let fine = path.starts_with('/') && path.ends_with('/');
    if fine && path.chars().all(|sign| sign.is_ascii_graphic()) {
        return Ok(());
    }
    let label = label(parameter);
    Err(invalid(format!(
        "The specified value for {label} is invalid. It must begin and end with / and contain only \
         alphanumeric characters and/or / characters."
    )))
}

async fn check_protected(front: &Front, call: &Call) -> Result<(), Failure> {
    let role = call.parameter("RoleName").unwrap_or_default();
    let asked = [("RoleName", role)];
    let path = ask(front, call, ("iam", "GetRole"), &asked, |root| {
        root.find(&["GetRoleResult", "Role", "Path"]).map(|path| path.text().into_owned())
    });
    if path.await?.is_some_and(|path| path.starts_with("/aws-service-role/")) {
        let message = format!(
            "Cannot perform the operation on the protected role '{role}' - this role is only \
             modifiable by AWS"
        );
        return Err(Failure::refuse("UnmodifiableEntity", message));
    }
    Ok(())
}

/// Checks who may assume a role, and how.
async fn check_trust(front: &Front, call: &Call, parameter: &str) -> Result<(), Failure> {
    let text = call.parameter(parameter).unwrap_or_default();
    let principals = trusted(text).map_err(|message| malformed(message.to_owned()))?;
    for (kind, name) in principals {
        let fine = match kind.as_str() {
            "Service" => is_service(&name),
            "AWS" => exists(front, call, &name).await?,
            // Identity providers, which nothing here makes.
            _ => true,
        };
        if !fine {
            let kind = if kind == "Service" { "SERVICE" } else { &kind };
            return Err(malformed(format!("Invalid principal in policy: \"{kind}\":\"{name}\"")));
        }
    }
    Ok(())
}

/// Reads the principals, each with its kind, out of a trust policy.
fn trusted(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    const SYNTAX: &str = "Syntax errors in policy.";
    let policy: Value =
        serde_json::from_str(text).map_err(|_| "This policy contains invalid Json")?;
    let policy = policy.as_object().ok_or(SYNTAX)?;
    let version = policy.get("Version").map(Value::as_str);
    if !matches!(version, None | Some(Some("2008-10-17" | "2012-10-17"))) {
        return Err("The policy must contain a valid version string");
    }
    if !policy.keys().all(|key| ["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(SYNTAX);
    }
    let statements = some(policy.get("Statement")).ok_or(SYNTAX)?;
    let mut principals = Vec::new();
    for statement in statements {
        let statement = statement.as_object().ok_or(SYNTAX)?;
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return Err("Missing required field Effect");
        }
        if ["Resource", "NotResource"].iter().any(|field| statement.contains_key(*field)) {
            return Err("Has prohibited field Resource");
        }
        let actions = some(statement.get("Action").or(statement.get("NotAction")));
        let actions = actions.ok_or("Missing required field Action")?;
        let is_assuming = |action: &Value| {
            action
                .as_str()
                .and_then(|action| action.get(..4))
                .is_some_and(|service| service.eq_ignore_ascii_case("sts:"))
        };
        if !actions.iter().all(is_assuming) {
            return Err("AssumeRole policy may only specify STS AssumeRole actions.");
        }
        let principal = statement.get("Principal").or(statement.get("NotPrincipal"));
        let principal = principal.ok_or("Missing required field Principal")?;
        let kinds = match principal {
            Value::String(all) if all == "*" => continue,
            Value::Object(kinds) if !kinds.is_empty() => kinds,
            _ => return Err(SYNTAX),
        };
        for (kind, names) in kinds {
            if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
                return Err(SYNTAX);
            }
            for name in some(Some(names)).ok_or(SYNTAX)? {
                principals.push((kind.clone(), name.as_str().ok_or(SYNTAX)?.to_owned()));
            }
        }
    }
    Ok(principals)
}

/// One thing or a list of some.
fn some(value: Option<&Value>) -> Option<Vec<Value>> {
    match value? {
        Value::Array(list) => (!list.is_empty()).then(|| list.clone()),
        one => Some(vec![one.clone()]),
    }
}

/// Whether a name looks like that of a service of AWS; which there are only AWS knows.
fn is_service(name: &str) -> bool {
    const ENDS: &[&str] = &[".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal"];
    let word =
        |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || ".-".contains(sign);
    ENDS.iter().any(|end| name.strip_suffix(end).is_some_and(|word| !word.is_empty()))
        && name.chars().all(word)
}

/// Whether a principal of an account exists, as far as the emulator can tell.
async fn exists(front: &Front, call: &Call, name: &str) -> Result<bool, Failure> {
    let is_account =
        |text: &str| text.len() == 12 && text.bytes().all(|sign| sign.is_ascii_digit());
    let is_id = |text: &str| text.len() >= 16 && text.chars().all(|c| c.is_ascii_alphanumeric());
    if name == "*" || is_account(name) || (name.starts_with('A') && is_id(name)) {
        return Ok(true);
    }
    let words: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, service @ ("iam" | "sts"), "", account, resource] = words[..] else {
        return Ok(false);
    };
    if !is_account(account) {
        return Ok(false);
    }
    let last = resource.rsplit('/').next().unwrap_or_default();
    let (operation, parameter, result) = match resource.split('/').next() {
        Some("root") => return Ok(resource == "root"),
        Some("assumed-role" | "federated-user") => return Ok(service == "sts"),
        Some("role") => ("GetRole", "RoleName", ["GetRoleResult", "Role", "Arn"]),
        Some("user") => ("GetUser", "UserName", ["GetUserResult", "User", "Arn"]),
        _ => return Ok(false),
    };
    if account != front.account(call).await? {
        return Ok(true);
    }
    ask(front, call, ("iam", operation), &[(parameter, last)], |root| {
        root.find(&result).is_some_and(|arn| arn.text() == name)
    })
    .await
}

fn malformed(message: String) -> Failure {
    Failure::refuse("MalformedPolicyDocument", message)
}

fn unsatisfied(parameter: &str, value: &str, constraint: &str) -> Failure {
    let label = label(parameter);
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{label}' failed to satisfy constraint: \
         {constraint}"
    ))
}

fn invalid(message: String) -> Failure {
    Failure::refuse("ValidationError", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(change: &Value) -> String {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        });
        for (name, value) in change.as_object().expect("an object") {
            statement[name] = value.clone();
        }
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    #[test]
    fn trust_policies() {
        let read = |change: Value| trusted(&statement(&change));
        let service = ("Service".to_owned(), "ecs-tasks.amazonaws.com".to_owned());
        assert_eq!(read(json!({})), Ok(vec![service]));
        assert_eq!(read(json!({"Principal": "*"})), Ok(vec![]));
        assert!(read(json!({"Action": ["sts:AssumeRole", "sts:TagSession"]})).is_ok());
        for bad in [
            json!({"Effect": "Maybe"}),
            json!({"Action": "ec2:*"}),
            json!({"Action": []}),
            json!({"Principal": null}),
            json!({"Principal": {"Nobody": "x"}}),
            json!({"Resource": "*"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        for bad in
            ["", "[]", "{}", r#"{"Statement": []}"#, r#"{"Version": "2013", "Statement": 1}"#]
        {
            assert!(trusted(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn services_have_names_like_hosts() {
        assert!(
            is_service("ecs-tasks.amazonaws.com") && is_service("ops.apigateway.amazonaws.com")
        );
        for bad in ["ecs-tasks", "ECS.amazonaws.com", ".amazonaws.com", "a b.amazonaws.com"] {
            assert!(!is_service(bad), "{bad}");
        }
    }
}
