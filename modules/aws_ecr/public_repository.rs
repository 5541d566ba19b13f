//! Public image repositories, as shown in the ECR Public Gallery.
//! <https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/API_Repository.html>
//!
//! An account has few of these, so that a call for the tags of each costs next to nothing.

use crate::prelude::*;
use aws_sdk_ecrpublic::{Client, types};

/// A public image repository. The account has one public registry for all regions.
#[derive(Debug, Clone, Resource)]
#[resource(
    global,
    reads("ecr-public:DescribeRepositories", "ecr-public:ListTagsForResource"),
    writes(
        "ecr-public:CreateRepository",
        "ecr-public:DeleteRepository",
        "ecr-public:GetRepositoryCatalogData",
        "ecr-public:TagResource",
        "ecr-public:UntagResource"
    )
)]
pub struct PublicRepository {
    /// Its name, unique within the account.
    #[column(key)]
    #[check(
        sql = "NEW.repository_name ~ '^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$' AND length(NEW.repository_name) BETWEEN 2 AND 205",
        message = "repository_name is no name for a repository: 2 to 205 lower-case letters and digits, with a single . _ - or / between them",
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
    /// Lets the repository be made anew although that loses its page in the gallery. For the next
    /// apply.
    #[column(waiver, default = "false")]
    pub replace_anyway: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for PublicRepository {
    type Client = Client;

    async fn list(ecr: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let tagged = async |repository: types::Repository| {
            let arn = repository.repository_arn.as_deref().must("a repository's ARN")?;
            let tags = ecr.list_tags_for_resource().resource_arn(arn).send().await?.tags;
            let pair = |tag: types::Tag| Some((tag.key?, tag.value.unwrap_or_default()));
            Self::seen(repository, tags.into_iter().flatten().filter_map(pair).collect())
        };
        let request = ecr.describe_repositories();
        if let Some(like) = which.like() {
            let page = match request.repository_names(&like.repository_name).send().await {
                Ok(page) => page.repositories.unwrap_or_default(),
                Err(error) => match Error::from(error) {
                    error if error.not_found() => Vec::new(),
                    error => return Err(error),
                },
            };
            found.add(each(page, tagged).await?);
            return Ok(());
        }
        let mut pages = request.max_results(1000).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            found.add(each(page.repositories.unwrap_or_default(), &tagged).await?);
        }
        Ok(())
    }

    async fn create(&self, ecr: &Client, _mark: &str) -> Result<Self> {
        let made = ecr
            .create_repository()
            .repository_name(&self.repository_name)
            .set_tags(listed(&self.tags))
            .send()
            .await?;
        Self::seen(made.repository.must("the repository it made")?, self.tags.clone())
    }

    async fn update(&self, was: &Self, ecr: &Client) -> Result<()> {
        let arn = was.repository_arn.as_deref().must("the repository's ARN")?;
        let (set, remove) = self.tags.diff(&was.tags);
        if !remove.is_empty() {
            ecr.untag_resource().resource_arn(arn).set_tag_keys(Some(remove)).send().await?;
        }
        if let Some(set) = listed(&set) {
            ecr.tag_resource().resource_arn(arn).set_tags(Some(set)).send().await?;
        }
        Ok(())
    }

    async fn loses(&self, ecr: &Client) -> Result<Vec<&'static str>> {
        let request = ecr.get_repository_catalog_data().repository_name(&self.repository_name);
        let page = request.send().await?.catalog_data;
        let shown = page.is_some_and(|page| {
            let words = [page.description, page.about_text, page.usage_text, page.logo_url];
            let lists = [page.architectures, page.operating_systems];
            words.into_iter().flatten().chain(lists.into_iter().flatten().flatten()).count() > 0
        });
        Ok(shown.then_some("its page in the gallery").into_iter().collect())
    }

    async fn delete(&self, ecr: &Client) -> Result<()> {
        let name = &self.repository_name;
        match ecr.delete_repository().repository_name(name).send().await.done() {
            Err(error) if error.code() == "RepositoryNotEmptyException" => Err(Error::row(
                "repository_name",
                format!(
                    "{name} still holds images; to lose them with it: aws ecr-public delete-repository \
                     --region us-east-1 --repository-name {name} --force"
                ),
            )),
            outcome => outcome,
        }
    }
}

impl PublicRepository {
    fn seen(it: types::Repository, tags: Tags) -> Result<Self> {
        Ok(Self {
            repository_name: it.repository_name.must("a repository's name")?,
            repository_arn: it.repository_arn,
            registry_id: it.registry_id,
            repository_uri: it.repository_uri,
            created_at: it.created_at.map(Timestamp::from),
            replace_anyway: false,
            tags,
        })
    }
}

fn listed(tags: &Tags) -> Option<Vec<types::Tag>> {
    let tag = |(name, value)| types::Tag::builder().key(name).value(value).build();
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}
