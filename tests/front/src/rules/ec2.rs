//! EC2: VPCs, subnets, gateways, route tables and filters; security groups have a file of their
//! own.
//!
//! Known to be missing: malformed ids (AWS has its own codes for them), quotas, what else may hold
//! a security group or a subnet on AWS (databases, functions, endpoints' interfaces), and network
//! interfaces that linger after their owner is gone.

use super::permission::cidr;
use super::{ask, holders, security_group};
use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};

pub async fn check(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    check_filters(call)?;
    match call.operation.as_str() {
        "CreateSecurityGroup" => security_group::create(front, call).await?,
        "DeleteSecurityGroup" => security_group::delete(front, call).await?,
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            return security_group::authorize(front, call).await;
        }
        "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            security_group::revoke(front, call).await?;
        }
        "UpdateSecurityGroupRuleDescriptionsIngress"
        | "UpdateSecurityGroupRuleDescriptionsEgress" => {
            return security_group::update_descriptions(front, call).await;
        }
        "ModifySecurityGroupRules" => security_group::modify_rules(front, call).await?,
        "CreateVpc" => canonical_block(call)?,
        "DeleteVpc" => delete_vpc(front, call).await?,
        "CreateSubnet" => create_subnet(front, call).await?,
        "DeleteSubnet" => delete_subnet(front, call).await?,
        "AttachInternetGateway" => attach_internet_gateway(front, call).await?,
        "DeleteRouteTable" => delete_route_table(front, call).await?,
        _ => {}
    }
    Ok(None)
}

/// Mends what moto answers otherwise than AWS.
pub async fn mend(front: &Front, call: &Call, answer: &mut Answer) -> Result<(), Failure> {
    match call.operation.as_str() {
        "AuthorizeSecurityGroupIngress"
        | "AuthorizeSecurityGroupEgress"
        | "DescribeSecurityGroupRules" => {
            security_group::add_rule_owners(front, call, answer).await
        }
        "DescribeSecurityGroups" if answer.is_ok() => {
            security_group::drop_empty_ports(answer);
            Ok(())
        }
        _ if !answer.is_ok() && answer.text().contains("{'") => {
            // Some messages of moto print a Python set.
            answer.body = answer.text().replace("{'", "'").replace("'}", "'").into();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The filters that each list knows, as names or as starts of names. Without them moto crashes on
/// an unknown filter as it does on one that it merely lacks.
const FILTERS: &[(&str, &[&str])] = &[
    (
        "DescribeVpcs",
        &[
            "cidr",
            "cidrBlock",
            "cidr-block",
            "cidr-block-association.*",
            "dhcp-options-id",
            "dhcpOptionsId",
            "ipv6-cidr-block-association.*",
            "is-default",
            "isDefault",
            "owner-id",
            "state",
            "vpc-id",
            "vpcId",
        ],
    ),
    (
        "DescribeSubnets",
        &[
            "availability-zone",
            "availabilityZone",
            "availability-zone-id",
            "availabilityZoneId",
            "available-ip-address-count",
            "cidr",
            "cidrBlock",
            "cidr-block",
            "customer-owned-ipv4-pool",
            "default-for-az",
            "defaultForAz",
            "enable-dns64",
            "enable-lni-at-device-index",
            "ipv6-cidr-block-association.*",
            "ipv6-native",
            "map-customer-owned-ip-on-launch",
            "map-public-ip-on-launch",
            "outpost-arn",
            "owner-id",
            "private-dns-name-options-on-launch.*",
            "state",
            "subnet-arn",
            "subnet-id",
            "vpc-id",
        ],
    ),
    (
        "DescribeSecurityGroups",
        &[
            "description",
            "egress.ip-permission.*",
            "group-id",
            "group-name",
            "ip-permission.*",
            "owner-id",
            "vpc-id",
        ],
    ),
    ("DescribeSecurityGroupRules", &["group-id", "security-group-rule-id"]),
    (
        "DescribeNetworkInterfaces",
        &[
            "addresses.*",
            "association.*",
            "attachment.*",
            "availability-zone*",
            "description",
            "group-id",
            "group-name",
            "interface-type",
            "ipv6-addresses.*",
            "mac-address",
            "network-interface-id",
            "operator.*",
            "owner-id",
            "private-dns-name",
            "private-ip-address",
            "requester-id",
            "requester-managed",
            "source-dest-check",
            "status",
            "subnet-id",
            "vpc-id",
        ],
    ),
];

fn check_filters(call: &Call) -> Result<(), Failure> {
    let Some((_, known)) = FILTERS.iter().find(|(operation, _)| *operation == call.operation)
    else {
        return Ok(());
    };
    let is_known = |name: &str| {
        name.starts_with("tag:")
            || ["tag-key", "tag-value"].contains(&name)
            || known.iter().any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
    };
    for (parameter, name) in &call.form {
        if parameter.starts_with("Filter.") && parameter.ends_with(".Name") && !is_known(name) {
            return Err(invalid(format!("The filter '{name}' is invalid")));
        }
    }
    Ok(())
}

/// AWS keeps `10.1.2.3/16` as `10.1.0.0/16`.
fn canonical_block(call: &mut Call) -> Result<(), Failure> {
    let Some(block) = call.parameter("CidrBlock").map(str::to_owned) else {
        return Ok(());
    };
    // What is malformed moto refuses in AWS's words.
    match cidr(&block) {
        Ok(canonical) if canonical != block => call.set_parameter("CidrBlock", &canonical),
        _ => {}
    }
    Ok(())
}

async fn delete_vpc(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let Some(vpc) = call.parameter("VpcId") else {
        return Ok(());
    };
    let asked = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)];
    let holders = [
        ("DescribeSecurityGroups", "securityGroupInfo", asked),
        ("DescribeNetworkInterfaces", "networkInterfaceSet", asked),
        (
            "DescribeInternetGateways",
            "internetGatewaySet",
            [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", vpc)],
        ),
    ];
    for (operation, set, asked) in holders {
        let held = ask(front, call, ("ec2", operation), &asked, |root| {
            root.list(&[set]).iter().any(|item| item.get("groupName") != "default")
        });
        if held.await? {
            let message = format!("The vpc '{vpc}' has dependencies and cannot be deleted.");
            return Err(Failure::refuse("DependencyViolation", message));
        }
    }
    Ok(())
}

async fn create_subnet(front: &Front, call: &mut Call) -> Result<(), Failure> {
    canonical_block(call)?;
    let block = call.parameter("CidrBlock").unwrap_or_default();
    let length = block.split_once('/').and_then(|(_, length)| length.parse::<u8>().ok());
    if length.is_some_and(|length| !(16..=28).contains(&length)) {
        let message = format!("The CIDR '{block}' is invalid.");
        return Err(Failure::refuse("InvalidSubnet.Range", message));
    }
    let asked = [("AvailabilityZone", "zoneName"), ("AvailabilityZoneId", "zoneId")];
    for (parameter, member) in asked {
        let Some(zone) = call.parameter(parameter) else {
            continue;
        };
        let zones = ask(front, call, ("ec2", "DescribeAvailabilityZones"), &[], |root| {
            let zones = root.list(&["availabilityZoneInfo"]).iter();
            zones.map(|zone| zone.get(member).into_owned()).collect::<Vec<_>>()
        })
        .await?;
        if !zones.iter().any(|known| known == zone) {
            return Err(invalid(format!(
                "Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only \
                 be created in the following availability zones: {}.",
                zones.join(", ")
            )));
        }
    }
    Ok(())
}

async fn delete_subnet(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let Some(subnet) = call.parameter("SubnetId") else {
        return Ok(());
    };
    let used = holders::has_interface(front, call, "subnet-id", subnet).await?
        || holders::has_load_balancer(front, call, "SubnetId", subnet).await?
        || holders::has_service(front, call, "subnets", subnet).await?;
    if used {
        let message = format!("The subnet '{subnet}' has dependencies and cannot be deleted.");
        return Err(Failure::refuse("DependencyViolation", message));
    }
    Ok(())
}

async fn attach_internet_gateway(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let Some(vpc) = call.parameter("VpcId") else {
        return Ok(());
    };
    let asked = [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", vpc)];
    if count(front, call, "DescribeInternetGateways", "internetGatewaySet", &asked).await? == 0 {
        return Ok(());
    }
    let message = format!("Network {vpc} already has an internet gateway attached");
    Err(Failure::refuse("InvalidParameterValue", message))
}

async fn delete_route_table(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let Some(table) = call.parameter("RouteTableId") else {
        return Ok(());
    };
    let asked = [("RouteTableId.1", table)];
    let main = ask(front, call, ("ec2", "DescribeRouteTables"), &asked, |root| {
        let tables = root.list(&["routeTableSet"]).iter();
        tables.flat_map(|table| table.list(&["associationSet"])).any(|a| a.get("main") == "true")
    })
    .await?;
    if main {
        let message = format!("The routeTable '{table}' has dependencies and cannot be deleted.");
        return Err(Failure::refuse("DependencyViolation", message));
    }
    Ok(())
}

/// How many things the emulator lists.
pub async fn count(
    front: &Front,
    call: &Call,
    operation: &str,
    set: &str,
    asked: &[(&str, &str)],
) -> Result<usize, Failure> {
    ask(front, call, ("ec2", operation), asked, |root| root.list(&[set]).len()).await
}

/// The code that EC2 has for most mistakes.
pub fn invalid(message: String) -> Failure {
    Failure::refuse("InvalidParameterValue", message)
}
