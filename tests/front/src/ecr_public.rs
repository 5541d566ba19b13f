//! Public ECR, which no emulator has: repositories, their catalogue data, policies and tags.
//!
//! <https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/Welcome.html>
//! Images are not here: nobody pushes to an emulator.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::front::{Front, lock};
use crate::request::Call;
use crate::rules::ecr::{check_policy, is_repository_name};
use crate::rules::tags::{self, Tag};
use crate::shape::{Answer, Failure};

/// The repositories of each account, by name.
#[derive(Default)]
pub struct PublicRegistries {
    accounts: HashMap<String, BTreeMap<String, Repository>>,
}

/// One public repository.
struct Repository {
    made: f64,
    catalogue: Map<String, Value>,
    policy: Option<String>,
    tags: Vec<Tag>,
}

type Repositories = BTreeMap<String, Repository>;

/// Answers a call to public ECR.
pub async fn answer(front: &Front, call: &Call) -> Result<Answer, Failure> {
    if call.region != "us-east-1" {
        let message = format!("{} is not supported in {}", call.operation, call.region);
        return Err(Failure::refuse("UnsupportedCommandException", message));
    }
    let account = front.account(call).await?;
    let mut registries = lock(&front.public_registries);
    let repositories = registries.accounts.entry(account.clone()).or_default();
    let body = match call.operation.as_str() {
        "CreateRepository" => create(repositories, &account, call),
        "DescribeRepositories" => describe(repositories, &account, call),
        "DeleteRepository" => {
            let name = existing(repositories, &account, call)?;
            let gone = repositories.remove(&name);
            Ok(json!({"repository": gone.map(|gone| gone.show(&account, &name))}))
        }
        "PutRepositoryCatalogData" => {
            let repository = find(repositories, &account, call)?;
            repository.catalogue = catalogue(call)?;
            Ok(json!({"catalogData": repository.catalogue}))
        }
        "GetRepositoryCatalogData" => {
            Ok(json!({"catalogData": find(repositories, &account, call)?.catalogue}))
        }
        "SetRepositoryPolicy" => {
            let text = call.member("policyText").unwrap_or_default();
            check_policy(text)?;
            find(repositories, &account, call)?.policy = Some(text.to_owned());
            Ok(policy(&account, call, text))
        }
        "GetRepositoryPolicy" => {
            let text = find(repositories, &account, call)?.policy.clone();
            Ok(policy(&account, call, &text.ok_or_else(|| no_policy(&account, call))?))
        }
        "DeleteRepositoryPolicy" => {
            let text = find(repositories, &account, call)?.policy.take();
            Ok(policy(&account, call, &text.ok_or_else(|| no_policy(&account, call))?))
        }
        "DescribeImages" => {
            find(repositories, &account, call)?;
            Ok(json!({"imageDetails": []}))
        }
        "DescribeImageTags" => {
            find(repositories, &account, call)?;
            Ok(json!({"imageTagDetails": []}))
        }
        "DescribeRegistries" => Ok(registry(&account)),
        "TagResource" => {
            let new = tags::of_json(&call.json, "tags");
            tags::check(call, &new)?;
            let repository = by_arn(repositories, &account, call)?;
            let merged = tags::merge(&repository.tags, new);
            tags::check_count(call, merged.len())?;
            repository.tags = merged;
            Ok(json!({}))
        }
        "UntagResource" => {
            let gone = call.json.get("tagKeys").and_then(Value::as_array).cloned();
            let gone = gone.unwrap_or_default();
            let repository = by_arn(repositories, &account, call)?;
            repository.tags.retain(|tag| !gone.iter().any(|key| key.as_str() == Some(&tag.key)));
            Ok(json!({}))
        }
        "ListTagsForResource" => {
            let repository = by_arn(repositories, &account, call)?;
            let show = |tag: &Tag| json!({"Key": tag.key, "Value": tag.value});
            Ok(json!({"tags": repository.tags.iter().map(show).collect::<Vec<_>>()}))
        }
        _ => Err(Failure::not_implemented(call)),
    };
    body.map(|body| Answer::json(&body))
}

fn create(repositories: &mut Repositories, account: &str, call: &Call) -> Result<Value, Failure> {
    let name = call.member("repositoryName").unwrap_or_default();
    if !is_repository_name(name, 205) {
        return Err(invalid("repositoryName"));
    }
    let tags = tags::of_json(&call.json, "tags");
    tags::check(call, &tags)?;
    if repositories.contains_key(name) {
        let message = format!(
            "The repository with name '{name}' already exists in the registry with id '{account}'"
        );
        return Err(Failure::refuse("RepositoryAlreadyExistsException", message));
    }
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let repository = Repository {
        // Milliseconds fit a float for the next 285,000 years.
        made: made as f64 / 1e3,
        catalogue: catalogue(call)?,
        policy: None,
        tags,
    };
    let shown = repository.show(account, name);
    let catalogue = repository.catalogue.clone();
    repositories.insert(name.to_owned(), repository);
    Ok(json!({"repository": shown, "catalogData": catalogue}))
}

fn describe(repositories: &Repositories, account: &str, call: &Call) -> Result<Value, Failure> {
    let names = call.json.get("repositoryNames").and_then(Value::as_array);
    let shown: Vec<Value> = match names {
        Some(names) if !names.is_empty() => {
            let show = |name: &Value| {
                let name = name.as_str().unwrap_or_default();
                let found = repositories.get(name).ok_or_else(|| not_found(account, name))?;
                Ok(found.show(account, name))
            };
            names.iter().map(show).collect::<Result<_, Failure>>()?
        }
        _ => repositories.iter().map(|(name, found)| found.show(account, name)).collect(),
    };
    Ok(json!({"repositories": shown}))
}

impl Repository {
    fn show(&self, account: &str, name: &str) -> Value {
        json!({
            "repositoryArn": format!("arn:aws:ecr-public::{account}:repository/{name}"),
            "registryId": account,
            "repositoryName": name,
            "repositoryUri": format!("public.ecr.aws/{}/{name}", alias(account)),
            "createdAt": self.made,
        })
    }
}

/// AWS gives each registry a random alias of a letter, a digit and so on; ours follows the account.
fn alias(account: &str) -> String {
    let number: u64 = account.parse().unwrap_or(0);
    format!("a{:x}", number % 0xfff_ffff)
}

/// The catalogue data of a request, as it is shown afterwards.
fn catalogue(call: &Call) -> Result<Map<String, Value>, Failure> {
    const TEXTS: &[(&str, usize)] =
        &[("description", 1024), ("aboutText", 25600), ("usageText", 25600)];
    let mut data = match call.json.get("catalogData") {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    for (name, most) in TEXTS {
        let length = data.get(*name).and_then(Value::as_str).map_or(0, |text| text.chars().count());
        if length > *most {
            return Err(invalid(name));
        }
    }
    for name in ["architectures", "operatingSystems"] {
        if data.get(name).and_then(Value::as_array).is_some_and(|list| list.len() > 50) {
            return Err(invalid(name));
        }
    }
    if data.remove("logoImageBlob").is_some_and(|blob| !blob.is_null()) {
        data.insert(
            "logoUrl".to_owned(),
            json!("https://d3g9o9u8re44ak.cloudfront.net/logo/front"),
        );
    }
    data.retain(|_, value| !value.is_null());
    Ok(data)
}

fn registry(account: &str) -> Value {
    let alias = alias(account);
    json!({"registries": [{
        "registryId": account,
        "registryArn": format!("arn:aws:ecr-public::{account}:registry/{account}"),
        "registryUri": format!("public.ecr.aws/{alias}"),
        "verified": false,
        "aliases": [{
            "name": alias,
            "status": "ACTIVE",
            "primaryRegistryAlias": true,
            "defaultRegistryAlias": true,
        }],
    }]})
}

fn policy(account: &str, call: &Call, text: &str) -> Value {
    let name = call.member("repositoryName").unwrap_or_default();
    json!({"registryId": account, "repositoryName": name, "policyText": text})
}

/// The name of the repository that a call names, if there is one.
fn existing(repositories: &Repositories, account: &str, call: &Call) -> Result<String, Failure> {
    let name = call.member("repositoryName").unwrap_or_default();
    if repositories.contains_key(name) {
        Ok(name.to_owned())
    } else {
        Err(not_found(account, name))
    }
}

fn find<'a>(
    repositories: &'a mut Repositories,
    account: &str,
    call: &Call,
) -> Result<&'a mut Repository, Failure> {
    let name = call.member("repositoryName").unwrap_or_default();
    repositories.get_mut(name).ok_or_else(|| not_found(account, name))
}

fn by_arn<'a>(
    repositories: &'a mut Repositories,
    account: &str,
    call: &Call,
) -> Result<&'a mut Repository, Failure> {
    let arn = call.member("resourceArn").unwrap_or_default();
    let start = format!("arn:aws:ecr-public::{account}:repository/");
    let name = arn.strip_prefix(&start).ok_or_else(|| invalid("resourceArn"))?;
    repositories.get_mut(name).ok_or_else(|| not_found(account, name))
}

fn invalid(parameter: &str) -> Failure {
    let message = format!("Invalid parameter at '{parameter}' failed to satisfy constraint");
    Failure::refuse("InvalidParameterException", message)
}

fn not_found(account: &str, name: &str) -> Failure {
    let message = format!(
        "The repository with name '{name}' does not exist in the registry with id '{account}'"
    );
    Failure::refuse("RepositoryNotFoundException", message)
}

fn no_policy(account: &str, call: &Call) -> Failure {
    let name = call.member("repositoryName").unwrap_or_default();
    let message = format!(
        "Repository policy does not exist for the repository with name '{name}' in the registry \
         with id '{account}'"
    );
    Failure::refuse("RepositoryPolicyNotFoundException", message)
}
