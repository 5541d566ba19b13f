//! What clients talk to, in front of those who answer.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancer.html>

use super::attributes::{Attributes, Wanted, changed, word};
use super::{
    LoadBalancerSecurityGroups, default_vpc, if_any, listed, load_balancers, retag, tags_of,
};
use crate::aws_vpc::{PAGE, Subnet, Vpc, filter};
use crate::prelude::*;
use aws_sdk_ec2 as ec2;
use aws_sdk_ec2::types::Subnet as Place;
use aws_sdk_elasticloadbalancingv2::{Client, types};
use futures_util::try_join;
use std::collections::BTreeMap;

/// One address for clients, behind which the targets of target groups take turns.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads(
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags"
    ),
    writes(
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:RemoveTags",
        "elasticloadbalancing:SetIpAddressType",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets"
    )
)]
pub struct LoadBalancer {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.load_balancer_name ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$'",
        message = "load_balancer_name is no name for a load balancer: 1 to 32 letters, digits and hyphens, no hyphen first or last",
        hint = "Write it like web or web-load-balancer."
    )]
    #[check(
        sql = "NEW.load_balancer_name NOT LIKE 'internal-%'",
        message = "load_balancer_name begins with internal-, which AWS keeps to itself",
        hint = "Write another name, such as web-internal."
    )]
    pub load_balancer_name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub load_balancer_arn: Option<String>,
    /// The name that clients find it by.
    #[column(read_only)]
    pub dns_name: Option<String>,
    /// The zone of Route 53 that the name is in.
    #[column(read_only)]
    pub canonical_hosted_zone_id: Option<String>,
    /// When it was made.
    #[column(created, read_only)]
    pub created_time: Option<Timestamp>,
    /// Whether clients come from the internet or from inside its VPC. A change replaces it.
    #[column(fixed, labels("internal", "internet-facing"))]
    #[check(
        sql = "NEW.scheme = 'internal' OR NEW.load_balancer_type <> 'gateway'",
        message = "scheme of a gateway load balancer is not internal: none stands in the internet",
        hint = "Write internal."
    )]
    pub scheme: String,
    /// Whether AWS has it ready.
    #[column(read_only, labels("active", "active_impaired", "failed", "provisioning"))]
    pub state: Option<String>,
    /// What it understands: HTTP, or TCP, TLS and UDP, or whole packets. A change replaces it.
    #[column(fixed, labels("application", "gateway", "network"))]
    pub load_balancer_type: String,
    /// The IDs of the subnets it is in, one to a zone; if NULL, one in each zone of its VPC.
    #[column(late)]
    #[check(
        sql = "cardinality(NEW.subnets) >= CASE NEW.load_balancer_type WHEN 'application' THEN 2 ELSE 1 END",
        message = "subnets are too few: an application load balancer takes two or more in different zones, others one or more",
        hint = "Name more of them, or leave subnets NULL for one in each zone of the VPC."
    )]
    pub subnets: Option<Ids<Subnet>>,
    /// The zones of its subnets.
    #[column(read_only)]
    pub availability_zones: Option<Set>,
    /// The kinds of addresses that clients can have.
    #[column(labels("dualstack", "ipv4"))]
    pub ip_address_type: String,
    /// The pool of your own addresses that it has one of, on an Outpost. A change replaces it.
    #[column(fixed)]
    pub customer_owned_ipv4_pool: Option<String>,
    /// The VPC it is in: that of its subnets, or the region's default VPC, if NULL. A change replaces
    /// it.
    #[column(fixed, late)]
    pub vpc: Option<Ref<Vpc>>,
    /// Whether AWS refuses to delete it.
    #[column(default = "false")]
    pub deletion_protection: bool,
    /// How long a connection may be silent, in seconds; 60 unless said. For type application.
    #[column(late)]
    #[check(
        sql = "NEW.idle_timeout_seconds BETWEEN 1 AND 4000",
        message = "idle_timeout_seconds is not from 1 to 4000",
        hint = "Write, say, 60."
    )]
    pub idle_timeout_seconds: Option<i32>,
    /// How long a client may keep its connection, in seconds; 3600 unless said. For type application.
    #[column(late)]
    #[check(
        sql = "NEW.client_keep_alive_seconds BETWEEN 60 AND 604800",
        message = "client_keep_alive_seconds is not from 60 to 604800, a week",
        hint = "Write, say, 3600."
    )]
    pub client_keep_alive_seconds: Option<i32>,
    /// Whether clients may speak HTTP/2. For type application.
    #[column(late)]
    pub http2: Option<bool>,
    /// Whether targets in all zones take turns. Always so for type application.
    #[column(late)]
    pub cross_zone: Option<bool>,
    /// Whether headers that HTTP does not allow are left out. For type application.
    #[column(late)]
    pub drop_invalid_header_fields: Option<bool>,
    /// Whether targets get the Host header as the client wrote it. For type application.
    #[column(late)]
    pub preserve_host_header: Option<bool>,
    /// What is done about requests that smuggle another: monitor, defensive or strictest. For type
    /// application.
    #[column(late)]
    pub desync_mitigation_mode: Option<String>,
    /// What is done with the X-Forwarded-For header: append, preserve or remove. For type application.
    #[column(late)]
    pub xff_header_processing_mode: Option<String>,
    /// The S3 bucket that requests are logged to; they are not, if NULL.
    pub access_logs_bucket: Option<String>,
    /// What the names of those logs begin with.
    #[check(
        sql = "NEW.access_logs_prefix IS NULL OR NEW.access_logs_bucket IS NOT NULL",
        message = "access_logs_prefix is set without access_logs_bucket",
        hint = "Name the bucket that the logs go to, or leave the prefix out."
    )]
    pub access_logs_prefix: Option<String>,
    /// The security groups it is in; if there are none, AWS puts it in the default one of its VPC.
    #[column(late)]
    pub load_balancer_security_groups: Parts<LoadBalancerSecurityGroups>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for LoadBalancer {
    type Client = (Client, ec2::Client);

    const SETTLES: bool = true;

    async fn list(
        (elb, _): &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()> {
        let only = which.like().map(|like| like.load_balancer_name.as_str());
        let all = if_any(load_balancers(elb, only).await)?;
        let arns = all.iter().filter_map(|it| it.load_balancer_arn.clone()).collect();
        let mut tags = tags_of(elb, arns).await?;
        let mut fit = Vec::new();
        for it in all {
            let arn = it.load_balancer_arn.clone().must("a load balancer's ARN")?;
            match (unfit(&it), tags.remove(&arn)) {
                (Some(why), _) => found.cannot(arn, why),
                (None, Some(tags)) => fit.push((it, tags)),
                (None, None) => (),
            }
        }
        found.add(each(fit, async |(it, tags)| asked(elb, it, tags).await).await?);
        Ok(())
    }

    async fn create(&self, (elb, ec2): &Self::Client, _mark: &str) -> Result<Self> {
        let open = self.load_balancer_type != "gateway";
        let made = elb
            .create_load_balancer()
            .name(&self.load_balancer_name)
            .set_scheme(open.then(|| self.scheme.as_str().into()))
            .r#type(self.load_balancer_type.as_str().into())
            .set_subnets(Some(self.places(ec2).await?))
            .set_security_groups(self.groups())
            .ip_address_type(self.ip_address_type.as_str().into())
            .set_customer_owned_ipv4_pool(self.customer_owned_ipv4_pool.clone())
            .set_tags(listed(&self.tags))
            .send()
            .await?;
        let made = made.load_balancers.into_iter().flatten().next();
        // Attributes are as AWS sets them unless they are changed now; which that is, `settle` reads.
        let made = made.must("the load balancer it made")?;
        Self::seen(made, &Attributes::default(), self.tags.clone())
    }

    async fn settle(self, (elb, _): &Self::Client) -> Result<Self> {
        let name = &self.load_balancer_name;
        let what = format!("load balancer {name} to be active");
        let ready = until(&what, READY, async || {
            let Some(it) = load_balancers(elb, Some(name)).await?.pop() else { return Ok(None) };
            let state = it.state.as_ref();
            match state.and_then(|state| state.code.as_ref()) {
                None | Some(types::LoadBalancerStateEnum::Provisioning) => Ok(None),
                Some(types::LoadBalancerStateEnum::Failed) => {
                    let why = state.and_then(|state| state.reason.as_deref());
                    let why = why.unwrap_or("AWS does not say why");
                    Err(Error::row("state", format!("AWS could not set up {name}: {why}")))
                }
                Some(_) => Ok(Some(it)),
            }
        });
        let arn = self.load_balancer_arn.as_deref().must("the load balancer's ARN")?;
        let (now, attributes) = try_join!(ready, attributes(elb, arn))?;
        Self::seen(now, &attributes, self.tags)
    }

    async fn update(&self, was: &Self, (elb, _): &Self::Client) -> Result<()> {
        let arn = was.load_balancer_arn.as_deref().must("the load balancer's ARN")?;
        if let Some(subnets) = self.subnets.as_ref().filter(|_| self.subnets != was.subnets) {
            let subnets = subnets.iter().cloned().collect();
            elb.set_subnets().load_balancer_arn(arn).set_subnets(Some(subnets)).send().await?;
        }
        if let Some(groups) = self.groups().filter(|groups| Some(groups) != was.groups().as_ref()) {
            let request = elb.set_security_groups().load_balancer_arn(arn);
            request.set_security_groups(Some(groups)).send().await?;
        }
        if self.ip_address_type != was.ip_address_type {
            let kind = self.ip_address_type.as_str().into();
            elb.set_ip_address_type().load_balancer_arn(arn).ip_address_type(kind).send().await?;
        }
        let attribute =
            |(key, value)| types::LoadBalancerAttribute::builder().key(key).value(value).build();
        let changed: Vec<_> =
            changed(self.attributes(), &was.attributes()).map(attribute).collect();
        if !changed.is_empty() {
            elb.modify_load_balancer_attributes()
                .load_balancer_arn(arn)
                .set_attributes(Some(changed))
                .send()
                .await?;
        }
        retag(elb, arn, &self.tags, &was.tags).await
    }

    async fn delete(&self, (elb, _): &Self::Client) -> Result<()> {
        let (name, arn) = (&self.load_balancer_name, self.load_balancer_arn.clone());
        match elb.delete_load_balancer().set_load_balancer_arn(arn).send().await.done() {
            Err(error) if error.code() == "OperationNotPermitted" => Err(Error::row(
                "deletion_protection",
                format!(
                    "{name} is protected; to lose it all the same: SELECT iasql_sync(); UPDATE \
                     load_balancer SET deletion_protection = false WHERE load_balancer_name = \
                     '{name}'; SELECT iasql_apply(); and delete it then"
                ),
            )),
            outcome => outcome,
        }
    }
}

impl LoadBalancer {
    /// The subnets to be made in.
    async fn places(&self, ec2: &ec2::Client) -> Result<Vec<String>> {
        // Which VPC is the default one is asked along with the subnets, of all then: a round trip less.
        let (vpc, found) = match (&self.subnets, &self.vpc) {
            (Some(subnets), None) => return Ok(subnets.iter().cloned().collect()),
            (_, Some(vpc)) => (vpc.to_string(), subnets(ec2, Some(vpc)).await?),
            (None, None) => try_join!(default_vpc(ec2), subnets(ec2, None))?,
        };
        let (mut ids, mut zones) = (Set::default(), BTreeMap::new());
        let inside = |it: &Place| it.vpc_id.as_ref() == Some(&vpc) && it.outpost_arn.is_none();
        for it in found.into_iter().filter(inside) {
            let (id, zone) = (it.subnet_id.unwrap_or_default(), it.availability_zone);
            ids.0.insert(id.clone());
            // The one that AWS made for the zone goes before others.
            let own = (it.default_for_az != Some(true), id);
            let first = zones.entry(zone).or_insert_with(|| own.clone());
            *first = own.min(first.clone());
        }
        match &self.subnets {
            Some(subnets) if subnets.is_subset(&ids) => Ok(subnets.iter().cloned().collect()),
            Some(_) => Err(Error::row(
                "subnets",
                format!(
                    "not all of them are in {vpc}, which column \"vpc\" leads to; leave one NULL"
                ),
            )),
            None if zones.is_empty() => {
                Err(Error::row("subnets", format!("there are none in {vpc}; insert some first")))
            }
            None => Ok(zones.into_values().map(|(_, id)| id).collect()),
        }
    }

    /// The IDs of its security groups; nothing for none, which AWS does not take.
    fn groups(&self) -> Option<Vec<String>> {
        let groups = self.load_balancer_security_groups.iter();
        let mut groups: Vec<_> = groups.map(|it| it.security_group_id.to_string()).collect();
        groups.sort();
        (!groups.is_empty()).then_some(groups)
    }

    fn attributes(&self) -> Wanted {
        let logs = self.access_logs_bucket.is_some();
        vec![
            (PROTECTED, Some(self.deletion_protection.to_string())),
            (IDLE, word(&self.idle_timeout_seconds)),
            (KEEP_ALIVE, word(&self.client_keep_alive_seconds)),
            (HTTP2, word(&self.http2)),
            (CROSS_ZONE, word(&self.cross_zone)),
            (DROP_HEADERS, word(&self.drop_invalid_header_fields)),
            (HOST_HEADER, word(&self.preserve_host_header)),
            (DESYNC, self.desync_mitigation_mode.clone()),
            (FORWARDED, self.xff_header_processing_mode.clone()),
            (LOGS, Some(logs.to_string())),
            (LOGS_BUCKET, self.access_logs_bucket.clone()),
            (LOGS_PREFIX, logs.then(|| self.access_logs_prefix.clone().unwrap_or_default())),
        ]
    }

    fn seen(it: types::LoadBalancer, attributes: &Attributes, tags: Tags) -> Result<Self> {
        let zones = || it.availability_zones.iter().flatten();
        let group = |id: String| LoadBalancerSecurityGroups { security_group_id: id.into() };
        let logs = attributes.get(LOGS) == Some(true);
        Ok(Self {
            subnets: Some(zones().filter_map(|zone| zone.subnet_id.clone()).collect()),
            availability_zones: Some(zones().filter_map(|zone| zone.zone_name.clone()).collect()),
            load_balancer_name: it.load_balancer_name.must("a load balancer's name")?,
            load_balancer_arn: it.load_balancer_arn,
            dns_name: it.dns_name,
            canonical_hosted_zone_id: it.canonical_hosted_zone_id,
            created_time: it.created_time.map(Timestamp::from),
            scheme: it.scheme.map_or("internal".to_owned(), |scheme| scheme.to_string()),
            state: it.state.and_then(|state| state.code).map(|code| code.to_string()),
            load_balancer_type: it.r#type.must("a load balancer's type")?.to_string(),
            ip_address_type: it.ip_address_type.map_or("ipv4".to_owned(), |it| it.to_string()),
            customer_owned_ipv4_pool: it.customer_owned_ipv4_pool,
            vpc: it.vpc_id.map(Ref::from),
            deletion_protection: attributes.get(PROTECTED).unwrap_or_default(),
            idle_timeout_seconds: attributes.get(IDLE),
            client_keep_alive_seconds: attributes.get(KEEP_ALIVE),
            http2: attributes.get(HTTP2),
            cross_zone: attributes.get(CROSS_ZONE),
            drop_invalid_header_fields: attributes.get(DROP_HEADERS),
            preserve_host_header: attributes.get(HOST_HEADER),
            desync_mitigation_mode: attributes.get(DESYNC),
            xff_header_processing_mode: attributes.get(FORWARDED),
            access_logs_bucket: attributes.get(LOGS_BUCKET).filter(|_| logs),
            access_logs_prefix: attributes.get(LOGS_PREFIX).filter(|_| logs),
            load_balancer_security_groups: it
                .security_groups
                .into_iter()
                .flatten()
                .map(group)
                .collect(),
            tags,
        })
    }
}

/// How long AWS may take to set one up.
const READY: Duration = Duration::from_secs(600);

const PROTECTED: &str = "deletion_protection.enabled";
const IDLE: &str = "idle_timeout.timeout_seconds";
const KEEP_ALIVE: &str = "client_keep_alive.seconds";
const HTTP2: &str = "routing.http2.enabled";
const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const DROP_HEADERS: &str = "routing.http.drop_invalid_header_fields.enabled";
const HOST_HEADER: &str = "routing.http.preserve_host_header.enabled";
const DESYNC: &str = "routing.http.desync_mitigation_mode";
const FORWARDED: &str = "routing.http.xff_header_processing.mode";
const LOGS: &str = "access_logs.s3.enabled";
const LOGS_BUCKET: &str = "access_logs.s3.bucket";
const LOGS_PREFIX: &str = "access_logs.s3.prefix";

/// The subnets, or just those of one VPC.
async fn subnets(ec2: &ec2::Client, vpc: Option<&str>) -> Result<Vec<Place>> {
    let filters = filter("vpc-id", vpc).map(|filter| vec![filter]);
    let pages = ec2.describe_subnets().set_filters(filters).max_results(PAGE).into_paginator();
    Ok(pages.items().send().try_collect().await?)
}

/// Why a load balancer is more than the table can hold, if it is.
fn unfit(it: &types::LoadBalancer) -> Option<&'static str> {
    let mut zones = it.availability_zones.iter().flatten();
    let chosen = |zone: &types::AvailabilityZone| {
        zone.load_balancer_addresses.iter().flatten().any(|address| {
            let types::LoadBalancerAddress { allocation_id, private_ipv4_address, .. } = address;
            allocation_id.is_some() || private_ipv4_address.is_some()
        })
    };
    if zones.any(chosen) {
        return Some("it has addresses that were chosen for it, which the table has no column for");
    }
    it.ipam_pools.as_ref().map(|_| "it takes its addresses from a pool of IPAM")
}

/// A load balancer along with its attributes.
async fn asked(elb: &Client, it: types::LoadBalancer, tags: Tags) -> Result<LoadBalancer> {
    let arn = it.load_balancer_arn.as_deref().must("a load balancer's ARN")?;
    let attributes = attributes(elb, arn).await?;
    LoadBalancer::seen(it, &attributes, tags)
}

async fn attributes(elb: &Client, arn: &str) -> Result<Attributes> {
    let answer = elb.describe_load_balancer_attributes().load_balancer_arn(arn).send().await?;
    Ok(answer.attributes.into_iter().flatten().map(|one| (one.key, one.value)).collect())
}
