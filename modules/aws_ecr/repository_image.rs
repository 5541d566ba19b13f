//! What private repositories hold.
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html>
//!
//! A row is what a user can remove by itself: a tag of an image, or an image without tags. That is
//! how ECR's own API deletes: with its last tag goes the image.

use super::{Repository, repositories};
use crate::prelude::*;
use aws_sdk_ecr::{Client, types};

/// An image in a private repository, once for each of its tags. Images come by `docker push`; a row
/// can be deleted, and with an image's last tag the image goes.
#[derive(Debug, Clone, Resource)]
#[resource(
    import_only,
    reads("ecr:DescribeImages", "ecr:DescribeRepositories"),
    writes("ecr:BatchDeleteImage")
)]
pub struct RepositoryImage {
    /// What `docker pull` takes, given by AWS.
    #[column(id, read_only)]
    pub image_uri: Option<String>,
    /// The repository it is in.
    #[column(read_only)]
    pub repository_name: Named<Repository>,
    /// The digest of its manifest.
    #[column(read_only)]
    pub digest: String,
    /// Its tag, if it has one.
    #[column(read_only)]
    pub tag: Option<String>,
    /// When it was pushed.
    #[column(created, read_only)]
    pub pushed_at: Option<Timestamp>,
    /// Its size in the repository in bytes, compressed.
    #[column(read_only)]
    pub size: Option<i64>,
}

impl Cloud for RepositoryImage {
    type Client = Client;

    async fn list(ecr: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let only = which.like().map(|image| &*image.repository_name);
        repositories(ecr, only, async |page| {
            let images = async |repository: types::Repository| {
                let name = repository.repository_name.must("a repository's name")?;
                let uri = repository.repository_uri.must("a repository's URI")?;
                let request = ecr.describe_images().repository_name(&name).max_results(1000);
                let mut pages = request.into_paginator().send();
                while let Some(page) = pages.try_next().await? {
                    let images = page.image_details.into_iter().flatten();
                    let rows = images.map(|image| Self::seen(&name, &uri, image));
                    found.add(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten());
                }
                Ok(())
            };
            each(page, images).await.done()
        })
        .await
    }

    async fn create(&self, _ecr: &Client, _mark: &str) -> Result<Self> {
        Err(Error::row("repository_name", "images are pushed, not inserted"))
    }

    async fn update(&self, _was: &Self, _ecr: &Client) -> Result<()> {
        Err(Error::row("repository_name", "images are pushed, not changed"))
    }

    async fn delete(&self, ecr: &Client) -> Result<()> {
        let image = types::ImageIdentifier::builder();
        let image = match &self.tag {
            Some(tag) => image.image_tag(tag),
            None => image.image_digest(&self.digest),
        };
        let image = image.build();
        // The parts of an image for several platforms can go only after it, and it may be on its way.
        until("an image that this one is a part of to go", Duration::from_secs(60), async || {
            let request = ecr.batch_delete_image().repository_name(&*self.repository_name);
            let failures =
                request.image_ids(image.clone()).send().await?.failures.unwrap_or_default();
            let Some(failure) = failures.first() else { return Ok(Some(())) };
            match failure.failure_code.as_ref().map(types::ImageFailureCode::as_str) {
                Some("ImageNotFound") => Ok(Some(())),
                Some("ImageReferencedByManifestList") => Ok(None),
                code => Err(Error::row(
                    "image_uri",
                    format!(
                        "{}: {}",
                        code.unwrap_or_default(),
                        failure.failure_reason().unwrap_or_default()
                    ),
                )),
            }
        })
        .await
    }
}

impl RepositoryImage {
    /// A row per tag, or one for an image without.
    fn seen(repository: &str, uri: &str, it: types::ImageDetail) -> Result<Vec<Self>> {
        let digest = it.image_digest.must("an image's digest")?;
        let row = |tag: Option<String>| Self {
            image_uri: Some(match &tag {
                Some(tag) => format!("{uri}:{tag}"),
                None => format!("{uri}@{digest}"),
            }),
            repository_name: repository.into(),
            digest: digest.clone(),
            tag,
            pushed_at: it.image_pushed_at.map(Timestamp::from),
            size: it.image_size_in_bytes,
        };
        let tags = it.image_tags.unwrap_or_default();
        if tags.is_empty() {
            return Ok(vec![row(None)]);
        }
        Ok(tags.into_iter().map(|tag| row(Some(tag))).collect())
    }
}
