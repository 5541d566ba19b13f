//! The rules of security groups: reading them out of requests, in one canonical form.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

use crate::shape::Failure;

/// One rule. Two rules that are equal are the same rule to AWS, whatever their descriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` or a number.
    pub protocol: String,
    /// -1 where the protocol has no ports.
    pub from: i64,
    pub to: i64,
    /// A canonical CIDR, a group id or a prefix list id.
    pub peer: String,
}

/// The lists of peers in a permission, with the member that names the peer.
const PEERS: &[(&str, &str)] = &[
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("Groups", "GroupId"),
    ("PrefixListIds", "PrefixListId"),
];

/// As EC2 names a rule in its messages.
impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, from, to, peer } = self;
        let name = if protocol == "-1" { "ALL".to_owned() } else { protocol.to_uppercase() };
        write!(formatter, "peer: {peer}, {name}")?;
        match protocol.as_str() {
            "tcp" | "udp" => write!(formatter, ", from port: {from}, to port: {to}")?,
            "icmp" | "icmpv6" => write!(formatter, ", type: {from}, code: {to}")?,
            _ => {}
        }
        formatter.write_str(", ALLOW")
    }
}

/// Brings one `IpPermission` of a request into canonical form and lists its rules.
pub fn canonical(permission: &mut Value) -> Result<Vec<Rule>, Failure> {
    let Some(map) = permission.as_object_mut() else {
        return Err(missing("ipPermissions"));
    };
    let protocol = protocol(text(map, "IpProtocol"))?;
    let (from, to) = ports(&protocol, text(map, "FromPort"), text(map, "ToPort"))?;
    map.insert("IpProtocol".to_owned(), json!(protocol));
    // Moto needs numbers for every protocol but -1, and must have none there.
    for (name, port) in [("FromPort", from), ("ToPort", to)] {
        if protocol == "-1" {
            map.remove(name);
        } else {
            map.insert(name.to_owned(), json!(port.to_string()));
        }
    }
    let mut rules = Vec::new();
    for (list, member) in PEERS {
        let Some(Value::Array(peers)) = map.get_mut(*list) else {
            continue;
        };
        for peer in peers.iter_mut().filter_map(Value::as_object_mut) {
            check_description(text(peer, "Description").unwrap_or_default())?;
            let Some(name) = peer.get(*member).and_then(Value::as_str) else {
                continue;
            };
            let name = if member.starts_with("Cidr") { cidr(name)? } else { name.to_owned() };
            peer.insert((*member).to_owned(), json!(name));
            rules.push(Rule { protocol: protocol.clone(), from, to, peer: name });
        }
    }
    Ok(rules)
}

/// Takes the descriptions of peers that are no CIDRs out of a canonical permission, by peer.
pub fn take_descriptions(permission: &mut Value) -> Vec<(String, String)> {
    let mut taken = Vec::new();
    for (list, member) in PEERS.iter().filter(|(_, member)| !member.starts_with("Cidr")) {
        let Some(Value::Array(peers)) = permission.get_mut(*list) else {
            continue;
        };
        for peer in peers.iter_mut().filter_map(Value::as_object_mut) {
            let description = peer.remove("Description");
            if let (Some(Value::String(text)), Some(peer)) = (description, text(peer, member)) {
                taken.push((peer.to_owned(), text));
            }
        }
    }
    taken
}

/// The description that a permission gives to a peer.
pub fn description_of(permission: &Value, peer: &str) -> Option<String> {
    let peers = PEERS.iter().filter_map(|(list, member)| {
        let list = permission.get(*list)?.as_array()?;
        list.iter().find(|one| one.get(*member).and_then(Value::as_str) == Some(peer))
    });
    peers.filter_map(|one| one.get("Description")?.as_str().map(str::to_owned)).next()
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn protocol(given: Option<&str>) -> Result<String, Failure> {
    let given = given.unwrap_or_default().to_lowercase();
    let named = match given.as_str() {
        "" => return Err(missing("ipProtocol")),
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        "tcp" | "udp" | "icmp" | "icmpv6" | "-1" => &given,
        number if number.parse::<u8>().is_ok() => &given,
        _ => {
            return Err(invalid(format!(
                "Invalid value '{given}' for IP protocol. Unknown protocol."
            )));
        }
    };
    Ok(named.to_owned())
}

fn ports(protocol: &str, from: Option<&str>, to: Option<&str>) -> Result<(i64, i64), Failure> {
    let (from, to) = (number(from)?, number(to)?);
    match protocol {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                return Err(invalid(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
                        .to_owned(),
                ));
            };
            for (name, port) in [("from", from), ("to", to)] {
                if !(0..=65535).contains(&port) {
                    return Err(invalid(format!("TCP/UDP ({name}) port ({port}) out of range")));
                }
            }
            if from > to {
                return Err(invalid(format!("Invalid TCP/UDP port range ({from}:{to})")));
            }
            Ok((from, to))
        }
        "icmp" | "icmpv6" => {
            let (kind, code) = (from.unwrap_or(-1), to.unwrap_or(-1));
            for (name, value) in [("type", kind), ("code", code)] {
                if !(-1..=255).contains(&value) {
                    return Err(invalid(format!("ICMP {name} ({value}) out of range")));
                }
            }
            Ok((kind, code))
        }
        // Other protocols have no ports; AWS ignores what is given.
        _ => Ok((-1, -1)),
    }
}

fn number(given: Option<&str>) -> Result<Option<i64>, Failure> {
    let Some(given) = given else { return Ok(None) };
    given.parse().map(Some).map_err(|_| invalid(format!("Invalid value '{given}' for portRange.")))
}

/// Refuses a description that EC2 refuses for a rule.
pub fn check_description(description: &str) -> Result<(), Failure> {
    if is_description(description) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid rule description. Valid descriptions are strings less than 256 characters from the \
         following set:  {DESCRIPTION_SET}"
    )))
}

/// As EC2 words the set in its messages.
pub const DESCRIPTION_SET: &str = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";

/// Whether EC2 takes this as the description of a group or a rule, or as the name of a group.
pub fn is_description(text: &str) -> bool {
    let allowed =
        |sign: char| sign.is_ascii_alphanumeric() || ". _-:/()#,@[]+=&;{}!$*".contains(sign);
    text.len() < 256 && text.chars().all(allowed)
}

/// A CIDR in canonical form: no bits beyond the prefix, IPv6 in its short form.
pub fn cidr(given: &str) -> Result<String, Failure> {
    parse_cidr(given).ok_or_else(|| invalid(format!("CIDR block {given} is malformed")))
}

fn parse_cidr(given: &str) -> Option<String> {
    let (address, length) = given.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    if let Ok(address) = address.parse::<Ipv4Addr>() {
        let kept = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
        return Some(format!("{}/{length}", Ipv4Addr::from(u32::from(address) & kept)));
    }
    let address: Ipv6Addr = address.parse().ok()?;
    let kept = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
    Some(format!("{}/{length}", Ipv6Addr::from(u128::from(address) & kept)))
}

fn invalid(message: String) -> Failure {
    Failure::refuse("InvalidParameterValue", message)
}

fn missing(parameter: &str) -> Failure {
    let message = format!("The request must contain the parameter {parameter}");
    Failure::refuse("MissingParameter", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(mut permission: Value) -> Result<Vec<String>, String> {
        let rules = canonical(&mut permission).map_err(|failure| failure.code)?;
        Ok(rules.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_permission_is_made_canonical() {
        let permission = json!({"IpProtocol": "6", "FromPort": "22", "ToPort": "23",
            "IpRanges": [{"CidrIp": "10.1.2.3/8"}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8:0::1/32"}]});
        let expected = [
            "peer: 10.0.0.0/8, TCP, from port: 22, to port: 23, ALLOW",
            "peer: 2001:db8::/32, TCP, from port: 22, to port: 23, ALLOW",
        ];
        assert_eq!(rules(permission).as_deref(), Ok(expected.map(str::to_owned).as_slice()));
    }

    #[test]
    fn nonsense_is_refused() {
        let tcp =
            |from: &str, to: &str| json!({"IpProtocol": "tcp", "FromPort": from, "ToPort": to});
        let bad = [
            tcp("80", "22"),
            tcp("-1", "22"),
            tcp("0", "65536"),
            json!({"IpProtocol": "tcp"}),
            json!({"IpProtocol": "banana"}),
            json!({"IpProtocol": "256"}),
            json!({"IpProtocol": "icmp", "FromPort": "256", "ToPort": "-1"}),
            json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}),
            json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "it's"}]}),
        ];
        for permission in bad {
            assert_eq!(
                rules(permission.clone()),
                Err("InvalidParameterValue".into()),
                "{permission}"
            );
        }
        assert_eq!(rules(json!({})), Err("MissingParameter".into()));
    }

    #[test]
    fn cidrs() {
        assert_eq!(parse_cidr("0.0.0.0/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(parse_cidr("10.1.2.3/32").as_deref(), Some("10.1.2.3/32"));
        assert_eq!(parse_cidr("::/0").as_deref(), Some("::/0"));
        assert_eq!(parse_cidr("10.0.0.0"), None);
        assert_eq!(parse_cidr("10.0.0/8"), None);
        assert_eq!(parse_cidr("::/129"), None);
    }
}
