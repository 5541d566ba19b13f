//! Private image repositories.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Repository.html>
//!
//! The listing leaves tags out, so they take a call per repository; ECR's limits allow for that.

use super::repositories;
use crate::prelude::*;
use aws_sdk_ecr::{Client, types};
use types::{EncryptionConfiguration, ImageTagMutabilityExclusionFilter as Exclusion};

/// A private image repository.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads("ecr:DescribeRepositories", "ecr:ListTagsForResource"),
    writes(
        "ecr:CreateRepository",
        "ecr:DeleteRepository",
        "ecr:GetLifecyclePolicy",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecr:TagResource",
        "ecr:UntagResource",
        "kms:CreateGrant",
        "kms:DescribeKey"
    )
)]
#[check(
    sql = "(NEW.image_tag_mutability::text LIKE '%WITH_EXCLUSION') = (cardinality(NEW.mutability_exclusions) > 0)",
    message = "mutability_exclusions goes with an image_tag_mutability of IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION, and only with these",
    hint = "Write both, as in image_tag_mutability = 'IMMUTABLE_WITH_EXCLUSION', mutability_exclusions = '{latest,dev-*}'."
)]
#[check(
    sql = "NEW.kms_key IS NULL OR NEW.encryption_type IS DISTINCT FROM 'AES256'",
    message = "a kms_key is not used with an encryption_type of AES256",
    hint = "Leave encryption_type out, or set it to KMS."
)]
pub struct Repository {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.repository_name ~ '^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$' AND length(NEW.repository_name) BETWEEN 2 AND 256",
        message = "repository_name is no name for a repository: 2 to 256 lower-case letters and digits, with a single . _ - or / between them",
        hint = "Write it like web or team/web-api."
    )]
    pub repository_name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub repository_arn: Option<String>,
    /// The account whose registry it is in, given by AWS.
    #[column(read_only)]
    pub registry_id: Option<String>,
    /// What `docker push` and `docker pull` take, given by AWS.
    #[column(read_only)]
    pub repository_uri: Option<String>,
    /// When it was made.
    #[column(created, read_only)]
    pub created_at: Option<Timestamp>,
    /// Whether a tag that has been pushed may be pushed again: `MUTABLE`, `IMMUTABLE`, or one of these
    /// but for the tags that match mutability_exclusions.
    #[column(
        labels("IMMUTABLE", "MUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"),
        default = "'MUTABLE'",
        not_null
    )]
    pub image_tag_mutability: String,
    /// Patterns of the tags that image_tag_mutability does not hold for, such as `dev-*`.
    #[column(default = "'{}'")]
    pub mutability_exclusions: Set,
    /// Whether images are scanned for vulnerabilities as they are pushed.
    #[column(default = "false")]
    pub scan_on_push: bool,
    /// How images are encrypted at rest. A change replaces the repository.
    #[column(fixed, late, labels("AES256", "KMS", "KMS_DSSE"))]
    pub encryption_type: Option<String>,
    /// The ARN of the KMS key that encrypts images; AWS takes its own if there is none. A change
    /// replaces the repository.
    #[column(fixed, late)]
    #[check(
        sql = "NEW.kms_key ~ '^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$'",
        message = "kms_key is not the ARN of a KMS key",
        hint = "Write it like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab; AWS answers with that form of an alias, too."
    )]
    pub kms_key: Option<String>,
    /// Lets the repository be made anew although that loses its lifecycle policy. For the next apply.
    #[column(waiver, default = "false")]
    pub replace_anyway: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Repository {
    type Client = Client;

    async fn list(ecr: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let only = which.like().map(|repository| repository.repository_name.as_str());
        repositories(ecr, only, async |page| {
            let tagged = async |repository: types::Repository| {
                let arn = repository.repository_arn.as_deref().must("a repository's ARN")?;
                let tags = ecr.list_tags_for_resource().resource_arn(arn).send().await?.tags;
                let tags = tags.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect();
                Self::seen(repository, tags)
            };
            found.add(each(page, tagged).await?);
            Ok(())
        })
        .await
    }

    async fn create(&self, ecr: &Client, _mark: &str) -> Result<Self> {
        let made = ecr
            .create_repository()
            .repository_name(&self.repository_name)
            .image_tag_mutability(self.image_tag_mutability.as_str().into())
            .set_image_tag_mutability_exclusion_filters(self.exclusions()?)
            .image_scanning_configuration(scanning(self.scan_on_push))
            .set_encryption_configuration(self.encryption()?)
            .set_tags(listed(&self.tags)?)
            .send()
            .await?;
        Self::seen(made.repository.must("the repository it made")?, self.tags.clone())
    }

    async fn update(&self, was: &Self, ecr: &Client) -> Result<()> {
        let name = &self.repository_name;
        let mutability =
            |it: &Self| (it.image_tag_mutability.clone(), it.mutability_exclusions.clone());
        if mutability(self) != mutability(was) {
            ecr.put_image_tag_mutability()
                .repository_name(name)
                .image_tag_mutability(self.image_tag_mutability.as_str().into())
                .set_image_tag_mutability_exclusion_filters(self.exclusions()?)
                .send()
                .await?;
        }
        if self.scan_on_push != was.scan_on_push {
            let scanning = scanning(self.scan_on_push);
            ecr.put_image_scanning_configuration()
                .repository_name(name)
                .image_scanning_configuration(scanning)
                .send()
                .await?;
        }
        let arn = was.repository_arn.as_deref().must("the repository's ARN")?;
        let (set, remove) = self.tags.diff(&was.tags);
        if !remove.is_empty() {
            ecr.untag_resource().resource_arn(arn).set_tag_keys(Some(remove)).send().await?;
        }
        if let Some(set) = listed(&set)? {
            ecr.tag_resource().resource_arn(arn).set_tags(Some(set)).send().await?;
        }
        Ok(())
    }

    async fn loses(&self, ecr: &Client) -> Result<Vec<&'static str>> {
        let request = ecr.get_lifecycle_policy().repository_name(&self.repository_name);
        match request.send().await.map_err(Error::from) {
            Ok(_) => Ok(vec!["its lifecycle policy"]),
            Err(error) if error.not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, ecr: &Client) -> Result<()> {
        let name = &self.repository_name;
        match ecr.delete_repository().repository_name(name).send().await.done() {
            Err(error) if error.code() == "RepositoryNotEmptyException" => Err(Error::row(
                "repository_name",
                format!(
                    "{name} still holds images; to lose them with it: SELECT iasql_sync(); \
                     DELETE FROM repository_image WHERE repository_name = '{name}'; \
                     DELETE FROM repository WHERE repository_name = '{name}'"
                ),
            )),
            outcome => outcome,
        }
    }
}

impl Repository {
    fn seen(it: types::Repository, tags: Tags) -> Result<Self> {
        let exclusions = it.image_tag_mutability_exclusion_filters.into_iter().flatten();
        let encryption = it.encryption_configuration;
        Ok(Self {
            repository_name: it.repository_name.must("a repository's name")?,
            repository_arn: it.repository_arn,
            registry_id: it.registry_id,
            repository_uri: it.repository_uri,
            created_at: it.created_at.map(Timestamp::from),
            image_tag_mutability: it
                .image_tag_mutability
                .map_or("MUTABLE".to_owned(), |it| it.to_string()),
            mutability_exclusions: exclusions.map(|exclusion| exclusion.filter).collect(),
            scan_on_push: it.image_scanning_configuration.is_some_and(|it| it.scan_on_push),
            encryption_type: encryption.as_ref().map(|it| it.encryption_type.to_string()),
            kms_key: encryption.and_then(|it| it.kms_key),
            replace_anyway: false,
            tags,
        })
    }

    fn exclusions(&self) -> Result<Option<Vec<Exclusion>>> {
        let exclusion = |pattern: &String| {
            Exclusion::builder()
                .filter_type("WILDCARD".into())
                .filter(pattern)
                .build()
                .map_err(unfinished)
        };
        let exclusions: Vec<_> =
            self.mutability_exclusions.iter().map(exclusion).collect::<Result<_>>()?;
        Ok((!exclusions.is_empty()).then_some(exclusions))
    }

    fn encryption(&self) -> Result<Option<EncryptionConfiguration>> {
        let kind = self.encryption_type.as_deref().or(self.kms_key.as_ref().map(|_| "KMS"));
        let Some(kind) = kind else { return Ok(None) };
        let encryption = EncryptionConfiguration::builder().encryption_type(kind.into());
        encryption.set_kms_key(self.kms_key.clone()).build().map(Some).map_err(unfinished)
    }
}

fn scanning(on_push: bool) -> types::ImageScanningConfiguration {
    types::ImageScanningConfiguration::builder().scan_on_push(on_push).build()
}

fn listed(tags: &Tags) -> Result<Option<Vec<types::Tag>>> {
    let tag =
        |(name, value)| types::Tag::builder().key(name).value(value).build().map_err(unfinished);
    let tags: Vec<_> = tags.iter().map(tag).collect::<Result<_>>()?;
    Ok((!tags.is_empty()).then_some(tags))
}

/// The SDK's builders find out at run time whether a field is missing.
fn unfinished(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}
