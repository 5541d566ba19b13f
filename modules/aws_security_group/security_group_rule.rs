//! The rules of security groups, each a resource of its own, so that groups can name each other.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html>
//!
//! AWS takes two rules for the same if they agree in direction, protocol, ports and peer; that is the
//! key here. What else a rule has (a description, tags) is changed in place.

use super::SecurityGroup;
use crate::aws_vpc::{PAGE, filter, retag, tagged, tags};
use crate::cloud::cell::Cells;
use crate::prelude::*;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    self, IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, UserIdGroupPair,
};
use iasql_engine::compare;
use std::slice;

/// A rule of a security group: traffic that is let through.
#[derive(Debug, Clone, Resource)]
#[resource(
    create_first,
    reads("ec2:DescribeSecurityGroupRules"),
    writes(
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateTags",
        "ec2:DeleteTags",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress"
    )
)]
#[check(
    sql = "num_nonnulls(NEW.cidr_ipv4, NEW.cidr_ipv6, NEW.prefix_list_id, NEW.source_security_group) = 1",
    message = "a rule is for exactly one of cidr_ipv4, cidr_ipv6, prefix_list_id and source_security_group",
    hint = "Set one of the four, and write a rule of its own for each of the others; cidr_ipv4 = '0.0.0.0/0' is every IPv4 address."
)]
#[check(
    sql = "(NEW.from_port IS NULL) = (NEW.to_port IS NULL)",
    message = "from_port and to_port go together",
    hint = "Write the same port to both for a single one."
)]
#[check(
    sql = "NEW.ip_protocol NOT IN ('tcp', 'udp') OR coalesce(NEW.from_port BETWEEN 0 AND NEW.to_port AND NEW.to_port <= 65535, false)",
    message = "a rule for tcp or udp needs ports from 0 to 65535, from_port not above to_port",
    hint = "Write 0 and 65535 for all ports, the same port twice for a single one."
)]
#[check(
    sql = "NEW.ip_protocol NOT IN ('icmp', 'icmpv6') OR (coalesce(NEW.from_port, -1) BETWEEN -1 AND 255 AND coalesce(NEW.to_port, -1) BETWEEN -1 AND 255 AND (coalesce(NEW.from_port, -1) <> -1 OR coalesce(NEW.to_port, -1) = -1))",
    message = "a rule for icmp or icmpv6 holds an ICMP type in from_port and a code in to_port, each up to 255 or -1 for all; all types have all codes",
    hint = "Write -1 to both, or leave both out, for all of ICMP; 8 and -1 for ping."
)]
#[check(
    sql = "NEW.ip_protocol IN ('tcp', 'udp', 'icmp', 'icmpv6') OR (coalesce(NEW.from_port, -1) = -1 AND coalesce(NEW.to_port, -1) = -1)",
    message = "ports go with tcp and udp; a rule for -1, which is all protocols, or for another one is for all ports",
    hint = "Leave from_port and to_port out, or write -1 to both; or set ip_protocol to tcp or udp."
)]
pub struct SecurityGroupRule {
    /// The group that the rule belongs to.
    #[column(key)]
    pub security_group_id: Ref<SecurityGroup>,
    /// Whether it is for traffic that leaves the members of the group; otherwise, that reaches them.
    #[column(key)]
    pub is_egress: bool,
    /// The protocol: `tcp`, `udp`, `icmp`, `icmpv6`, the number of another, or `-1` for all.
    #[column(key)]
    #[check(
        sql = "NEW.ip_protocol IN ('-1', 'tcp', 'udp', 'icmp', 'icmpv6') OR (NEW.ip_protocol ~ '^(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$' AND NEW.ip_protocol NOT IN ('1', '6', '17', '58'))",
        message = "ip_protocol is not the name that AWS has for a protocol",
        hint = "Write -1 for all protocols, tcp, udp, icmp or icmpv6 for these four, the number for any other."
    )]
    pub ip_protocol: String,
    /// The first port of tcp and udp; the type of ICMP. -1 or NULL is all of them.
    #[column(key)]
    pub from_port: Option<Port>,
    /// The last port of tcp and udp; the code of ICMP. -1 or NULL is all of them.
    #[column(key)]
    pub to_port: Option<Port>,
    /// The IPv4 addresses at the other end.
    #[column(key)]
    #[check(
        sql = "family(NEW.cidr_ipv4::text::inet) = 4",
        message = "cidr_ipv4 is not a range of IPv4 addresses",
        hint = "Write IPv6 ranges to cidr_ipv6."
    )]
    pub cidr_ipv4: Option<Range>,
    /// The IPv6 addresses at the other end.
    #[column(key)]
    #[check(
        sql = "family(NEW.cidr_ipv6::text::inet) = 6",
        message = "cidr_ipv6 is not a range of IPv6 addresses",
        hint = "Write IPv4 ranges to cidr_ipv4."
    )]
    pub cidr_ipv6: Option<Range>,
    /// The prefix list that names the addresses at the other end.
    #[column(key)]
    #[check(
        sql = "NEW.prefix_list_id ~ '^pl-[0-9a-f]+$'",
        message = "prefix_list_id is not the ID of a prefix list",
        hint = "Write it like pl-63a5400a; aws ec2 describe-prefix-lists shows those of AWS's services."
    )]
    pub prefix_list_id: Option<String>,
    /// The security group whose members are at the other end.
    #[column(key)]
    pub source_security_group: Option<Ref<SecurityGroup>>,
    /// What the rule is for.
    #[check(
        sql = "NEW.description ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\\]-]{1,255}$'",
        message = "description is not one AWS takes: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*",
        hint = "Leave the other characters out; write NULL for none."
    )]
    pub description: Option<String>,
    /// ID, given by AWS.
    #[column(id, read_only)]
    pub security_group_rule_id: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for SecurityGroupRule {
    type Client = Client;

    async fn list(ec2: &Client, which: Which<'_, Self>, found: &Found<'_, Self>) -> Result<()> {
        let group = filter("group-id", which.like().map(|like| &*like.security_group_id));
        let request = ec2.describe_security_group_rules().max_results(PAGE);
        let mut pages = request.set_filters(group.map(|it| vec![it])).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            let mut rows = Vec::new();
            for rule in page.security_group_rules.unwrap_or_default() {
                if of_another_account(&rule) {
                    let id = rule.security_group_rule_id.unwrap_or_default();
                    found.cannot(id, "its source is a security group of another account");
                } else {
                    rows.push(Self::seen(rule)?);
                }
            }
            found.add(rows);
        }
        Ok(())
    }

    /// Their tags are those of the call, and AWS allows far fewer calls than rules.
    const TOGETHER: &'static [&'static str] = &["security_group_id", "is_egress", "tags"];

    async fn create(&self, ec2: &Client, mark: &str) -> Result<Self> {
        let made = Self::create_all(slice::from_ref(self), ec2, &[mark]).await?;
        made.into_iter().next().must("the rule it made")
    }

    async fn create_all(rules: &[Self], ec2: &Client, _marks: &[&str]) -> Result<Vec<Self>> {
        let Some(Self { security_group_id, is_egress, tags, .. }) = rules.first() else {
            return Ok(Vec::new());
        };
        let permissions = Some(rules.iter().map(Self::permission).collect());
        let tags = tagged(ResourceType::SecurityGroupRule, tags.all());
        let made = if *is_egress {
            let request = ec2.authorize_security_group_egress().group_id(&**security_group_id);
            let request = request.set_ip_permissions(permissions).set_tag_specifications(tags);
            request.send().await?.security_group_rules
        } else {
            let request = ec2.authorize_security_group_ingress().group_id(&**security_group_id);
            let request = request.set_ip_permissions(permissions).set_tag_specifications(tags);
            request.send().await?.security_group_rules
        };
        let made = made.into_iter().flatten().map(|rule| Ok(Self::seen(rule)?.into_row()));
        let made = made.collect::<Result<Vec<_>>>()?;
        // Which is which says what they are: AWS promises no order.
        let answered = |rule: &Self| {
            let wanted = rule.clone().into_row();
            let it = made.iter().find(|made| compare::same_key(Self::TABLE, &wanted, made));
            let id = Self::TABLE.cloud_id(it.must("the rule it made")?).map(str::to_owned);
            Ok(Self { security_group_rule_id: id, ..rule.clone() })
        };
        rules.iter().map(answered).collect()
    }

    async fn update(&self, was: &Self, ec2: &Client) -> Result<()> {
        let (group, rule) = (&*self.security_group_id, self.permission());
        match self.description == was.description {
            true => (),
            _ if self.is_egress => {
                let request = ec2.update_security_group_rule_descriptions_egress().group_id(group);
                request.ip_permissions(rule).send().await?;
            }
            _ => {
                let request = ec2.update_security_group_rule_descriptions_ingress().group_id(group);
                request.ip_permissions(rule).send().await?;
            }
        }
        let id = was.security_group_rule_id.as_deref().must("the rule's ID")?;
        retag(ec2, id, &self.tags, &was.tags).await
    }

    async fn delete(&self, ec2: &Client) -> Result<()> {
        Self::delete_all(slice::from_ref(self), ec2).await
    }

    async fn delete_all(rules: &[Self], ec2: &Client) -> Result<()> {
        let Some(Self { security_group_id, is_egress, .. }) = rules.first() else { return Ok(()) };
        let id = |rule: &Self| rule.security_group_rule_id.clone().must("the rule's ID");
        let ids = Some(rules.iter().map(id).collect::<Result<Vec<_>>>()?);
        if *is_egress {
            let request = ec2.revoke_security_group_egress().group_id(&**security_group_id);
            request.set_security_group_rule_ids(ids).send().await.done()
        } else {
            let request = ec2.revoke_security_group_ingress().group_id(&**security_group_id);
            request.set_security_group_rule_ids(ids).send().await.done()
        }
    }
}

impl SecurityGroupRule {
    fn seen(it: types::SecurityGroupRule) -> Result<Self> {
        let (tags, _) = tags(it.tags);
        let source = it.referenced_group_info.and_then(|group| group.group_id);
        Ok(Self {
            security_group_id: it.group_id.must("a rule's group")?.into(),
            is_egress: it.is_egress.must("a rule's direction")?,
            ip_protocol: it.ip_protocol.must("a rule's protocol")?,
            from_port: it.from_port.map(Port),
            to_port: it.to_port.map(Port),
            cidr_ipv4: it.cidr_ipv4.map(Range::from),
            cidr_ipv6: it.cidr_ipv6.map(Range::from),
            prefix_list_id: it.prefix_list_id,
            source_security_group: source.map(Ref::from),
            description: it.description.filter(|text| !text.is_empty()),
            security_group_rule_id: it.security_group_rule_id,
            tags,
        })
    }

    /// The rule in the terms that create it and find it: a permission for a single peer.
    fn permission(&self) -> IpPermission {
        let ports = match self.ip_protocol.as_str() {
            "tcp" | "udp" | "icmp" | "icmpv6" => Some((self.from_port, self.to_port)),
            _ => None,
        };
        let (from, to) = ports.map(|(from, to)| (number(from), number(to))).unzip();
        let text = || self.description.clone();
        let ipv4 = self
            .cidr_ipv4
            .as_deref()
            .map(|range| vec![IpRange::builder().cidr_ip(range).set_description(text()).build()]);
        let ipv6 = self.cidr_ipv6.as_deref().map(|range| {
            vec![Ipv6Range::builder().cidr_ipv6(range).set_description(text()).build()]
        });
        let lists = self.prefix_list_id.as_deref().map(|list| {
            vec![PrefixListId::builder().prefix_list_id(list).set_description(text()).build()]
        });
        let groups = self.source_security_group.as_deref().map(|group| {
            vec![UserIdGroupPair::builder().group_id(group).set_description(text()).build()]
        });
        IpPermission::builder()
            .ip_protocol(&self.ip_protocol)
            .set_from_port(from)
            .set_to_port(to)
            .set_ip_ranges(ipv4)
            .set_ipv6_ranges(ipv6)
            .set_prefix_list_ids(lists)
            .set_user_id_group_pairs(groups)
            .build()
    }
}

/// A port as the API wants it, which has -1 for none.
fn number(port: Option<Port>) -> i32 {
    port.map_or(-1, |Port(number)| number)
}

fn of_another_account(rule: &types::SecurityGroupRule) -> bool {
    let source = rule.referenced_group_info.as_ref().and_then(|group| group.user_id.as_ref());
    matches!((source, &rule.group_owner_id), (Some(source), Some(owner)) if source != owner)
}
