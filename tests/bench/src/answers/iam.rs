//! <https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html>
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

use super::{All, Page, members, missing, xml};
use crate::account::{ACCOUNT, MADE, Region};
use crate::made::element;
use iasql_front::request::Call;
use iasql_front::shape::{Answer, Failure};

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const MOST: usize = 1000;
/// Who may take a role on, encoded as IAM does.
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
                     %22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%2C\
                     %22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const ROLES: &str = "roles";
const LASTS: &str = "<MaxSessionDuration>3600</MaxSessionDuration>";

pub fn answer(account: Region<'_>, call: &Call) -> Option<Answer> {
    let counted = |number| role(&format!("role-{number}"), number, TRUST);
    let all = All::of(account, ROLES, &[], account.roles, &counted);
    let page = Page::form(all.len(), call, "MaxItems", MOST, "Marker");
    let (more, marker) = (page.next.is_some(), page.element("Marker"));
    let end = format!("<IsTruncated>{more}</IsTruncated>{marker}");
    // A role that was made; of those that are counted, nobody asks for one.
    let one = || {
        let part = element("RoleName", call.parameter("RoleName")?);
        Some(account.made(ROLES, &[part]).pop())
    };
    let policies = || Some(format!("policies of {}", call.parameter("RoleName")?));
    let body = match call.operation.as_str() {
        "ListRoles" => {
            let roles = page.each(|at| {
                let made = at >= account.roles;
                let description = if made { String::new() } else { format!("role {at}") };
                let description = element("Description", &description);
                format!("<member>{}{description}{LASTS}</member>", all.get(at))
            });
            format!("<Roles>{roles}</Roles>{end}")
        }
        "GetAccountAuthorizationDetails" => {
            let roles = page.each(|at| {
                let (role, made) = (all.get(at), at >= account.roles);
                let name = iasql_front::xml::between(&role, "<RoleName>", "</RoleName>");
                let attached = match made {
                    true => account.made(&format!("policies of {}", name.unwrap_or_default()), &[]).concat(),
                    false => policy("arn:aws:iam::aws:policy/ReadOnlyAccess"),
                };
                let tags = match made {
                    true => "",
                    false => "<member><Key>team</Key><Value>bench</Value></member>",
                };
                format!(
                    "<member>{role}<InstanceProfileList/><RolePolicyList/>\
                     <AttachedManagedPolicies>{attached}</AttachedManagedPolicies><Tags>{tags}</Tags>\
                     <RoleLastUsed/></member>"
                )
            });
            format!(
                "<UserDetailList/><GroupDetailList/><RoleDetailList>{roles}</RoleDetailList><Policies/>{end}"
            )
        }
        "GetRole" => match one()? {
            Some(role) => format!("<Role>{role}{LASTS}<RoleLastUsed/></Role>"),
            None => return Some(missing(call, "NoSuchEntity")),
        },
        "CreateRole" if members(call, "Tags").is_empty() => {
            let trust = encoded(call.parameter("AssumeRolePolicyDocument")?);
            let made = role(call.parameter("RoleName")?, account.made.number(), &trust);
            account.keep(ROLES, made.clone());
            format!("<Role>{made}{LASTS}<RoleLastUsed/></Role>")
        }
        "AttachRolePolicy" => {
            account.keep(&policies()?, policy(call.parameter("PolicyArn")?));
            return Some(xml(call, NAMESPACE, ""));
        }
        "DetachRolePolicy" => {
            account.drop(&policies()?, element("PolicyArn", call.parameter("PolicyArn")?));
            return Some(xml(call, NAMESPACE, ""));
        }
        "ListAttachedRolePolicies" => {
            let attached = account.made(&policies()?, &[]).concat();
            format!(
                "<AttachedPolicies>{attached}</AttachedPolicies><IsTruncated>false</IsTruncated>"
            )
        }
        "ListRolePolicies" => "<PolicyNames/><IsTruncated>false</IsTruncated>".to_owned(),
        "ListInstanceProfilesForRole" => "<InstanceProfiles/>".to_owned(),
        "DeleteRole" => {
            if !account.made(&policies()?, &[]).is_empty() {
                let why = "Cannot delete entity, must detach all policies first.";
                return Some(Answer::failure(call, &Failure::new(409, "DeleteConflict", why)));
            }
            if !account.drop(ROLES, element("RoleName", call.parameter("RoleName")?)) {
                return Some(missing(call, "NoSuchEntity"));
            }
            return Some(xml(call, NAMESPACE, ""));
        }
        _ => return None,
    };
    Some(xml(call, NAMESPACE, &body))
}

/// What all answers show of a role.
fn role(name: &str, number: usize, trust: &str) -> String {
    format!(
        "<Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{number:017}</RoleId>\
         <Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>{MADE}</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument>"
    )
}

fn policy(arn: &str) -> String {
    let name = arn.rsplit('/').next().unwrap_or_default();
    format!("<member><PolicyName>{name}</PolicyName><PolicyArn>{arn}</PolicyArn></member>")
}

/// A document as IAM answers with it.
fn encoded(document: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let one = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    document.bytes().map(one).collect()
}

pub fn identity(call: &Call) -> Option<Answer> {
    let body = format!(
        "<UserId>AIDABENCH</UserId><Account>{ACCOUNT}</Account>\
         <Arn>arn:aws:iam::{ACCOUNT}:user/bench</Arn>"
    );
    let known = call.operation == "GetCallerIdentity";
    known.then(|| xml(call, "https://sts.amazonaws.com/doc/2011-06-15/", &body))
}
