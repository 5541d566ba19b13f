//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html>

use super::{Page, members, xml};
use crate::account::{MADE, Region};
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

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let list = |name: &str, all: usize, one: &dyn Fn(usize) -> String| {
        let page = Page::form(all, call, "PageSize", MOST, "Marker");
        format!("<{name}>{}</{name}>{}", page.each(one), page.element("NextMarker"))
    };
    let body = match call.operation.as_str() {
        "DescribeLoadBalancers" if members(call, "Names").is_empty() => {
            list("LoadBalancers", region.load_balancers, &|number| load_balancer(region, number))
        }
        "DescribeTargetGroups" if members(call, "Names").is_empty() => {
            list("TargetGroups", region.target_groups, &|number| target_group(region, number))
        }
        "DescribeListeners" => {
            let arn = call.parameter("LoadBalancerArn")?;
            let balancer = usize::from_str_radix(arn.rsplit('/').next()?, 16).ok()?;
            let balancers = region.load_balancers.max(1);
            let all = (region.listeners + balancers - 1 - balancer) / balancers;
            list("Listeners", all, &|number| listener(region, balancer, number))
        }
        "DescribeLoadBalancerAttributes" => attributes(LOAD_BALANCER),
        "DescribeTargetGroupAttributes" => attributes(TARGET_GROUP),
        "DescribeTags" => {
            let arns = members(call, "ResourceArns");
            // AWS tells the tags of no more in one call.
            if arns.len() > 20 {
                return None;
            }
            let one = |arn| {
                format!(
                    "<member><ResourceArn>{arn}</ResourceArn><Tags><member><Key>team</Key>\
                     <Value>bench</Value></member></Tags></member>"
                )
            };
            let all: String = arns.into_iter().map(one).collect();
            format!("<TagDescriptions>{all}</TagDescriptions>")
        }
        _ => return None,
    };
    Some(xml(call, NAMESPACE, &body))
}

fn attributes(all: &[(&str, &str)]) -> String {
    let one = |(key, value)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let all: String = all.iter().copied().map(one).collect();
    format!("<Attributes>{all}</Attributes>")
}

fn load_balancer(region: Region<'_>, number: usize) -> String {
    let ([first, second], group) = region.network(number);
    let vpcs = region.vpcs.max(1);
    format!(
        "<member><LoadBalancerArn>{}</LoadBalancerArn>\
         <DNSName>lb-{number}.{name}.elb.amazonaws.com</DNSName>\
         <CanonicalHostedZoneId>Z35SXDOTRQ7X7K</CanonicalHostedZoneId><CreatedTime>{MADE}</CreatedTime>\
         <LoadBalancerName>lb-{number}</LoadBalancerName><Scheme>internal</Scheme><VpcId>{}</VpcId>\
         <State><Code>active</Code></State><Type>application</Type><AvailabilityZones>\
         <member><ZoneName>{}</ZoneName><SubnetId>{first}</SubnetId></member>\
         <member><ZoneName>{}</ZoneName><SubnetId>{second}</SubnetId></member></AvailabilityZones>\
         <SecurityGroups><member>{group}</member></SecurityGroups><IpAddressType>ipv4</IpAddressType>\
         </member>",
        region.load_balancer_arn(number),
        region.vpc(number),
        region.zone(number % vpcs),
        region.zone(number % vpcs + vpcs),
        name = region.name,
    )
}

fn target_group(region: Region<'_>, number: usize) -> String {
    let balancer = region.load_balancer_arn(number % region.load_balancers.max(1));
    format!(
        "<member><TargetGroupArn>{}</TargetGroupArn><TargetGroupName>tg-{number}</TargetGroupName>\
         <Protocol>HTTP</Protocol><Port>80</Port><VpcId>{}</VpcId>\
         <HealthCheckProtocol>HTTP</HealthCheckProtocol><HealthCheckPort>traffic-port</HealthCheckPort>\
         <HealthCheckEnabled>true</HealthCheckEnabled>\
         <HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds>\
         <HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>\
         <HealthyThresholdCount>5</HealthyThresholdCount>\
         <UnhealthyThresholdCount>2</UnhealthyThresholdCount><HealthCheckPath>/</HealthCheckPath>\
         <Matcher><HttpCode>200</HttpCode></Matcher><LoadBalancerArns><member>{balancer}</member>\
         </LoadBalancerArns><TargetType>ip</TargetType><ProtocolVersion>HTTP1</ProtocolVersion>\
         <IpAddressType>ipv4</IpAddressType></member>",
        region.target_group_arn(number),
        region.vpc(number),
    )
}

fn listener(region: Region<'_>, balancer: usize, number: usize) -> String {
    let port = 80 + number;
    let group = region.target_group_arn(balancer + number * region.load_balancers);
    let arn = region.load_balancer_arn(balancer);
    let own = arn.replace(":loadbalancer/", ":listener/");
    format!(
        "<member><ListenerArn>{own}/{number:016x}</ListenerArn><LoadBalancerArn>{arn}</LoadBalancerArn>\
         <Port>{port}</Port><Protocol>HTTP</Protocol><DefaultActions><member><Type>forward</Type>\
         <TargetGroupArn>{group}</TargetGroupArn><ForwardConfig><TargetGroups><member>\
         <TargetGroupArn>{group}</TargetGroupArn><Weight>1</Weight></member></TargetGroups>\
         <TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig>\
         </ForwardConfig></member></DefaultActions><AlpnPolicy/></member>"
    )
}
