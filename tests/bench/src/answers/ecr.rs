//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html>
//! <https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/Welcome.html>

use super::Page;
use crate::account::{ACCOUNT, Account, MADE_SECONDS, Region, number_in};
use iasql_front::request::Call;
use iasql_front::shape::{Answer, Failure};
use serde_json::{Value, json};

const MOST: usize = 1000;

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    match call.operation.as_str() {
        "DescribeRepositories" if call.json.get("repositoryNames").is_none() => {
            let page = Page::json(region.repositories, call, "maxResults", MOST, 100);
            Some(page.answer("repositories", |number| repository(region, number)))
        }
        "DescribeImages" => {
            let number = number_in(call.member("repositoryName")?)?;
            let repositories = region.repositories.max(1);
            let all = (region.images + repositories - 1 - number) / repositories;
            let page = Page::json(all, call, "maxResults", MOST, 100);
            Some(page.answer("imageDetails", |image| self::image(number, image)))
        }
        "GetRepositoryPolicy" => {
            let name = call.member("repositoryName")?;
            let why = format!(
                "Repository policy does not exist for the repository with name '{name}' in the registry \
                 with id '{ACCOUNT}'"
            );
            Some(Answer::failure(call, &Failure::refuse("RepositoryPolicyNotFoundException", why)))
        }
        "ListTagsForResource" => Some(tags()),
        _ => None,
    }
}

/// The registry that everyone can read, which is in one region.
pub fn public(account: &Account, call: &Call) -> Option<Answer> {
    match call.operation.as_str() {
        "DescribeRepositories" if call.json.get("repositoryNames").is_none() => {
            let page = Page::json(account.public_repositories, call, "maxResults", MOST, 100);
            Some(page.answer("repositories", |number| {
                json!({
                    "createdAt": MADE_SECONDS,
                    "registryId": ACCOUNT,
                    "repositoryArn": format!("arn:aws:ecr-public::{ACCOUNT}:repository/public-{number}"),
                    "repositoryName": format!("public-{number}"),
                    "repositoryUri": format!("public.ecr.aws/bench/public-{number}"),
                })
            }))
        }
        "ListTagsForResource" => Some(tags()),
        _ => None,
    }
}

fn tags() -> Answer {
    Answer::json(&json!({"tags": [{"Key": "team", "Value": "bench"}]}))
}

fn repository(region: Region<'_>, number: usize) -> Value {
    let name = format!("repository-{number}");
    json!({
        "repositoryArn": region.arn("ecr", &format!("repository/{name}")),
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{ACCOUNT}.dkr.ecr.{}.amazonaws.com/{name}", region.name),
        "createdAt": MADE_SECONDS,
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": false},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    })
}

fn image(repository: usize, number: usize) -> Value {
    json!({
        "registryId": ACCOUNT,
        "repositoryName": format!("repository-{repository}"),
        "imageDigest": format!("sha256:{repository:032x}{number:032x}"),
        "imageTags": [format!("v{number}")],
        "imageSizeInBytes": 7023,
        "imagePushedAt": MADE_SECONDS,
        "imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
    })
}
