//! <https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html>
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

use super::{Page, xml};
use crate::account::{ACCOUNT, Account, MADE};
use iasql_front::request::Call;
use iasql_front::shape::Answer;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const MOST: usize = 1000;
/// Who may take a role on, encoded as IAM does.
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
                     %22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%2C\
                     %22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

pub fn answer(account: &Account, call: &Call) -> Option<Answer> {
    let page = Page::form(account.roles, call, "MaxItems", MOST, "Marker");
    let (more, marker) = (page.next.is_some(), page.element("Marker"));
    let end = format!("<IsTruncated>{more}</IsTruncated>{marker}");
    let body = match call.operation.as_str() {
        "ListRoles" => {
            let roles = page.each(|number| {
                format!(
                    "<member>{}<Description>role {number}</Description>\
                     <MaxSessionDuration>3600</MaxSessionDuration></member>",
                    role(number)
                )
            });
            format!("<Roles>{roles}</Roles>{end}")
        }
        "GetAccountAuthorizationDetails" => {
            let roles = page.each(|number| {
                format!(
                    "<member>{}<InstanceProfileList/><RolePolicyList/><AttachedManagedPolicies><member>\
                     <PolicyName>ReadOnlyAccess</PolicyName>\
                     <PolicyArn>arn:aws:iam::aws:policy/ReadOnlyAccess</PolicyArn></member>\
                     </AttachedManagedPolicies><Tags><member><Key>team</Key><Value>bench</Value></member>\
                     </Tags><RoleLastUsed/></member>",
                    role(number)
                )
            });
            format!(
                "<UserDetailList/><GroupDetailList/><RoleDetailList>{roles}</RoleDetailList><Policies/>{end}"
            )
        }
        _ => return None,
    };
    Some(xml(call, NAMESPACE, &body))
}

fn role(number: usize) -> String {
    format!(
        "<Path>/</Path><RoleName>role-{number}</RoleName><RoleId>AROA{number:017}</RoleId>\
         <Arn>arn:aws:iam::{ACCOUNT}:role/role-{number}</Arn><CreateDate>{MADE}</CreateDate>\
         <AssumeRolePolicyDocument>{TRUST}</AssumeRolePolicyDocument>"
    )
}

pub fn identity(call: &Call) -> Option<Answer> {
    let body = format!(
        "<UserId>AIDABENCH</UserId><Account>{ACCOUNT}</Account>\
         <Arn>arn:aws:iam::{ACCOUNT}:user/bench</Arn>"
    );
    let known = call.operation == "GetCallerIdentity";
    known.then(|| xml(call, "https://sts.amazonaws.com/doc/2011-06-15/", &body))
}
