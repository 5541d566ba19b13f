//! ECR: immutable tags and repository policies.

use serde_json::{Value, json};

use super::ask_json;
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921";

pub async fn check(front: &Front, call: &mut Call) -> Result<(), Failure> {
    say_false(call);
    match call.operation.as_str() {
        "SetRepositoryPolicy" => check_policy(call.member("policyText").unwrap_or_default()),
        "PutImage" => check_immutable(front, call).await,
        "CreateRepository" => {
            let name = call.member("repositoryName").unwrap_or_default();
            if is_repository_name(name, 256) {
                return Ok(());
            }
            Err(invalid(
                "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy \
                 regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''",
            ))
        }
        _ => Ok(()),
    }
}

/// Clients leave a false out, which AWS takes for false and moto for no change.
fn say_false(call: &mut Call) {
    let mut asked = call.json.clone();
    if let Some(Value::Object(scanning)) = asked.get_mut("imageScanningConfiguration")
        && !scanning.contains_key("scanOnPush")
    {
        scanning.insert("scanOnPush".to_owned(), Value::Bool(false));
        call.set_json(asked);
    }
}

/// A tag of an immutable repository is not moved to another image.
async fn check_immutable(front: &Front, call: &Call) -> Result<(), Failure> {
    let name = call.member("repositoryName").unwrap_or_default();
    let Some(tag) = call.member("imageTag") else {
        return Ok(());
    };
    let asked = json!({"repositoryNames": [name]});
    let found = ask_json(front, call, ("ecr", TARGET, "DescribeRepositories"), &asked).await?;
    if found.pointer("/repositories/0/imageTagMutability") != Some(&json!("IMMUTABLE")) {
        return Ok(());
    }
    let asked = json!({"repositoryName": name, "imageIds": [{"imageTag": tag}]});
    let found = ask_json(front, call, ("ecr", TARGET, "BatchGetImage"), &asked).await?;
    match found.pointer("/images/0/imageManifest").and_then(Value::as_str) {
        Some(manifest) if Some(manifest) != call.member("imageManifest") => {
            let message = format!(
                "The image tag '{tag}' already exists in the '{name}' repository and cannot be \
                 overwritten because the repository is immutable."
            );
            Err(Failure::refuse("ImageTagAlreadyExistsException", message))
        }
        _ => Ok(()),
    }
}

/// A policy is JSON with statements, each with an effect, an action and a principal.
pub fn check_policy(text: &str) -> Result<(), Failure> {
    let policy: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let statements = match policy.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    let has = |statement: &Value, names: &[&str]| {
        names.iter().any(|name| statement.get(name).is_some_and(|value| !value.is_null()))
    };
    let fine = |statement: &Value| {
        matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
            && has(statement, &["Action", "NotAction"])
            && has(statement, &["Principal", "NotPrincipal"])
    };
    if !statements.is_empty() && statements.iter().all(fine) {
        return Ok(());
    }
    Err(invalid(
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy \
         provided'",
    ))
}

/// Words of lower-case letters and digits, joined by single `.`, `_`, `-` (or two `_`) and `/`.
pub fn is_repository_name(name: &str, most: usize) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let part = |part: &str| part.split(['.', '_', '-']).all(word);
    (2..=most).contains(&name.len()) && name.split('/').all(part)
}

fn invalid(message: &str) -> Failure {
    Failure::refuse("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["ab", "a-b/c_d.e", "0a"] {
            assert!(is_repository_name(name, 256), "{name}");
        }
        for name in ["a", "A", "a--b", "a/", "/a", "a b", "a-", ""] {
            assert!(!is_repository_name(name, 256), "{name}");
        }
    }

    #[test]
    fn policies() {
        let fine = r#"{"Version": "2012-10-17", "Statement":
            [{"Effect": "Allow", "Principal": "*", "Action": "ecr:GetDownloadUrlForLayer"}]}"#;
        assert!(check_policy(fine).is_ok());
        for bad in
            ["", "{}", "[]", r#"{"Statement": []}"#, r#"{"Statement": [{"Effect": "Allow"}]}"#]
        {
            assert!(check_policy(bad).is_err(), "{bad}");
        }
    }
}
