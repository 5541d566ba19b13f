//! Groups of network interfaces that share their firewall rules.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroup.html>

use crate::aws_vpc::{PAGE, Vpc, filter, retag, tagged, tags};
use crate::prelude::*;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, ResourceType};

/// A security group: what is in it lets through the traffic that its rules name, and no other.
///
/// AWS gives a new group a rule that lets all traffic out; apply removes it unless
/// security_group_rule has it, too. The group `default` comes with each VPC.
#[derive(Debug, Clone, Resource)]
#[resource(
    create_first,
    read_back,
    birth(
        table = "security_group_rule",
        parent = "security_group_id",
        cells(is_egress = true, ip_protocol = "-1", cidr_ipv4 = "0.0.0.0/0")
    ),
    reads("ec2:DescribeSecurityGroups"),
    writes(
        "ec2:CreateSecurityGroup",
        "ec2:CreateTags",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteTags"
    )
)]
pub struct SecurityGroup {
    /// The VPC it is for; the region's default VPC if NULL. A change replaces the group.
    #[column(key, fixed, late, when_null = "is_default")]
    pub vpc_id: Option<Ref<Vpc>>,
    /// Its name, unique within the VPC. A change replaces the group.
    #[column(key, fixed)]
    #[check(
        sql = "NEW.group_id IS NOT NULL OR NEW.group_name NOT ILIKE 'sg-%'",
        message = "group_name begins with sg-, which AWS keeps to the IDs of groups",
        hint = "Write another name, such as web."
    )]
    #[check(
        sql = "lower(NEW.group_name) <> 'default' OR NEW.group_name = 'default'",
        message = "group_name is another spelling of default, the name of the group that AWS makes with each VPC",
        hint = "Write default to take over that group, or another name to make one."
    )]
    #[check(
        sql = "NEW.group_name ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\\]-]{1,255}$' AND NEW.group_name = trim(NEW.group_name)",
        message = "group_name is no name for a security group: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*, no space first or last",
        hint = "Write it like web or web (internal)."
    )]
    pub group_name: String,
    /// What it is for; its name, if NULL. A change replaces the group.
    #[column(fixed, late)]
    #[check(
        sql = "NEW.group_id IS NOT NULL OR NEW.description ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\\]-]{1,255}$'",
        message = "description is not one AWS takes: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*",
        hint = "Leave the other characters out, or leave the column out: the name stands in for it."
    )]
    pub description: Option<String>,
    /// ID, given by AWS.
    #[column(id, read_only)]
    pub group_id: Option<String>,
    /// The account that owns it.
    #[column(read_only)]
    pub owner_id: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for SecurityGroup {
    type Client = Client;

    async fn list(ec2: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let like = which.like();
        let filters = [
            filter("vpc-id", like.and_then(|like| like.vpc_id.as_deref())),
            filter("group-name", like.map(|like| like.group_name.as_str())),
        ];
        let filters: Vec<_> = filters.into_iter().flatten().collect();
        let request = ec2.describe_security_groups().max_results(PAGE);
        let request = request.set_filters((!filters.is_empty()).then_some(filters));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            let rows = page.security_groups.into_iter().flatten().map(Self::seen);
            found.add_marked(rows.collect::<Result<Vec<_>>>()?);
        }
        Ok(())
    }

    async fn create(&self, ec2: &Client, mark: &str) -> Result<Self> {
        let made = ec2
            .create_security_group()
            .group_name(&self.group_name)
            .description(self.description.as_ref().unwrap_or(&self.group_name))
            .set_vpc_id(self.vpc_id.as_deref().map(str::to_owned))
            .set_tag_specifications(tagged(ResourceType::SecurityGroup, self.tags.marked(mark)))
            .send()
            .await?;
        Ok(Self { group_id: Some(made.group_id.must("the group's ID")?), ..self.clone() })
    }

    async fn update(&self, was: &Self, ec2: &Client) -> Result<()> {
        retag(ec2, was.group_id.as_deref().must("the group's ID")?, &self.tags, &was.tags).await
    }

    async fn delete(&self, ec2: &Client) -> Result<()> {
        ec2.delete_security_group().set_group_id(self.group_id.clone()).send().await.done()
    }

    fn kept(&self) -> Option<&'static str> {
        (self.group_name == "default")
            .then_some("AWS keeps the default security group as long as its VPC")
    }
}

impl SecurityGroup {
    fn seen(it: types::SecurityGroup) -> Result<(Self, Option<String>)> {
        let (tags, mark) = tags(it.tags);
        let group = Self {
            vpc_id: it.vpc_id.map(Ref::from),
            group_name: it.group_name.must("a security group's name")?,
            description: it.description,
            group_id: it.group_id,
            owner_id: it.owner_id,
            tags,
        };
        Ok((group, mark))
    }
}
