//! Networks of an account's own.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Vpc.html>
//!
//! The DNS switches take two calls per VPC. There are five VPCs in a region unless AWS raised the
//! quota, and the calls of all go out together: one round trip more.

use super::{PAGE, filter, retag, tagged, tags};
use crate::prelude::*;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, AttributeBooleanValue, ResourceType, VpcAttributeName};

/// A virtual private cloud: a network of the account's own.
#[derive(Debug, Clone, Resource)]
#[resource(
    read_back,
    birth(table = "security_group", parent = "vpc_id", cells(group_name = "default"), kept),
    reads("ec2:DescribeVpcAttribute", "ec2:DescribeVpcs"),
    writes(
        "ec2:CreateTags",
        "ec2:CreateVpc",
        "ec2:DeleteTags",
        "ec2:DeleteVpc",
        "ec2:ModifyVpcAttribute"
    )
)]
#[check(
    sql = "NEW.enable_dns_support OR NOT NEW.enable_dns_hostnames",
    message = "enable_dns_hostnames needs enable_dns_support",
    hint = "Set both to true, or both to false."
)]
pub struct Vpc {
    /// ID, given by AWS.
    #[column(id, read_only)]
    pub vpc_id: Option<String>,
    /// The range of its addresses, of 16 to 65,536. A change replaces the VPC and what is in it.
    #[column(fixed)]
    #[check(
        sql = "family(NEW.cidr_block::text::inet) = 4 AND masklen(NEW.cidr_block::text::inet) BETWEEN 16 AND 28",
        message = "cidr_block is no range for a VPC: AWS takes IPv4 ranges from /16 to /28",
        hint = "Write it like 10.0.0.0/16."
    )]
    pub cidr_block: Range,
    /// Whether AWS has it ready.
    #[column(read_only, labels("available", "pending", "deleting"))]
    pub state: Option<String>,
    /// Whether it is the one that AWS made for the region.
    #[column(read_only, default = "false")]
    pub is_default: Option<bool>,
    /// Whether instances run on hardware of their own (`dedicated`). A change replaces the VPC.
    #[column(fixed, labels("default", "dedicated"), default = "'default'")]
    pub instance_tenancy: String,
    /// Whether AWS's DNS server answers in it.
    #[column(default = "true")]
    pub enable_dns_support: bool,
    /// Whether instances with public addresses get public DNS names.
    #[column(default = "false")]
    pub enable_dns_hostnames: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Vpc {
    type Client = Client;

    async fn list(ec2: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let request = ec2.describe_vpcs().max_results(PAGE);
        let cidr = filter("cidr", which.like().map(|like| &*like.cidr_block));
        let mut pages = request.set_filters(cidr.map(|it| vec![it])).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            found.add_marked(
                each(page.vpcs.unwrap_or_default(), async |it| seen(ec2, it).await).await?,
            );
        }
        Ok(())
    }

    async fn create(&self, ec2: &Client, mark: &str) -> Result<Self> {
        let made = ec2
            .create_vpc()
            .cidr_block(&*self.cidr_block)
            .instance_tenancy(self.instance_tenancy.as_str().into())
            .set_tag_specifications(tagged(ResourceType::Vpc, self.tags.marked(mark)))
            .send()
            .await?;
        Ok(Self {
            vpc_id: Some(made.vpc.and_then(|vpc| vpc.vpc_id).must("the VPC's ID")?),
            state: Some("pending".to_owned()),
            enable_dns_support: true,
            enable_dns_hostnames: false,
            ..self.clone()
        })
    }

    async fn update(&self, was: &Self, ec2: &Client) -> Result<()> {
        let id = was.vpc_id.as_deref().must("the VPC's ID")?;
        self.switch_dns(was, id, ec2).await?;
        retag(ec2, id, &self.tags, &was.tags).await
    }

    async fn delete(&self, ec2: &Client) -> Result<()> {
        ec2.delete_vpc().set_vpc_id(self.vpc_id.clone()).send().await.done()
    }

    fn kept(&self) -> Option<&'static str> {
        let why = "AWS made this VPC for the region; if it is to go, delete it in the AWS console";
        (self.is_default == Some(true)).then_some(why)
    }
}

impl Vpc {
    async fn switch_dns(&self, was: &Self, id: &str, ec2: &Client) -> Result<()> {
        let to = |value| AttributeBooleanValue::builder().value(value).build();
        let request = || ec2.modify_vpc_attribute().vpc_id(id);
        let support = (self.enable_dns_support != was.enable_dns_support)
            .then(|| request().enable_dns_support(to(self.enable_dns_support)));
        let hostnames = (self.enable_dns_hostnames != was.enable_dns_hostnames)
            .then(|| request().enable_dns_hostnames(to(self.enable_dns_hostnames)));
        // One attribute per call, and never host names without support.
        let calls =
            if self.enable_dns_support { [support, hostnames] } else { [hostnames, support] };
        for call in calls.into_iter().flatten() {
            if was.state.as_deref() == Some("pending") {
                available(ec2, id).await?;
            }
            call.send().await?;
        }
        Ok(())
    }
}

/// A VPC is pending for a second or two after it was made.
async fn available(ec2: &Client, id: &str) -> Result<()> {
    until(&format!("VPC {id} to be available"), Duration::from_secs(120), async || {
        let vpcs = ec2.describe_vpcs().vpc_ids(id).send().await?.vpcs;
        let ready = |vpc: types::Vpc| vpc.state == Some(types::VpcState::Available);
        Ok(vpcs.into_iter().flatten().any(ready).then_some(()))
    })
    .await
}

/// A VPC with its attributes, and its mark.
async fn seen(ec2: &Client, it: types::Vpc) -> Result<(Vpc, Option<String>)> {
    let id = it.vpc_id.must("a VPC's ID")?;
    let attribute = |name| ec2.describe_vpc_attribute().vpc_id(&id).attribute(name).send();
    let (support, hostnames) = futures_util::try_join!(
        attribute(VpcAttributeName::EnableDnsSupport),
        attribute(VpcAttributeName::EnableDnsHostnames),
    )?;
    let on = |value: Option<AttributeBooleanValue>| value.and_then(|it| it.value);
    let (tags, mark) = tags(it.tags);
    let vpc = Vpc {
        cidr_block: it.cidr_block.must("a VPC's range")?.into(),
        state: it.state.map(|state| state.to_string()),
        is_default: Some(it.is_default.unwrap_or_default()),
        instance_tenancy: it.instance_tenancy.map_or("default".to_owned(), |it| it.to_string()),
        enable_dns_support: on(support.enable_dns_support).must("enableDnsSupport")?,
        enable_dns_hostnames: on(hostnames.enable_dns_hostnames).must("enableDnsHostnames")?,
        tags,
        vpc_id: Some(id),
    };
    Ok((vpc, mark))
}
