//! CloudWatch Logs: names, retention and keys of log groups.

use serde_json::{Value, json};

use super::ask_json;
use crate::front::Front;
use crate::request::Call;
use crate::shape::Failure;

/// The retentions that AWS offers, in days.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub async fn check(front: &Front, call: &Call) -> Result<(), Failure> {
    match call.operation.as_str() {
        "CreateLogGroup" => {
            check_name(call.member("logGroupName").unwrap_or_default())?;
            check_class(call)?;
            check_key(front, call).await
        }
        "AssociateKmsKey" => check_key(front, call).await,
        "PutRetentionPolicy" => check_retention(call),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Failure> {
    const MARKS: &str = ".-_/#";
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || MARKS.contains(sign);
    let constraint = if name.is_empty() {
        "Member must have length greater than or equal to 1"
    } else if name.len() > 512 {
        "Member must have length less than or equal to 512"
    } else if !name.chars().all(allowed) {
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
    } else if name.starts_with("aws/") {
        return Err(invalid("Log group names starting with aws/ are reserved for AWS.".to_owned()));
    } else {
        return Ok(());
    };
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: \
         {constraint}"
    )))
}

fn check_class(call: &Call) -> Result<(), Failure> {
    match call.member("logGroupClass") {
        None | Some("STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY") => Ok(()),
        Some(other) => Err(invalid(format!(
            "1 validation error detected: Value '{other}' at 'logGroupClass' failed to satisfy \
             constraint: Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]"
        ))),
    }
}

fn check_retention(call: &Call) -> Result<(), Failure> {
    let days = call.json.get("retentionInDays").and_then(Value::as_i64);
    match days {
        Some(days) if RETENTIONS.contains(&days) => Ok(()),
        _ => Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy \
             constraint: Member must satisfy enum value set: {RETENTIONS:?}",
            days.map_or_else(|| "null".to_owned(), |days| days.to_string())
        ))),
    }
}

/// The key must be an enabled one; AWS wants its ARN.
async fn check_key(front: &Front, call: &Call) -> Result<(), Failure> {
    let Some(key) = call.member("kmsKeyId") else {
        return Ok(());
    };
    let asked = json!({"KeyId": key});
    let found = ask_json(front, call, ("kms", "TrentService", "DescribeKey"), &asked).await?;
    let enabled = found.pointer("/KeyMetadata/Enabled").and_then(Value::as_bool) == Some(true);
    if enabled && key.starts_with("arn:") {
        return Ok(());
    }
    let group = call.member("logGroupName").unwrap_or_default();
    Err(invalid(format!(
        "The specified KMS key does not exist or is not allowed to be used with LogGroup '{group}'"
    )))
}

fn invalid(message: String) -> Failure {
    Failure::refuse("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names() {
        for name in ["a", "/ecs/web#1", "A.b-c_d"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b!", "aws/lambda", "é", &"a".repeat(513)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
