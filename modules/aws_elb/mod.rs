//! Elastic Load Balancing.
//!
//! Tags come twenty things to a call, attributes one: so they are what a read of this module waits
//! for. All are asked for side by side.

mod attributes;
mod listener;
mod load_balancer;
mod load_balancer_security_groups;
mod target_group;

pub use listener::Listener;
pub use load_balancer::LoadBalancer;
pub use load_balancer_security_groups::LoadBalancerSecurityGroups;
pub use target_group::TargetGroup;

use crate::aws_vpc::filter;
use crate::cloud::Of;
use crate::prelude::*;
use crate::{Module, VERSION};
use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancingv2::{Client, types};
use std::collections::HashMap;

/// Load balancers, what they listen to and where they send it.
pub const MODULE: Module = Module {
    name: "aws_elb",
    version: VERSION,
    doc: "Load balancers, what they listen to and where they send it.",
    depends: &["aws_security_group"],
    resources: &[&Of::<LoadBalancer>::new(), &Of::<TargetGroup>::new(), &Of::<Listener>::new()],
    schema: include_str!("schema.sql"),
    extra: "",
};

/// The largest page of a listing.
const PAGE: i32 = 400;

/// How many things one call tells the tags of.
const TAGGED: usize = 20;

/// The load balancers, or just one of them.
async fn load_balancers(elb: &Client, only: Option<&str>) -> Result<Vec<types::LoadBalancer>> {
    let request = elb.describe_load_balancers();
    if let Some(name) = only {
        // A request for names takes no page size.
        return Ok(request.names(name).send().await?.load_balancers.unwrap_or_default());
    }
    let (mut all, mut pages) = (Vec::new(), request.page_size(PAGE).into_paginator().send());
    while let Some(page) = pages.try_next().await? {
        all.extend(page.load_balancers.unwrap_or_default());
    }
    Ok(all)
}

/// The target groups, or just one of them.
pub(crate) async fn target_groups(
    elb: &Client,
    only: Option<&str>,
) -> Result<Vec<types::TargetGroup>> {
    let request = elb.describe_target_groups();
    if let Some(name) = only {
        return Ok(request.names(name).send().await?.target_groups.unwrap_or_default());
    }
    let (mut all, mut pages) = (Vec::new(), request.page_size(PAGE).into_paginator().send());
    while let Some(page) = pages.try_next().await? {
        all.extend(page.target_groups.unwrap_or_default());
    }
    Ok(all)
}

/// A listing of what may not be there.
fn if_any<T>(listed: Result<Vec<T>>) -> Result<Vec<T>> {
    match listed {
        Err(error) if error.not_found() => Ok(Vec::new()),
        listed => listed,
    }
}

/// The VPC that AWS made for the region.
async fn default_vpc(ec2: &ec2::Client) -> Result<String> {
    let filters = filter("is-default", Some("true")).map(|filter| vec![filter]);
    let found = ec2.describe_vpcs().set_filters(filters).send().await?;
    let vpc = found.vpcs.into_iter().flatten().next().and_then(|vpc| vpc.vpc_id);
    vpc.ok_or_else(|| Error::row("vpc", "this region has no default VPC; name one"))
}

/// The tags of things, by ARN. One that has gone since it was listed has none, not even an empty map.
async fn tags_of(elb: &Client, arns: Vec<String>) -> Result<HashMap<String, Tags>> {
    let ask = async |arns: &[String]| -> Result<Vec<(String, Tags)>> {
        let answer = elb.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await?;
        let of = |it: types::TagDescription| Some((it.resource_arn?, tags(it.tags)));
        Ok(answer.tag_descriptions.into_iter().flatten().filter_map(of).collect())
    };
    let some = async |arns: &[String]| match ask(arns).await {
        // AWS does not say which of them has gone.
        Err(error) if error.not_found() => {
            let each_alone = each(arns.chunks(1).collect(), ask).await?;
            Ok(each_alone.into_iter().flatten().collect())
        }
        answer => answer,
    };
    let found = each(arns.chunks(TAGGED).collect(), some).await?;
    Ok(found.into_iter().flatten().collect())
}

fn tags(tags: Option<Vec<types::Tag>>) -> Tags {
    let pair = |tag: types::Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    tags.into_iter().flatten().filter_map(pair).collect()
}

/// Tags for a call that takes no empty list of them.
fn listed(tags: &Tags) -> Option<Vec<types::Tag>> {
    let tag = |(name, value)| types::Tag::builder().key(name).value(value).build();
    let tags: Vec<_> = tags.iter().map(tag).collect();
    (!tags.is_empty()).then_some(tags)
}

async fn retag(elb: &Client, arn: &str, tags: &Tags, was: &Tags) -> Result<()> {
    let (set, remove) = tags.diff(was);
    if !remove.is_empty() {
        elb.remove_tags().resource_arns(arn).set_tag_keys(Some(remove)).send().await?;
    }
    if let Some(set) = listed(&set) {
        elb.add_tags().resource_arns(arn).set_tags(Some(set)).send().await?;
    }
    Ok(())
}

/// The name in the ARN of a load balancer or a target group: before the last part.
fn name_in(arn: &str) -> Option<&str> {
    arn.rsplit('/').nth(1)
}
