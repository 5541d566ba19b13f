//! Elastic Container Registry.

mod public_repository;
mod repository;
mod repository_image;
mod repository_policy;

pub use public_repository::PublicRepository;
pub use repository::Repository;
pub use repository_image::RepositoryImage;
pub use repository_policy::RepositoryPolicy;

use crate::cloud::Of;
use crate::prelude::*;
use crate::{Module, VERSION};
use aws_sdk_ecr::{Client, types};

/// Container images: repositories, who may use them, and what is in them.
pub const MODULE: Module = Module {
    name: "aws_ecr",
    version: VERSION,
    doc: "Container images: private and public repositories, their policies and their images.",
    depends: &[],
    resources: &[
        &Of::<PublicRepository>::new(),
        &Of::<Repository>::new(),
        &Of::<RepositoryPolicy>::new(),
        &Of::<RepositoryImage>::new(),
    ],
    schema: include_str!("schema.sql"),
    extra: "",
};

/// The private repositories, page by page, or just one of them if it exists.
async fn repositories(
    ecr: &Client,
    only: Option<&str>,
    mut each_page: impl AsyncFnMut(Vec<types::Repository>) -> Result<()>,
) -> Result<()> {
    let request = ecr.describe_repositories();
    if let Some(name) = only {
        // A request for names takes no page size.
        return match request.repository_names(name).send().await.map_err(Error::from) {
            Ok(found) => each_page(found.repositories.unwrap_or_default()).await,
            Err(error) if error.not_found() => Ok(()),
            Err(error) => Err(error),
        };
    }
    let mut pages = request.max_results(1000).into_paginator().send();
    while let Some(page) = pages.try_next().await? {
        each_page(page.repositories.unwrap_or_default()).await?;
    }
    Ok(())
}
