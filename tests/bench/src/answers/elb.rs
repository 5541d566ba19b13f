//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html>

use super::{All, Page, members, missing, xml};
use crate::account::{MADE, Region};
use crate::made::element;
use iasql_front::request::Call;
use iasql_front::shape::Answer;

const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
const MOST: usize = 400;
const LOAD_BALANCER: &[(&str, &str)] = &[
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.prefix", ""),
    ("deletion_protection.enabled", "false"),
    ("load_balancing.cross_zone.enabled", "true"),
];
const TARGET_GROUP: &[(&str, &str)] = &[
    ("deregistration_delay.timeout_seconds", "300"),
    ("stickiness.enabled", "false"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.type", "lb_cookie"),
];

const LOAD_BALANCERS: &str = "load balancers";
const TARGET_GROUPS: &str = "target groups";
const LISTENERS: &str = "listeners";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let list =
        |name: &str, kind: &str, parts: &[String], count: usize, one: &dyn Fn(usize) -> String| {
            let all = All::of(region, kind, parts, count, one);
            let page = Page::form(all.len(), call, "PageSize", MOST, "Marker");
            let found = page.each(|at| all.get(at));
            format!("<{name}>{found}</{name}>{}", page.element("NextMarker"))
        };
    // Things are asked for all at once, or one by its name.
    let named = |of: &str| match members(call, "Names").as_slice() {
        [] => Some(Vec::new()),
        [name] => Some(vec![element(of, name)]),
        _ => None,
    };
    let body = match call.operation.as_str() {
        "DescribeLoadBalancers" => {
            let parts = named("LoadBalancerName")?;
            let found =
                list("LoadBalancers", LOAD_BALANCERS, &parts, region.load_balancers, &|number| {
                    counted_load_balancer(region, number)
                });
            if !parts.is_empty() && !found.contains("<member>") {
                return Some(missing(call, "LoadBalancerNotFound"));
            }
            found
        }
        "DescribeTargetGroups" => {
            let parts = named("TargetGroupName")?;
            let found =
                list("TargetGroups", TARGET_GROUPS, &parts, region.target_groups, &|number| {
                    counted_target_group(region, number)
                });
            if !parts.is_empty() && !found.contains("<member>") {
                return Some(missing(call, "TargetGroupNotFound"));
            }
            found
        }
        "DescribeListeners" => {
            match (call.parameter("LoadBalancerArn"), members(call, "ListenerArns").as_slice()) {
                (Some(arn), []) => {
                    let number = usize::from_str_radix(arn.rsplit('/').next()?, 16).ok()?;
                    let balancers = region.load_balancers;
                    // Beyond the counted ones there are those that were made.
                    let count = match number < balancers {
                        true => (region.listeners + balancers - 1 - number) / balancers,
                        false => 0,
                    };
                    let parts = [element("LoadBalancerArn", arn)];
                    list("Listeners", LISTENERS, &parts, count, &|at| {
                        counted_listener(region, number, at)
                    })
                }
                (None, [arn]) => {
                    list("Listeners", LISTENERS, &[element("ListenerArn", arn)], 0, &|_| {
                        String::new()
                    })
                }
                _ => return None,
            }
        }
        "DescribeLoadBalancerAttributes" => attributes(LOAD_BALANCER),
        "DescribeTargetGroupAttributes" => attributes(TARGET_GROUP),
        "DescribeTags" => {
            let arns = members(call, "ResourceArns");
            // AWS tells the tags of no more in one call.
            if arns.len() > 20 {
                return None;
            }
            let all: String = arns.into_iter().map(|arn| tags(region, arn)).collect();
            format!("<TagDescriptions>{all}</TagDescriptions>")
        }
        "CreateLoadBalancer" => create_load_balancer(region, call)?,
        "CreateTargetGroup" => create_target_group(region, call)?,
        "CreateListener" => create_listener(region, call)?,
        "DeleteLoadBalancer" => {
            let arn = element("LoadBalancerArn", call.parameter("LoadBalancerArn")?);
            region.drop(LISTENERS, arn.clone());
            region.drop(LOAD_BALANCERS, arn);
            String::new()
        }
        "DeleteTargetGroup" => {
            region
                .drop(TARGET_GROUPS, element("TargetGroupArn", call.parameter("TargetGroupArn")?));
            String::new()
        }
        "DeleteListener" => {
            if !region.drop(LISTENERS, element("ListenerArn", call.parameter("ListenerArn")?)) {
                return Some(missing(call, "ListenerNotFound"));
            }
            String::new()
        }
        _ => return None,
    };
    Some(xml(call, NAMESPACE, &body))
}

/// What was made has none: those that are made here with tags are refused.
fn tags(region: Region<'_>, arn: &str) -> String {
    let kinds = [
        (LOAD_BALANCERS, "LoadBalancerArn"),
        (TARGET_GROUPS, "TargetGroupArn"),
        (LISTENERS, "ListenerArn"),
    ];
    let made =
        kinds.iter().any(|(kind, name)| !region.made(kind, &[element(name, arn)]).is_empty());
    let tags = match made {
        true => "",
        false => "<member><Key>team</Key><Value>bench</Value></member>",
    };
    format!("<member><ResourceArn>{arn}</ResourceArn><Tags>{tags}</Tags></member>")
}

fn create_load_balancer(region: Region<'_>, call: &Call) -> Option<String> {
    let (name, number) = (call.parameter("Name")?, region.made.number());
    let (subnets, groups) = (members(call, "Subnets"), members(call, "SecurityGroups"));
    if !members(call, "Tags").is_empty() {
        return None;
    }
    let zone = |subnet: &&str| Some((region.zone(Region::number(subnet)?), subnet.to_string()));
    let made = load_balancer(
        region,
        &LoadBalancer {
            arn: &region
                .arn("elasticloadbalancing", &format!("loadbalancer/app/{name}/{number:016x}")),
            name,
            scheme: call.parameter("Scheme")?,
            vpc: &region.vpc(Region::number(subnets.first()?)?),
            zones: &subnets.iter().map(zone).collect::<Option<Vec<_>>>()?,
            groups: &groups.into_iter().map(str::to_owned).collect::<Vec<_>>(),
        },
    );
    region.keep(LOAD_BALANCERS, made.clone());
    Some(format!("<LoadBalancers>{made}</LoadBalancers>"))
}

fn create_target_group(region: Region<'_>, call: &Call) -> Option<String> {
    let (name, number) = (call.parameter("Name")?, region.made.number());
    if !members(call, "Tags").is_empty() {
        return None;
    }
    let made = target_group(&TargetGroup {
        arn: &region.arn("elasticloadbalancing", &format!("targetgroup/{name}/{number:016x}")),
        name,
        port: call.parameter("Port")?,
        vpc: call.parameter("VpcId")?,
        path: call.parameter("HealthCheckPath").unwrap_or("/"),
        balancer: None,
    });
    region.keep(TARGET_GROUPS, made.clone());
    Some(format!("<TargetGroups>{made}</TargetGroups>"))
}

fn create_listener(region: Region<'_>, call: &Call) -> Option<String> {
    let balancer = call.parameter("LoadBalancerArn")?;
    let own = balancer.replace(":loadbalancer/", ":listener/");
    if !members(call, "Tags").is_empty() {
        return None;
    }
    let made = listener(&Listener {
        arn: &format!("{own}/{:016x}", region.made.number()),
        balancer,
        port: call.parameter("Port")?,
        group: call.parameter("DefaultActions.member.1.TargetGroupArn")?,
    });
    region.keep(LISTENERS, made.clone());
    Some(format!("<Listeners>{made}</Listeners>"))
}

fn attributes(all: &[(&str, &str)]) -> String {
    let one = |(key, value)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let all: String = all.iter().copied().map(one).collect();
    format!("<Attributes>{all}</Attributes>")
}

fn counted_load_balancer(region: Region<'_>, number: usize) -> String {
    let (subnets, group) = region.network(number);
    let (first, vpcs) = (number % region.vpcs.max(1), region.vpcs.max(1));
    let zones = [first, first + vpcs].map(|subnet| region.zone(subnet));
    load_balancer(
        region,
        &LoadBalancer {
            arn: &region.load_balancer_arn(number),
            name: &format!("lb-{number}"),
            scheme: "internal",
            vpc: &region.vpc(number),
            zones: &zones.into_iter().zip(subnets).collect::<Vec<_>>(),
            groups: &[group],
        },
    )
}

fn counted_target_group(region: Region<'_>, number: usize) -> String {
    target_group(&TargetGroup {
        arn: &region.target_group_arn(number),
        name: &format!("tg-{number}"),
        port: "80",
        vpc: &region.vpc(number),
        path: "/",
        balancer: Some(&region.load_balancer_arn(number % region.load_balancers.max(1))),
    })
}

fn counted_listener(region: Region<'_>, balancer: usize, number: usize) -> String {
    let arn = region.load_balancer_arn(balancer);
    let own = arn.replace(":loadbalancer/", ":listener/");
    listener(&Listener {
        arn: &format!("{own}/{number:016x}"),
        balancer: &arn,
        port: &(80 + number).to_string(),
        group: &region.target_group_arn(balancer + number * region.load_balancers),
    })
}

struct LoadBalancer<'a> {
    arn: &'a str,
    name: &'a str,
    scheme: &'a str,
    vpc: &'a str,
    /// With the subnet of each.
    zones: &'a [(String, String)],
    groups: &'a [String],
}

fn load_balancer(region: Region<'_>, it: &LoadBalancer<'_>) -> String {
    let LoadBalancer { arn, name, scheme, vpc, zones, groups } = it;
    let zone = |(zone, subnet): &(String, String)| {
        format!("<member><ZoneName>{zone}</ZoneName><SubnetId>{subnet}</SubnetId></member>")
    };
    let zones: String = zones.iter().map(zone).collect();
    let groups: String = groups.iter().map(|group| element("member", group)).collect();
    format!(
        "<member><LoadBalancerArn>{arn}</LoadBalancerArn>\
         <DNSName>{name}.{}.elb.amazonaws.com</DNSName>\
         <CanonicalHostedZoneId>Z35SXDOTRQ7X7K</CanonicalHostedZoneId><CreatedTime>{MADE}</CreatedTime>\
         <LoadBalancerName>{name}</LoadBalancerName><Scheme>{scheme}</Scheme><VpcId>{vpc}</VpcId>\
         <State><Code>active</Code></State><Type>application</Type>\
         <AvailabilityZones>{zones}</AvailabilityZones><SecurityGroups>{groups}</SecurityGroups>\
         <IpAddressType>ipv4</IpAddressType></member>",
        region.name,
    )
}

struct TargetGroup<'a> {
    arn: &'a str,
    name: &'a str,
    port: &'a str,
    vpc: &'a str,
    path: &'a str,
    balancer: Option<&'a str>,
}

fn target_group(it: &TargetGroup<'_>) -> String {
    let TargetGroup { arn, name, port, vpc, path, balancer } = it;
    let balancer = balancer.map(|arn| element("member", arn));
    let balancers = balancer.map(|arn| format!("<LoadBalancerArns>{arn}</LoadBalancerArns>"));
    let balancers = balancers.unwrap_or_default();
    format!(
        "<member><TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>{name}</TargetGroupName>\
         <Protocol>HTTP</Protocol><Port>{port}</Port><VpcId>{vpc}</VpcId>\
         <HealthCheckProtocol>HTTP</HealthCheckProtocol><HealthCheckPort>traffic-port</HealthCheckPort>\
         <HealthCheckEnabled>true</HealthCheckEnabled>\
         <HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds>\
         <HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>\
         <HealthyThresholdCount>5</HealthyThresholdCount>\
         <UnhealthyThresholdCount>2</UnhealthyThresholdCount><HealthCheckPath>{path}</HealthCheckPath>\
         <Matcher><HttpCode>200</HttpCode></Matcher>{balancers}\
         <TargetType>ip</TargetType><ProtocolVersion>HTTP1</ProtocolVersion>\
         <IpAddressType>ipv4</IpAddressType></member>"
    )
}

struct Listener<'a> {
    arn: &'a str,
    balancer: &'a str,
    port: &'a str,
    group: &'a str,
}

fn listener(it: &Listener<'_>) -> String {
    let Listener { arn, balancer, port, group } = it;
    format!(
        "<member><ListenerArn>{arn}</ListenerArn><LoadBalancerArn>{balancer}</LoadBalancerArn>\
         <Port>{port}</Port><Protocol>HTTP</Protocol><DefaultActions><member><Type>forward</Type>\
         <TargetGroupArn>{group}</TargetGroupArn><ForwardConfig><TargetGroups><member>\
         <TargetGroupArn>{group}</TargetGroupArn><Weight>1</Weight></member></TargetGroups>\
         <TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig>\
         </ForwardConfig></member></DefaultActions><AlpnPolicy/></member>"
    )
}
