//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html>

use super::{All, Page, missing};
use crate::account::{ACCOUNT, REGIONS, Region};
use crate::made::element;
use hyper::StatusCode;
use iasql_front::request::Call;
use iasql_front::shape::Answer;
use serde_json::Value;

const MOST: usize = 1000;
const TAGS: &str = "<tagSet><item><key>team</key><value>bench</value></item></tagSet>";
const GROUPS: &str = "security groups";
const RULES: &str = "rules of security groups";
const DONE: &str = "<return>true</return>";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let asked = call.tree();
    let parts = filters(&asked)?;
    let list = |name: &str, kind: &str, count: usize, one: &dyn Fn(usize) -> String| {
        let all = All::of(region, kind, &parts, count, one);
        let page = Page::form(all.len(), call, "MaxResults", MOST, "NextToken");
        format!("<{name}>{}</{name}>{}", page.each(|at| all.get(at)), page.element("nextToken"))
    };
    let body = match call.operation.as_str() {
        "DescribeRegions" => {
            list("regionInfo", "", REGIONS.len(), &|number| self::region(REGIONS[number]))
        }
        "DescribeAvailabilityZones" => {
            list("availabilityZoneInfo", "", 3, &|number| zone(region, number))
        }
        "DescribeVpcs" => list("vpcSet", "", region.vpcs, &|number| vpc(region, number)),
        "DescribeVpcAttribute" => attribute(call)?,
        "DescribeSubnets" => {
            list("subnetSet", "", region.subnets, &|number| subnet(region, number))
        }
        "DescribeSecurityGroups" => {
            let count = region.security_groups;
            list("securityGroupInfo", GROUPS, count, &|number| counted_group(region, number))
        }
        "DescribeSecurityGroupRules" => {
            list("securityGroupRuleSet", RULES, region.rules, &|number| {
                counted_rule(region, number)
            })
        }
        "CreateSecurityGroup" => create_group(region, &asked)?,
        "AuthorizeSecurityGroupIngress" => authorize(region, &asked, false)?,
        "AuthorizeSecurityGroupEgress" => authorize(region, &asked, true)?,
        "UpdateSecurityGroupRuleDescriptionsIngress" => describe(region, &asked, false)?,
        "UpdateSecurityGroupRuleDescriptionsEgress" => describe(region, &asked, true)?,
        "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            for id in asked["SecurityGroupRuleId"].as_array()? {
                if !region.drop(RULES, element("securityGroupRuleId", id.as_str()?)) {
                    return Some(missing(call, "InvalidSecurityGroupRuleId.NotFound"));
                }
            }
            DONE.to_owned()
        }
        "DeleteSecurityGroup" => {
            let id = element("groupId", asked["GroupId"].as_str()?);
            region.drop(RULES, id.clone());
            if !region.drop(GROUPS, id) {
                return Some(missing(call, "InvalidGroup.NotFound"));
            }
            String::new()
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

/// What the things that are asked for have in common; `vpc-id` is called `vpcId` in answers.
fn filters(asked: &Value) -> Option<Vec<String>> {
    let part = |filter: &Value| {
        let [value] = filter["Value"].as_array()?.as_slice() else { return None };
        let mut name = String::new();
        for (at, word) in filter["Name"].as_str()?.split('-').enumerate() {
            let (first, rest) = word.split_at_checked(1)?;
            name += &if at == 0 { first.to_owned() } else { first.to_uppercase() };
            name += rest;
        }
        Some(element(&name, value.as_str()?))
    };
    asked["Filter"].as_array().into_iter().flatten().map(part).collect()
}

/// The tags that something is made with.
fn tags(asked: &Value) -> Option<String> {
    let tag = |tag: &Value| {
        let (key, value) = (element("key", tag["Key"].as_str()?), tag["Value"].as_str()?);
        Some(format!("<item>{key}{}</item>", element("value", value)))
    };
    let all = asked["TagSpecification"][0]["Tag"].as_array().into_iter().flatten();
    Some(format!("<tagSet>{}</tagSet>", all.map(tag).collect::<Option<String>>()?))
}

fn create_group(region: Region<'_>, asked: &Value) -> Option<String> {
    let id = region.id("sg", region.made.number());
    let default = region.vpc(0);
    let made = Group {
        id: &id,
        name: asked["GroupName"].as_str()?,
        vpc: asked["VpcId"].as_str().unwrap_or(&default),
        description: asked["GroupDescription"].as_str()?,
        tags: &tags(asked)?,
    };
    region.keep(GROUPS, group(region, &made));
    // AWS makes it along with each group.
    let everywhere = Rule {
        id: &region.id("sgr", region.made.number()),
        group: &id,
        egress: true,
        protocol: "-1",
        from: "-1",
        to: "-1",
        range: "0.0.0.0/0",
        description: None,
        tags: "<tagSet/>",
    };
    region.keep(RULES, rule(&everywhere));
    let arn = region.arn("ec2", &format!("security-group/{id}"));
    let (id, arn) = (element("groupId", &id), element("securityGroupArn", &arn));
    Some(format!("{DONE}{id}{arn}"))
}

/// Each range of each permission, as a rule. Other peers than ranges of IPv4 are not known here.
fn permitted<T>(
    asked: &Value,
    egress: bool,
    mut each: impl FnMut(Rule<'_>) -> T,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for permission in asked["IpPermissions"].as_array()? {
        for range in permission["IpRanges"].as_array()? {
            let port = |name: &str| permission[name].as_str().unwrap_or("-1").to_owned();
            all.push(each(Rule {
                id: "",
                group: asked["GroupId"].as_str()?,
                egress,
                protocol: permission["IpProtocol"].as_str()?,
                from: &port("FromPort"),
                to: &port("ToPort"),
                range: range["CidrIp"].as_str()?,
                description: range["Description"].as_str(),
                tags: "",
            }));
        }
    }
    Some(all)
}

fn authorize(region: Region<'_>, asked: &Value, egress: bool) -> Option<String> {
    let tags = tags(asked)?;
    let made = permitted(asked, egress, |it| {
        let made = rule(&Rule { id: &region.id("sgr", region.made.number()), tags: &tags, ..it });
        region.keep(RULES, made.clone());
        made
    });
    Some(format!("{DONE}<securityGroupRuleSet>{}</securityGroupRuleSet>", made?.concat()))
}

/// Changes what rules say of themselves.
fn describe(region: Region<'_>, asked: &Value, egress: bool) -> Option<String> {
    permitted(asked, egress, |it| {
        let parts = [element("groupId", it.group), it.matter()];
        region.made.change(region.name, RULES, &parts, |was| {
            let (before, tags) = was.split_once("<tagSet")?;
            let before = before.split("<description>").next()?;
            Some(format!("{before}{}<tagSet{tags}", it.said()))
        })
    })?;
    Some(DONE.to_owned())
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
         </cidrBlockState></item></cidrBlockAssociationSet><isDefault>{}</isDefault>{TAGS}\
         <vpcId>{}</vpcId><state>available</state><cidrBlock>10.{number}.0.0/16</cidrBlock>\
         <dhcpOptionsId>default</dhcpOptionsId></item>",
        number == 0,
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
         <availabilityZone>{}</availabilityZone><defaultForAz>{}</defaultForAz>\
         <mapPublicIpOnLaunch>false</mapPublicIpOnLaunch></item>",
        region.arn("ec2", &format!("subnet/{id}")),
        region.vpc(vpc),
        region.zone(number),
        vpc == 0 && number / vpcs < 3,
        zone_number = number / vpcs % 3,
    )
}

fn counted_group(region: Region<'_>, number: usize) -> String {
    // Each VPC has one that AWS made with it.
    let name = match number < region.vpcs {
        true => "default".to_owned(),
        false => format!("group-{number}"),
    };
    group(
        region,
        &Group {
            id: &region.id("sg", number),
            name: &name,
            vpc: &region.vpc(number),
            description: &format!("group {number}"),
            tags: TAGS,
        },
    )
}

fn counted_rule(region: Region<'_>, number: usize) -> String {
    let groups = region.security_groups.max(1);
    let port = (1000 + number / groups).to_string();
    rule(&Rule {
        id: &region.id("sgr", number),
        group: &region.id("sg", number % groups),
        egress: false,
        protocol: "tcp",
        from: &port,
        to: &port,
        range: "10.0.0.0/8",
        description: Some("rule"),
        tags: TAGS,
    })
}

struct Group<'a> {
    id: &'a str,
    name: &'a str,
    vpc: &'a str,
    description: &'a str,
    tags: &'a str,
}

/// The permissions that it shows are the same for all groups: what reads rules asks for rules.
fn group(region: Region<'_>, it: &Group<'_>) -> String {
    let Group { id, vpc, tags, .. } = it;
    format!(
        "<item><groupId>{id}</groupId><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>\
         <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/>\
         </item></ipPermissionsEgress>{tags}<vpcId>{vpc}</vpcId><securityGroupArn>{}</securityGroupArn>\
         <ownerId>{ACCOUNT}</ownerId>{}{}<ipPermissions><item>\
         <ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort><groups/><ipRanges>\
         <item><cidrIp>10.0.0.0/8</cidrIp><description>rule</description></item></ipRanges>\
         <ipv6Ranges/><prefixListIds/></item></ipPermissions></item>",
        region.arn("ec2", &format!("security-group/{id}")),
        element("groupName", it.name),
        element("groupDescription", it.description),
    )
}

struct Rule<'a> {
    id: &'a str,
    group: &'a str,
    egress: bool,
    protocol: &'a str,
    from: &'a str,
    to: &'a str,
    range: &'a str,
    description: Option<&'a str>,
    tags: &'a str,
}

impl Rule<'_> {
    /// What no other rule of its group has.
    fn matter(&self) -> String {
        let Rule { egress, protocol, from, to, range, .. } = self;
        format!(
            "<isEgress>{egress}</isEgress><ipProtocol>{protocol}</ipProtocol>\
             <fromPort>{from}</fromPort><toPort>{to}</toPort><cidrIpv4>{range}</cidrIpv4>"
        )
    }

    fn said(&self) -> String {
        self.description.map(|text| element("description", text)).unwrap_or_default()
    }
}

fn rule(it: &Rule<'_>) -> String {
    let Rule { id, group, tags, .. } = it;
    format!(
        "<item><groupOwnerId>{ACCOUNT}</groupOwnerId><securityGroupRuleId>{id}</securityGroupRuleId>\
         <groupId>{group}</groupId>{}{}{tags}</item>",
        it.matter(),
        it.said(),
    )
}
