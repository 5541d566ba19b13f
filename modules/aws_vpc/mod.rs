//! Virtual Private Cloud.

mod subnet;
mod vpc;

pub use subnet::Subnet;
pub use vpc::Vpc;

use crate::cloud::Of;
use crate::cloud::cell::MARK;
use crate::prelude::*;
use crate::{Module, VERSION};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use std::collections::BTreeMap;

/// Networks.
pub const MODULE: Module = Module {
    name: "aws_vpc",
    version: VERSION,
    doc: "Networks: virtual private clouds and their subnets.",
    depends: &[],
    resources: &[&Of::<Vpc>::new(), &Of::<Subnet>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};

/// The page size of EC2's listings. Without one, they come unpaged and at half the rate.
pub const PAGE: i32 = 1000;

/// A condition on what a listing of EC2 returns; none, if there is no value.
pub fn filter(name: &str, value: Option<&str>) -> Option<Filter> {
    value.map(|value| Filter::builder().name(name).values(value).build())
}

/// Tags for a call of EC2 that creates; it takes no empty list of them.
pub fn tagged(kind: ResourceType, tags: BTreeMap<String, String>) -> Option<Vec<TagSpecification>> {
    let tag = |(name, value)| Tag::builder().key(name).value(value).build();
    let tags: Vec<_> = tags.into_iter().map(tag).collect();
    let specification =
        TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone()));
    (!tags.is_empty()).then(|| vec![specification.build()])
}

/// The user's tags in an answer of EC2, and the mark among them.
pub fn tags(tags: Option<Vec<Tag>>) -> (Tags, Option<String>) {
    let tags = tags.into_iter().flatten();
    let pairs: Vec<_> =
        tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    let mark = pairs.iter().find(|(name, _)| name == MARK).map(|(_, mark)| mark.clone());
    (pairs.into_iter().collect(), mark)
}

/// Changes the tags of something in EC2.
pub async fn retag(ec2: &Client, id: &str, tags: &Tags, was: &Tags) -> Result<()> {
    let (set, remove) = tags.diff(was);
    if !remove.is_empty() {
        let names = remove.into_iter().map(|name| Tag::builder().key(name).build());
        ec2.delete_tags().resources(id).set_tags(Some(names.collect())).send().await?;
    }
    if !set.is_empty() {
        let tags = set.iter().map(|(name, value)| Tag::builder().key(name).value(value).build());
        ec2.create_tags().resources(id).set_tags(Some(tags.collect())).send().await?;
    }
    Ok(())
}
