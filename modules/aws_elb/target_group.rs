//! Where load balancers send what reaches them.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html>

use super::attributes::{Attributes, Wanted, changed, word};
use super::{default_vpc, if_any, listed, retag, tags_of, target_groups};
use crate::aws_vpc::Vpc;
use crate::prelude::*;
use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancingv2::{Client, types};

/// Targets that take turns in answering, and how their health is looked after.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads(
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups"
    ),
    writes(
        "ec2:DescribeVpcs",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
        "elasticloadbalancing:RemoveTags"
    )
)]
#[check(
    sql = "NEW.target_type = 'lambda' OR (NEW.protocol IS NOT NULL AND NEW.port IS NOT NULL)",
    message = "a target group needs a protocol and a port, unless its target_type is lambda",
    hint = "Write, say, protocol HTTP and port 80."
)]
#[check(
    sql = "NEW.target_type <> 'lambda' OR (NEW.protocol IS NULL AND NEW.port IS NULL AND NEW.vpc IS NULL)",
    message = "a target group of target_type lambda has no protocol, port or vpc",
    hint = "Leave them out."
)]
pub struct TargetGroup {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.target_group_name ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$'",
        message = "target_group_name is no name for a target group: 1 to 32 letters, digits and hyphens, no hyphen first or last",
        hint = "Write it like web or web-target."
    )]
    pub target_group_name: String,
    /// What its targets are. A change replaces the group.
    #[column(fixed, labels("alb", "instance", "ip", "lambda"))]
    pub target_type: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub target_group_arn: Option<String>,
    /// The kind of addresses of its targets; ipv4 if NULL. A change replaces the group.
    #[column(fixed, late, labels("ipv4", "ipv6"))]
    pub ip_address_type: Option<String>,
    /// How targets are spoken to. A change replaces the group.
    #[column(fixed, late, labels("GENEVE", "HTTP", "HTTPS", "TCP", "TCP_UDP", "TLS", "UDP"))]
    pub protocol: Option<String>,
    /// The port that targets listen on. A change replaces the group.
    #[column(fixed, late)]
    #[check(
        sql = "NEW.port BETWEEN 1 AND 65535",
        message = "port of a target group is not from 1 to 65535",
        hint = "Write the port that the targets listen on, such as 80."
    )]
    pub port: Option<i32>,
    /// The version of HTTP that targets are spoken to in; HTTP1 if NULL. A change replaces the group.
    #[column(fixed, late, labels("GRPC", "HTTP1", "HTTP2"))]
    pub protocol_version: Option<String>,
    /// The VPC of its targets; the region's default VPC if NULL. A change replaces the group.
    #[column(fixed, late)]
    pub vpc: Option<Ref<Vpc>>,
    /// How the health of targets is asked for; AWS decides if NULL, as it does for the columns below.
    #[column(late, labels("GENEVE", "HTTP", "HTTPS", "TCP", "TCP_UDP", "TLS", "UDP"))]
    pub health_check_protocol: Option<String>,
    /// The port that health is asked for on: a number, or traffic-port for the one of the target.
    #[column(late)]
    #[check(
        sql = "NEW.health_check_port ~ '^(traffic-port|[1-9][0-9]{0,4})$'",
        message = "health_check_port is neither a port nor traffic-port",
        hint = "Write a number such as 8080, or traffic-port."
    )]
    pub health_check_port: Option<String>,
    /// Whether health is looked after.
    #[column(late)]
    pub health_check_enabled: Option<bool>,
    /// How often a target is asked, in seconds.
    #[column(late)]
    #[check(
        sql = "NEW.health_check_interval_seconds BETWEEN 5 AND 300",
        message = "health_check_interval_seconds is not from 5 to 300",
        hint = "Write, say, 30."
    )]
    pub health_check_interval_seconds: Option<i32>,
    /// How long a target may take to answer, in seconds.
    #[column(late)]
    #[check(
        sql = "NEW.health_check_timeout_seconds BETWEEN 2 AND 120",
        message = "health_check_timeout_seconds is not from 2 to 120",
        hint = "Write, say, 5."
    )]
    pub health_check_timeout_seconds: Option<i32>,
    /// How often in a row a target has to answer well to be healthy.
    #[column(late)]
    #[check(
        sql = "NEW.healthy_threshold_count BETWEEN 2 AND 10",
        message = "healthy_threshold_count is not from 2 to 10",
        hint = "Write, say, 5."
    )]
    pub healthy_threshold_count: Option<i32>,
    /// How often in a row a target has to answer badly, or not at all, to be unhealthy.
    #[column(late)]
    #[check(
        sql = "NEW.unhealthy_threshold_count BETWEEN 2 AND 10",
        message = "unhealthy_threshold_count is not from 2 to 10",
        hint = "Write, say, 2."
    )]
    pub unhealthy_threshold_count: Option<i32>,
    /// The path that health is asked for at.
    #[column(late)]
    #[check(
        sql = "starts_with(NEW.health_check_path, '/') AND length(NEW.health_check_path) <= 1024",
        message = "health_check_path is no path: it begins with / and has at most 1024 characters",
        hint = "Write it like /health."
    )]
    pub health_check_path: Option<String>,
    /// The codes of good answers, of HTTP or of gRPC, as in 200,202 or 200-299.
    #[column(late)]
    #[check(
        sql = "NEW.health_check_codes ~ '^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$'",
        message = "health_check_codes are no codes of answers",
        hint = "Write them like 200, 200,202 or 200-299."
    )]
    pub health_check_codes: Option<String>,
    /// How long a target that leaves may finish what it is at, in seconds.
    #[column(late)]
    #[check(
        sql = "NEW.deregistration_delay_seconds BETWEEN 0 AND 3600",
        message = "deregistration_delay_seconds is not from 0 to 3600",
        hint = "Write, say, 300."
    )]
    pub deregistration_delay_seconds: Option<i32>,
    /// How long a new target is given less to do, in seconds; 0 for not at all.
    #[column(late)]
    #[check(
        sql = "NEW.slow_start_seconds = 0 OR NEW.slow_start_seconds BETWEEN 30 AND 900",
        message = "slow_start_seconds is neither 0 nor from 30 to 900",
        hint = "Write, say, 30, or 0 for none."
    )]
    pub slow_start_seconds: Option<i32>,
    /// How targets take turns: round_robin, least_outstanding_requests or weighted_random.
    #[column(late)]
    pub load_balancing_algorithm_type: Option<String>,
    /// Whether a client is sent to the same target each time.
    #[column(late)]
    pub stickiness_enabled: Option<bool>,
    /// What a client is known by: lb_cookie, app_cookie, source_ip, source_ip_dest_ip or
    /// source_ip_dest_ip_proto.
    #[column(late)]
    pub stickiness_type: Option<String>,
    /// How long a client is sent to the same target, in seconds, when known by a cookie.
    #[column(late)]
    #[check(
        sql = "NEW.stickiness_duration_seconds BETWEEN 1 AND 604800",
        message = "stickiness_duration_seconds is not from 1 to 604800, a week",
        hint = "Write, say, 86400 for a day."
    )]
    pub stickiness_duration_seconds: Option<i32>,
    /// The cookie that a client is known by when stickiness_type is app_cookie.
    #[column(late)]
    pub stickiness_cookie_name: Option<String>,
    /// Whether targets of all zones take turns: true, false or use_load_balancer_configuration.
    #[column(late)]
    pub cross_zone: Option<String>,
    /// Whether targets see the addresses of clients; for TCP, TLS and UDP.
    #[column(late)]
    pub preserve_client_ip: Option<bool>,
    /// Whether targets are told of clients by the proxy protocol; for TCP, TLS and UDP.
    #[column(late)]
    pub proxy_protocol_v2: Option<bool>,
    /// Whether a function gets and gives lists of values for headers; for target_type lambda.
    #[column(late)]
    pub lambda_multi_value_headers: Option<bool>,
    /// Tags.
    pub tags: Tags,
}

impl Cloud for TargetGroup {
    type Client = (Client, ec2::Client);

    async fn list(
        (elb, _): &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()> {
        let only = which.like().map(|like| like.target_group_name.as_str());
        let groups = if_any(target_groups(elb, only).await)?;
        let arns = groups.iter().filter_map(|it| it.target_group_arn.clone()).collect();
        let mut tags = tags_of(elb, arns).await?;
        let tagged = groups.into_iter().filter_map(|it| {
            let tags = tags.remove(it.target_group_arn.as_ref()?)?;
            Some((it, tags))
        });
        found.add(each(tagged.collect(), async |(it, tags)| asked(elb, it, tags).await).await?);
        Ok(())
    }

    async fn create(&self, (elb, ec2): &Self::Client, _mark: &str) -> Result<Self> {
        let vpc = match &self.vpc {
            Some(vpc) => Some(vpc.to_string()),
            None if self.target_type == "lambda" => None,
            None => Some(default_vpc(ec2).await?),
        };
        let made = elb
            .create_target_group()
            .name(&self.target_group_name)
            .target_type(self.target_type.as_str().into())
            .set_ip_address_type(self.ip_address_type.as_deref().map(Into::into))
            .set_protocol(self.protocol.as_deref().map(Into::into))
            .set_port(self.port)
            .set_protocol_version(self.protocol_version.clone())
            .set_vpc_id(vpc)
            .set_health_check_protocol(self.health_check_protocol.as_deref().map(Into::into))
            .set_health_check_port(self.health_check_port.clone())
            .set_health_check_enabled(self.health_check_enabled)
            .set_health_check_interval_seconds(self.health_check_interval_seconds)
            .set_health_check_timeout_seconds(self.health_check_timeout_seconds)
            .set_healthy_threshold_count(self.healthy_threshold_count)
            .set_unhealthy_threshold_count(self.unhealthy_threshold_count)
            .set_health_check_path(self.health_check_path.clone())
            .set_matcher(self.matcher())
            .set_tags(listed(&self.tags))
            .send()
            .await?;
        let made = made.target_groups.into_iter().flatten().next();
        asked(elb, made.must("the target group it made")?, self.tags.clone()).await
    }

    async fn update(&self, was: &Self, (elb, _): &Self::Client) -> Result<()> {
        let arn = was.target_group_arn.as_deref().must("the target group's ARN")?;
        let words = |it: &Option<String>, was: &Option<String>| it.clone().filter(|_| it != was);
        let number = |it: Option<i32>, was: Option<i32>| it.filter(|_| it != was);
        let enabled = self.health_check_enabled.filter(|&on| was.health_check_enabled != Some(on));
        let protocol = words(&self.health_check_protocol, &was.health_check_protocol);
        let request = elb
            .modify_target_group()
            .set_health_check_protocol(protocol.as_deref().map(Into::into))
            .set_health_check_port(words(&self.health_check_port, &was.health_check_port))
            .set_health_check_enabled(enabled)
            .set_health_check_interval_seconds(number(
                self.health_check_interval_seconds,
                was.health_check_interval_seconds,
            ))
            .set_health_check_timeout_seconds(number(
                self.health_check_timeout_seconds,
                was.health_check_timeout_seconds,
            ))
            .set_healthy_threshold_count(number(
                self.healthy_threshold_count,
                was.healthy_threshold_count,
            ))
            .set_unhealthy_threshold_count(number(
                self.unhealthy_threshold_count,
                was.unhealthy_threshold_count,
            ))
            .set_health_check_path(words(&self.health_check_path, &was.health_check_path))
            .set_matcher(
                self.matcher().filter(|_| self.health_check_codes != was.health_check_codes),
            );
        if *request.as_input() != *elb.modify_target_group().as_input() {
            request.target_group_arn(arn).send().await?;
        }
        let attribute =
            |(key, value)| types::TargetGroupAttribute::builder().key(key).value(value).build();
        let kind = self.stickiness_type.as_ref().or(was.stickiness_type.as_ref()).cloned();
        // A cookie is named whenever clients come to be known by it.
        let cookie = was.stickiness_cookie_name.clone().filter(|_| kind == was.stickiness_type);
        let wanted = Self { stickiness_type: kind, ..self.clone() }.attributes();
        let was_said = Self { stickiness_cookie_name: cookie, ..was.clone() }.attributes();
        let changed: Vec<_> = changed(wanted, &was_said).map(attribute).collect();
        if !changed.is_empty() {
            elb.modify_target_group_attributes()
                .target_group_arn(arn)
                .set_attributes(Some(changed))
                .send()
                .await?;
        }
        retag(elb, arn, &self.tags, &was.tags).await
    }

    async fn delete(&self, (elb, _): &Self::Client) -> Result<()> {
        let arn = self.target_group_arn.clone();
        elb.delete_target_group().set_target_group_arn(arn).send().await.done()
    }
}

impl TargetGroup {
    fn matcher(&self) -> Option<types::Matcher> {
        let codes = self.health_check_codes.as_ref()?;
        let matcher = types::Matcher::builder();
        Some(match self.protocol_version.as_deref() {
            Some("GRPC") => matcher.grpc_code(codes).build(),
            _ => matcher.http_code(codes).build(),
        })
    }

    fn attributes(&self) -> Wanted {
        let cookie = self.stickiness_type.as_deref().unwrap_or_default();
        let lasts = |kind| word(&self.stickiness_duration_seconds.filter(|_| cookie == kind));
        vec![
            (DELAY, word(&self.deregistration_delay_seconds)),
            (SLOW_START, word(&self.slow_start_seconds)),
            (ALGORITHM, self.load_balancing_algorithm_type.clone()),
            (STICKY, word(&self.stickiness_enabled)),
            (STICKY_BY, self.stickiness_type.clone()),
            (OWN_COOKIE_LASTS, lasts("lb_cookie")),
            (APP_COOKIE_LASTS, lasts("app_cookie")),
            (APP_COOKIE, self.stickiness_cookie_name.clone()),
            (CROSS_ZONE, self.cross_zone.clone()),
            (CLIENT_IP, word(&self.preserve_client_ip)),
            (PROXY, word(&self.proxy_protocol_v2)),
            (HEADERS, word(&self.lambda_multi_value_headers)),
        ]
    }

    fn seen(it: types::TargetGroup, attributes: &Attributes, tags: Tags) -> Result<Self> {
        let stickiness_type: Option<String> = attributes.get(STICKY_BY);
        let cookie_lasts = match stickiness_type.as_deref() {
            Some("app_cookie") => APP_COOKIE_LASTS,
            _ => OWN_COOKIE_LASTS,
        };
        let codes = it.matcher.and_then(|it| it.http_code.or(it.grpc_code));
        Ok(Self {
            target_group_name: it.target_group_name.must("a target group's name")?,
            target_type: it.target_type.must("a target group's type")?.to_string(),
            target_group_arn: it.target_group_arn,
            ip_address_type: it.ip_address_type.map(|kind| kind.to_string()),
            protocol: it.protocol.map(|protocol| protocol.to_string()),
            port: it.port,
            protocol_version: it.protocol_version,
            vpc: it.vpc_id.map(Ref::from),
            health_check_protocol: it.health_check_protocol.map(|protocol| protocol.to_string()),
            health_check_port: it.health_check_port,
            health_check_enabled: it.health_check_enabled,
            health_check_interval_seconds: it.health_check_interval_seconds,
            health_check_timeout_seconds: it.health_check_timeout_seconds,
            healthy_threshold_count: it.healthy_threshold_count,
            unhealthy_threshold_count: it.unhealthy_threshold_count,
            health_check_path: it.health_check_path,
            health_check_codes: codes,
            deregistration_delay_seconds: attributes.get(DELAY),
            slow_start_seconds: attributes.get(SLOW_START),
            load_balancing_algorithm_type: attributes.get(ALGORITHM),
            stickiness_enabled: attributes.get(STICKY),
            stickiness_type,
            stickiness_duration_seconds: attributes.get(cookie_lasts),
            stickiness_cookie_name: attributes.get(APP_COOKIE),
            cross_zone: attributes.get(CROSS_ZONE),
            preserve_client_ip: attributes.get(CLIENT_IP),
            proxy_protocol_v2: attributes.get(PROXY),
            lambda_multi_value_headers: attributes.get(HEADERS),
            tags,
        })
    }
}

const DELAY: &str = "deregistration_delay.timeout_seconds";
const SLOW_START: &str = "slow_start.duration_seconds";
const ALGORITHM: &str = "load_balancing.algorithm.type";
const STICKY: &str = "stickiness.enabled";
const STICKY_BY: &str = "stickiness.type";
const OWN_COOKIE_LASTS: &str = "stickiness.lb_cookie.duration_seconds";
const APP_COOKIE_LASTS: &str = "stickiness.app_cookie.duration_seconds";
const APP_COOKIE: &str = "stickiness.app_cookie.cookie_name";
const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const CLIENT_IP: &str = "preserve_client_ip.enabled";
const PROXY: &str = "proxy_protocol_v2.enabled";
const HEADERS: &str = "lambda.multi_value_headers.enabled";

/// A target group along with its attributes.
async fn asked(elb: &Client, it: types::TargetGroup, tags: Tags) -> Result<TargetGroup> {
    let arn = it.target_group_arn.clone();
    let answer = elb.describe_target_group_attributes().set_target_group_arn(arn).send().await?;
    let all = answer.attributes.into_iter().flatten().map(|one| (one.key, one.value));
    TargetGroup::seen(it, &all.collect(), tags)
}
