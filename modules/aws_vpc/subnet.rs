//! Parts of a VPC, each in one availability zone.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Subnet.html>

use super::{PAGE, Vpc, filter, retag, tagged, tags};
use crate::prelude::*;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, AttributeBooleanValue, ResourceType};

/// A range of a VPC's addresses in one availability zone.
#[derive(Debug, Clone, Resource)]
#[resource(
    exclusive,
    read_back,
    reads("ec2:DescribeSubnets"),
    writes(
        "ec2:CreateSubnet",
        "ec2:CreateTags",
        "ec2:DeleteSubnet",
        "ec2:DeleteTags",
        "ec2:ModifySubnetAttribute"
    )
)]
pub struct Subnet {
    /// The VPC it is part of.
    #[column(key, fixed)]
    pub vpc_id: Ref<Vpc>,
    /// The range of its addresses, of 16 to 65,536, within the VPC's. A change replaces the subnet.
    #[column(key, fixed)]
    #[check(
        sql = "family(NEW.cidr_block::text::inet) = 4 AND masklen(NEW.cidr_block::text::inet) BETWEEN 16 AND 28",
        message = "cidr_block is no range for a subnet: AWS takes IPv4 ranges from /16 to /28",
        hint = "Write it like 10.0.1.0/24, within the range of the VPC."
    )]
    pub cidr_block: Range,
    /// The zone it is in; AWS chooses one if NULL. A change replaces the subnet.
    #[column(fixed, late)]
    #[check(
        sql = "starts_with(NEW.availability_zone, NEW.region)",
        message = "availability_zone is in another region than the subnet",
        hint = "Write the name of the region and a letter, as in us-east-1a for us-east-1, or set region, too."
    )]
    pub availability_zone: Option<String>,
    /// ID, given by AWS.
    #[column(id, read_only)]
    pub subnet_id: Option<String>,
    /// ARN, given by AWS.
    #[column(read_only)]
    pub subnet_arn: Option<String>,
    /// Whether AWS has it ready.
    #[column(
        read_only,
        labels("available", "pending", "unavailable", "failed", "failed-insufficient-capacity")
    )]
    pub state: Option<String>,
    /// How many of its addresses are free.
    #[column(read_only)]
    pub available_ip_address_count: Option<i32>,
    /// The account that owns it.
    #[column(read_only)]
    pub owner_id: Option<String>,
    /// Whether it is the one that AWS made for the zone.
    #[column(read_only, default = "false")]
    pub default_for_az: Option<bool>,
    /// Whether network interfaces in it get a public address.
    #[column(default = "false")]
    pub map_public_ip_on_launch: bool,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for Subnet {
    type Client = Client;

    async fn list(ec2: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let like = which.like();
        let filters = [
            filter("vpc-id", like.map(|like| &*like.vpc_id)),
            filter("cidr-block", like.map(|like| &*like.cidr_block)),
        ];
        let request = ec2.describe_subnets().max_results(PAGE);
        let filters: Vec<_> = filters.into_iter().flatten().collect();
        let request = request.set_filters((!filters.is_empty()).then_some(filters));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            let mut rows = Vec::new();
            for subnet in page.subnets.unwrap_or_default() {
                match subnet.cidr_block {
                    Some(_) => rows.push(Self::seen(subnet)?),
                    None => found
                        .cannot(subnet.subnet_id.unwrap_or_default(), "it has no IPv4 addresses"),
                }
            }
            found.add_marked(rows);
        }
        Ok(())
    }

    async fn create(&self, ec2: &Client, mark: &str) -> Result<Self> {
        let made = ec2
            .create_subnet()
            .vpc_id(&*self.vpc_id)
            .cidr_block(&*self.cidr_block)
            .set_availability_zone(self.availability_zone.clone())
            .set_tag_specifications(tagged(ResourceType::Subnet, self.tags.marked(mark)))
            .send()
            .await?;
        let (subnet, _) = Self::seen(made.subnet.must("the subnet it made")?)?;
        Ok(Self { tags: self.tags.clone(), ..subnet })
    }

    async fn update(&self, was: &Self, ec2: &Client) -> Result<()> {
        let id = was.subnet_id.as_deref().must("the subnet's ID")?;
        if self.map_public_ip_on_launch != was.map_public_ip_on_launch {
            let to = AttributeBooleanValue::builder().value(self.map_public_ip_on_launch).build();
            ec2.modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(to).send().await?;
        }
        retag(ec2, id, &self.tags, &was.tags).await
    }

    async fn delete(&self, ec2: &Client) -> Result<()> {
        ec2.delete_subnet().set_subnet_id(self.subnet_id.clone()).send().await.done()
    }

    fn kept(&self) -> Option<&'static str> {
        let why = "AWS made this subnet for the zone; if it is to go, delete it in the AWS console";
        (self.default_for_az == Some(true)).then_some(why)
    }
}

impl Subnet {
    fn seen(it: types::Subnet) -> Result<(Self, Option<String>)> {
        let (tags, mark) = tags(it.tags);
        let subnet = Self {
            vpc_id: it.vpc_id.must("a subnet's VPC")?.into(),
            cidr_block: it.cidr_block.must("a subnet's range")?.into(),
            availability_zone: it.availability_zone,
            subnet_id: it.subnet_id,
            subnet_arn: it.subnet_arn,
            state: it.state.map(|state| state.to_string()),
            available_ip_address_count: it.available_ip_address_count,
            owner_id: it.owner_id,
            default_for_az: Some(it.default_for_az.unwrap_or_default()),
            map_public_ip_on_launch: it.map_public_ip_on_launch.unwrap_or_default(),
            tags,
        };
        Ok((subnet, mark))
    }
}
