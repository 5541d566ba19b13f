//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html>
//! <https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/Welcome.html>

use super::{All, Page, missing, texts};
use crate::account::{ACCOUNT, Account, MADE_SECONDS, Region, number_in};
use crate::made::member;
use iasql_front::request::Call;
use iasql_front::shape::{Answer, Failure};
use serde_json::{Value, json};

const MOST: usize = 1000;
const REPOSITORIES: &str = "repositories";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let made = |name: &str| region.made(REPOSITORIES, &[member("repositoryName", name)]);
    match call.operation.as_str() {
        "DescribeRepositories" => {
            let parts = match texts(call, "repositoryNames").as_slice() {
                [] => Vec::new(),
                [name] => vec![member("repositoryName", name)],
                _ => return None,
            };
            let counted = |number| repository(region, &format!("repository-{number}")).to_string();
            let all = All::of(region, REPOSITORIES, &parts, region.repositories, &counted);
            let page = Page::json(all.len(), call, "maxResults", MOST, 100);
            Some(page.answer("repositories", |at| all.get(at)))
        }
        "DescribeImages" => {
            let name = call.member("repositoryName")?;
            if !made(name).is_empty() {
                return Some(Answer::json(&json!({"imageDetails": []})));
            }
            let (number, repositories) = (number_in(name)?, region.repositories.max(1));
            let all = (region.images + repositories - 1 - number) / repositories;
            let page = Page::json(all, call, "maxResults", MOST, 100);
            Some(page.answer("imageDetails", |image| self::image(number, image).to_string()))
        }
        "GetRepositoryPolicy" => {
            let name = call.member("repositoryName")?;
            let why = format!(
                "Repository policy does not exist for the repository with name '{name}' in the registry \
                 with id '{ACCOUNT}'"
            );
            Some(Answer::failure(call, &Failure::refuse("RepositoryPolicyNotFoundException", why)))
        }
        "ListTagsForResource" => {
            let name = call.member("resourceArn")?.rsplit('/').next()?;
            match made(name).is_empty() {
                true => Some(tags()),
                false => Some(Answer::json(&json!({"tags": []}))),
            }
        }
        "CreateRepository" if call.json.get("tags").is_none() => {
            let made = repository(region, call.member("repositoryName")?);
            region.keep(REPOSITORIES, made.to_string());
            Some(Answer::json(&json!({"repository": made})))
        }
        "DeleteRepository" => {
            let name = call.member("repositoryName")?;
            match region.drop(REPOSITORIES, member("repositoryName", name)) {
                true => Some(Answer::json(&json!({"repository": repository(region, name)}))),
                false => Some(missing(call, "RepositoryNotFoundException")),
            }
        }
        _ => None,
    }
}

/// The registry that everyone can read, which is in one region.
pub fn public(account: &Account, call: &Call) -> Option<Answer> {
    match call.operation.as_str() {
        "DescribeRepositories" if call.json.get("repositoryNames").is_none() => {
            let page = Page::json(account.public_repositories, call, "maxResults", MOST, 100);
            Some(page.answer("repositories", |number| {
                let repository = json!({
                    "createdAt": MADE_SECONDS,
                    "registryId": ACCOUNT,
                    "repositoryArn": format!("arn:aws:ecr-public::{ACCOUNT}:repository/public-{number}"),
                    "repositoryName": format!("public-{number}"),
                    "repositoryUri": format!("public.ecr.aws/bench/public-{number}"),
                });
                repository.to_string()
            }))
        }
        "ListTagsForResource" => Some(tags()),
        _ => None,
    }
}

fn tags() -> Answer {
    Answer::json(&json!({"tags": [{"Key": "team", "Value": "bench"}]}))
}

fn repository(region: Region<'_>, name: &str) -> Value {
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
