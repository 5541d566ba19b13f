//! Elastic Container Service on Fargate.

mod cluster;
mod container_definition;
mod image;
mod service;
mod service_security_groups;
mod task_definition;

pub use cluster::Cluster;
pub use container_definition::ContainerDefinition;
pub use service::Service;
pub use service_security_groups::ServiceSecurityGroups;
pub use task_definition::TaskDefinition;

use crate::cloud::Of;
use crate::cloud::cell::MARK;
use crate::prelude::*;
use crate::{Module, VERSION};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Tag;
use std::collections::BTreeMap;

/// Containers without servers: clusters, task definitions and services.
pub const MODULE: Module = Module {
    name: "aws_ecs_fargate",
    version: VERSION,
    doc: "Containers without servers: clusters, task definitions and services.",
    depends: &["aws_cloudwatch", "aws_ecr", "aws_elb", "aws_iam"],
    resources: &[&Of::<Cluster>::new(), &Of::<TaskDefinition>::new(), &Of::<Service>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};

/// The user's tags in an answer of ECS, and the mark among them.
fn tags(tags: Option<Vec<Tag>>) -> (Tags, Option<String>) {
    let tags = tags.into_iter().flatten();
    let pairs: Vec<_> =
        tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    let mark = pairs.iter().find(|(name, _)| name == MARK).map(|(_, mark)| mark.clone());
    (pairs.into_iter().collect(), mark)
}

/// Tags for a call of ECS; it takes no empty list of them.
fn listed(tags: BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tag = |(name, value)| Tag::builder().key(name).value(value).build();
    (!tags.is_empty()).then(|| tags.into_iter().map(tag).collect())
}

/// Changes the tags of something in ECS.
async fn retag(ecs: &Client, arn: &str, tags: &Tags, was: &Tags) -> Result<()> {
    let (set, remove) = tags.diff(was);
    if !remove.is_empty() {
        ecs.untag_resource().resource_arn(arn).set_tag_keys(Some(remove)).send().await?;
    }
    if let Some(set) = listed(set.all()) {
        ecs.tag_resource().resource_arn(arn).set_tags(Some(set)).send().await?;
    }
    Ok(())
}

/// What an ARN ends with: the name, of a cluster, a service or a role.
fn name_in(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The SDK's builders find out at run time whether a field is missing.
fn unfinished(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}
