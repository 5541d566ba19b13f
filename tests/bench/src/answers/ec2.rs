//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html>

use super::Page;
use crate::account::{ACCOUNT, REGIONS, Region};
use hyper::StatusCode;
use iasql_front::request::Call;
use iasql_front::shape::Answer;

const MOST: usize = 1000;
const TAGS: &str = "<tagSet><item><key>team</key><value>bench</value></item></tagSet>";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    // Nobody who reads it all filters.
    if call.form.iter().any(|(name, _)| name.starts_with("Filter.")) {
        return None;
    }
    let list = |name: &str, all: usize, one: &dyn Fn(usize) -> String| {
        let page = Page::form(all, call, "MaxResults", MOST, "NextToken");
        format!("<{name}>{}</{name}>{}", page.each(one), page.element("nextToken"))
    };
    let body = match call.operation.as_str() {
        "DescribeRegions" => {
            list("regionInfo", REGIONS.len(), &|number| self::region(REGIONS[number]))
        }
        "DescribeAvailabilityZones" => {
            list("availabilityZoneInfo", 3, &|number| zone(region, number))
        }
        "DescribeVpcs" => list("vpcSet", region.vpcs, &|number| vpc(region, number)),
        "DescribeVpcAttribute" => attribute(call)?,
        "DescribeSubnets" => list("subnetSet", region.subnets, &|number| subnet(region, number)),
        "DescribeSecurityGroups" => {
            list("securityGroupInfo", region.security_groups, &|number| group(region, number))
        }
        "DescribeSecurityGroupRules" => {
            list("securityGroupRuleSet", region.rules, &|number| rule(region, number))
        }
        _ => return None,
    };
    let name = &call.operation;
    let body = format!(
        "<{name}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{body}\
         <requestId>bench</requestId></{name}Response>"
    );
    Some(Answer::new(StatusCode::OK, "text/xml", body))
}

fn region(name: &str) -> String {
    format!(
        "<item><optInStatus>opt-in-not-required</optInStatus><regionName>{name}</regionName>\
         <regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint></item>"
    )
}

fn zone(region: Region<'_>, number: usize) -> String {
    let letter = ["a", "b", "c"][number];
    format!(
        "<item><messageSet/><regionName>{name}</regionName><zoneName>{name}{letter}</zoneName>\
         <zoneId>zone-{number}</zoneId><zoneType>availability-zone</zoneType>\
         <zoneState>available</zoneState></item>",
        name = region.name
    )
}

fn vpc(region: Region<'_>, number: usize) -> String {
    format!(
        "<item><ownerId>{ACCOUNT}</ownerId><instanceTenancy>default</instanceTenancy>\
         <ipv6CidrBlockAssociationSet/><cidrBlockAssociationSet><item>\
         <associationId>vpc-cidr-assoc-{number:017x}</associationId>\
         <cidrBlock>10.{number}.0.0/16</cidrBlock><cidrBlockState><state>associated</state>\
         </cidrBlockState></item></cidrBlockAssociationSet><isDefault>false</isDefault>{TAGS}\
         <vpcId>{}</vpcId><state>available</state><cidrBlock>10.{number}.0.0/16</cidrBlock>\
         <dhcpOptionsId>default</dhcpOptionsId></item>",
        region.vpc(number)
    )
}

fn attribute(call: &Call) -> Option<String> {
    let (vpc, name) = (call.parameter("VpcId")?, call.parameter("Attribute")?);
    let on = name == "enableDnsSupport";
    Some(format!("<vpcId>{vpc}</vpcId><{name}><value>{on}</value></{name}>"))
}

fn subnet(region: Region<'_>, number: usize) -> String {
    let vpcs = region.vpcs.max(1);
    // Sixteen addresses each, one after the other in the range of their VPC.
    let (vpc, at) = (number % vpcs, number / vpcs * 16);
    let (third, fourth) = (at / 256, at % 256);
    let id = region.id("subnet", number);
    format!(
        "<item><availabilityZoneId>zone-{zone_number}</availabilityZoneId><ownerId>{ACCOUNT}</ownerId>\
         <assignIpv6AddressOnCreation>false</assignIpv6AddressOnCreation>\
         <ipv6CidrBlockAssociationSet/>{TAGS}<subnetArn>{}</subnetArn>\
         <ipv6Native>false</ipv6Native><privateDnsNameOptionsOnLaunch>\
         <hostnameType>ip-name</hostnameType>\
         <enableResourceNameDnsARecord>false</enableResourceNameDnsARecord>\
         <enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord>\
         </privateDnsNameOptionsOnLaunch><subnetId>{id}</subnetId><state>available</state>\
         <vpcId>{}</vpcId><cidrBlock>10.{vpc}.{third}.{fourth}/28</cidrBlock>\
         <availableIpAddressCount>11</availableIpAddressCount>\
         <availabilityZone>{}</availabilityZone><defaultForAz>false</defaultForAz>\
         <mapPublicIpOnLaunch>false</mapPublicIpOnLaunch></item>",
        region.arn("ec2", &format!("subnet/{id}")),
        region.vpc(vpc),
        region.zone(number),
        zone_number = number / vpcs % 3,
    )
}

fn group(region: Region<'_>, number: usize) -> String {
    let id = region.id("sg", number);
    // Each VPC has one that AWS made with it.
    let name = match number < region.vpcs {
        true => "default".to_owned(),
        false => format!("group-{number}"),
    };
    format!(
        "<item><groupId>{id}</groupId><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>\
         <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/>\
         </item></ipPermissionsEgress>{TAGS}<vpcId>{}</vpcId><securityGroupArn>{}</securityGroupArn>\
         <ownerId>{ACCOUNT}</ownerId><groupName>{name}</groupName>\
         <groupDescription>group {number}</groupDescription><ipPermissions><item>\
         <ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort><groups/><ipRanges>\
         <item><cidrIp>10.0.0.0/8</cidrIp><description>rule</description></item></ipRanges>\
         <ipv6Ranges/><prefixListIds/></item></ipPermissions></item>",
        region.vpc(number),
        region.arn("ec2", &format!("security-group/{id}")),
    )
}

fn rule(region: Region<'_>, number: usize) -> String {
    let groups = region.security_groups.max(1);
    let port = 1000 + number / groups;
    format!(
        "<item><groupOwnerId>{ACCOUNT}</groupOwnerId>\
         <securityGroupRuleId>{}</securityGroupRuleId><groupId>{}</groupId>\
         <isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>{port}</fromPort>\
         <toPort>{port}</toPort><cidrIpv4>10.0.0.0/8</cidrIpv4><description>rule</description>{TAGS}\
         </item>",
        region.id("sgr", number),
        region.id("sg", number % groups),
    )
}
