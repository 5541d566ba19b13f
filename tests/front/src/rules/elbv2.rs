//! Load balancers: names, zones, certificates, creating twice, and who uses a target group.
//!
//! Moto gives every load balancer an ARN like that of an application load balancer (`/app/`). Clients
//! see `/net/` and `/gwy/`, which are put back before a call goes to moto.
//!
//! Known to be missing: quotas, whether tags count when something is created twice, target groups of
//! a protocol or network that does not go with the load balancer, the names of hosts, and the
//! attributes that AWS shows with their defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ask, ask_json};
use crate::front::{Front, lock};
use crate::request::Call;
use crate::shape::{Answer, Failure};
use crate::xml::{self, Element};

/// How requests to moto are signed; calls of clients have another name in [`Call::service`].
const SERVICE: &str = "elasticloadbalancing";

/// What stands in an ARN for each type of load balancer.
const KINDS: &[(&str, &str)] = &[("network", "/net/"), ("gateway", "/gwy/")];
const KIND_OF_MOTO: &str = "/app/";

/// What a load balancer is made with if a request does not say.
const BALANCER: &[(&str, &str)] =
    &[("Scheme", "internet-facing"), ("Type", "application"), ("IpAddressType", "ipv4")];

/// What makes two target groups the same: the parameter, and its value if none is given, for
/// `HTTP` and `HTTPS` and for other protocols.
const GROUP: &[(&str, &str, &str)] = &[
    ("Protocol", "", ""),
    ("ProtocolVersion", "HTTP1", ""),
    ("Port", "", ""),
    ("VpcId", "", ""),
    ("TargetType", "instance", "instance"),
    ("IpAddressType", "ipv4", "ipv4"),
    ("HealthCheckEnabled", "true", "true"),
    ("HealthCheckProtocol", "HTTP", "TCP"),
    ("HealthCheckPort", "traffic-port", "traffic-port"),
    ("HealthCheckPath", "/", ""),
    ("HealthCheckIntervalSeconds", "30", "30"),
    ("HealthCheckTimeoutSeconds", "5", "10"),
    ("HealthyThresholdCount", "5", "5"),
    ("UnhealthyThresholdCount", "2", "2"),
    ("Matcher.HttpCode", "200", ""),
];

pub async fn check(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    to_moto(call);
    match call.operation.as_str() {
        "CreateLoadBalancer" => return create_balancer(front, call).await,
        "SetSubnets" => {
            let arn = call.parameter("LoadBalancerArn").unwrap_or_default();
            let kind = balancers(front, call, |one| {
                (one.get("LoadBalancerArn") == arn).then(|| one.get("Type").into_owned())
            });
            let kind = kind.await?.into_iter().flatten().next().unwrap_or_default();
            check_zones(&kind, &subnets(front, call).await?)?;
        }
        "DeleteLoadBalancer" => check_protection(front, call).await?,
        "CreateTargetGroup" => return create_group(front, call).await,
        "DescribeTargetGroups" => return describe_groups(front, call).await.map(Some),
        "CreateListener" => {
            check_association(front, call).await?;
            return create_listener(front, call).await;
        }
        "ModifyListener" => {
            if matches!(call.parameter("Protocol"), Some("TLS" | "UDP" | "TCP_UDP")) {
                return Err(Failure::not_implemented(call));
            }
            check_association(front, call).await?;
            check_certificates(front, call).await?;
            let own = call.parameter("ListenerArn").unwrap_or_default();
            let other = |listener: &Element<'_>| listener.get("ListenerArn") != own;
            on_port(front, call, &balancer_of(own), other).await?.map_or(Ok(()), Err)?;
        }
        "CreateRule" | "ModifyRule" => check_association(front, call).await?,
        "DeleteRule" => check_rule(front, call).await?,
        _ => {}
    }
    Ok(None)
}

/// Mends what moto answers otherwise than AWS.
pub async fn mend(front: &Front, call: &Call, answer: &mut Answer) -> Result<(), Failure> {
    // Moto allows ten tags, AWS fifty.
    if answer.error_code().as_deref() == Some("TooManyTags") {
        return Err(Failure::not_implemented(call));
    }
    mend_listeners(answer);
    mend_pools(front, call, answer);
    show_kinds(front, call, answer).await
}

/// Shows ARNs with the type of the load balancer that they belong to.
pub async fn show_kinds(front: &Front, call: &Call, answer: &mut Answer) -> Result<(), Failure> {
    if !answer.text().contains(KIND_OF_MOTO) {
        return Ok(());
    }
    let kinds = balancers(front, call, |one| {
        let (_, kind) = *KINDS.iter().find(|(kind, _)| one.get("Type") == *kind)?;
        let arn = one.get("LoadBalancerArn");
        let (_, own) = arn.split_once(KIND_OF_MOTO)?;
        Some((format!("{KIND_OF_MOTO}{own}"), format!("{kind}{own}")))
    });
    for (of_moto, shown) in kinds.await?.into_iter().flatten() {
        answer.body = answer.text().replace(&of_moto, &shown).into();
    }
    Ok(())
}

/// Puts moto's ARNs into a request.
fn to_moto(call: &mut Call) {
    let replaced = |value: &String| {
        KINDS.iter().fold(value.clone(), |value, (_, kind)| {
            match value.starts_with("arn:") && value.contains(":elasticloadbalancing:") {
                true => value.replace(kind, KIND_OF_MOTO),
                false => value,
            }
        })
    };
    let form: Vec<_> =
        call.form.iter().map(|(name, value)| (name.clone(), replaced(value))).collect();
    if form != call.form {
        call.set_form(form);
    }
}

/// What `read` finds in each load balancer.
pub async fn balancers<T>(
    front: &Front,
    call: &Call,
    read: impl Fn(&Element<'_>) -> T,
) -> Result<Vec<T>, Failure> {
    let (mut all, mut marker) = (Vec::new(), String::new());
    loop {
        let asked = [("PageSize", "400"), ("Marker", marker.as_str())];
        let asked = if marker.is_empty() { &asked[..1] } else { &asked[..] };
        let next = ask(front, call, (SERVICE, "DescribeLoadBalancers"), asked, |root| {
            let result = root.child("DescribeLoadBalancersResult")?;
            all.extend(result.list(&["LoadBalancers"]).iter().map(&read));
            Some(result.get("NextMarker").into_owned())
        })
        .await?;
        match next {
            Some(next) if !next.is_empty() => marker = next,
            _ => return Ok(all),
        }
    }
}

/// The strings of a list in a request.
fn words(call: &Call, list: &str) -> Vec<String> {
    let start = format!("{list}.member.");
    let of_list = call.form.iter().filter(|(name, _)| name.starts_with(&start));
    of_list.map(|(_, value)| value.clone()).collect()
}

/// A subnet, as far as a load balancer cares.
struct Subnet {
    zone: String,
    vpc: String,
}

fn subnet_ids(call: &Call) -> impl Iterator<Item = &String> {
    let named = call
        .form
        .iter()
        .filter(|(name, _)| name.starts_with("Subnets.member.") || name.ends_with(".SubnetId"));
    named.map(|(_, id)| id)
}

/// The subnets that a call names; those that do not exist moto refuses as AWS does.
async fn subnets(front: &Front, call: &Call) -> Result<Vec<Subnet>, Failure> {
    let mut subnets = Vec::new();
    for id in subnet_ids(call) {
        let asked = [("SubnetId.1", id.as_str())];
        let found = ask(front, call, ("ec2", "DescribeSubnets"), &asked, |root| {
            root.list(&["subnetSet"]).first().map(|subnet| Subnet {
                zone: subnet.get("availabilityZone").into_owned(),
                vpc: subnet.get("vpcId").into_owned(),
            })
        });
        subnets.extend(found.await?);
    }
    Ok(subnets)
}

fn check_zones(kind: &str, subnets: &[Subnet]) -> Result<(), Failure> {
    let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    let networks: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.vpc.as_str()).collect();
    if networks.len() > 1 {
        return Err(misconfigured("All subnets must belong to the same VPC"));
    }
    if kind == "application" && zones.len() < 2 {
        return Err(invalid(
            "At least two subnets in two different Availability Zones must be specified".to_owned(),
        ));
    }
    if zones.len() < subnets.len() {
        return Err(misconfigured(
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ));
    }
    Ok(())
}

/// Whether something in a VPC can be reached from outside. Moto's default VPCs have no gateway, those
/// of AWS have.
async fn is_open(front: &Front, call: &Call, vpc: &str) -> Result<bool, Failure> {
    let asked = [("VpcId.1", vpc)];
    let default = ask(front, call, ("ec2", "DescribeVpcs"), &asked, |root| {
        root.list(&["vpcSet"]).iter().any(|vpc| vpc.get("isDefault") == "true")
    });
    if default.await? {
        return Ok(true);
    }
    let asked = [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", vpc)];
    ask(front, call, ("ec2", "DescribeInternetGateways"), &asked, |root| {
        !root.list(&["internetGatewaySet"]).is_empty()
    })
    .await
}

/// Checks that each security group is one of the VPC; without any, takes the default one.
async fn check_groups(front: &Front, call: &mut Call, vpc: &str) -> Result<(), Failure> {
    let groups = words(call, "SecurityGroups");
    let question = ("ec2", "DescribeSecurityGroups");
    for group in &groups {
        let asked = [("GroupId.1", group.as_str())];
        let found = ask(front, call, question, &asked, |root| {
            root.list(&["securityGroupInfo"]).first().map(|one| one.get("vpcId").into_owned())
        });
        match found.await? {
            None => {
                let message = format!("Security group '{group}' does not exist");
                return Err(Failure::refuse("InvalidSecurityGroup", message));
            }
            Some(of) if of != vpc => {
                return Err(misconfigured("One or more security groups are invalid"));
            }
            Some(_) => {}
        }
    }
    if groups.is_empty() && call.parameter("Type") == Some("application") {
        let asked = [
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", vpc),
            ("Filter.2.Name", "group-name"),
            ("Filter.2.Value.1", "default"),
        ];
        let default = ask(front, call, question, &asked, |root| {
            root.list(&["securityGroupInfo"]).first().map(|one| one.get("groupId").into_owned())
        });
        if let Some(default) = default.await? {
            call.set_parameter("SecurityGroups.member.1", &default);
        }
    }
    Ok(())
}

async fn create_balancer(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    check_name(call.parameter("Name").unwrap_or_default())?;
    for (parameter, default) in BALANCER {
        if call.parameter(parameter).is_none() {
            call.set_parameter(parameter, default);
        }
    }
    let subnets = subnets(front, call).await?;
    check_zones(call.parameter("Type").unwrap_or_default(), &subnets)?;
    if let Some(Subnet { vpc, .. }) = subnets.first() {
        check_groups(front, call, vpc).await?;
        if call.parameter("Scheme") == Some("internet-facing") && !is_open(front, call, vpc).await?
        {
            let message = format!("VPC {vpc} has no internet gateway");
            return Err(Failure::refuse("InvalidSubnet", message));
        }
    }
    let asked = &*call;
    let same = move |one: &Element<'_>| {
        let zones = one.list(&["AvailabilityZones"]).iter();
        let subnets: BTreeSet<_> = zones.map(|zone| zone.get("SubnetId").into_owned()).collect();
        let groups = one.list(&["SecurityGroups"]).iter();
        let groups: BTreeSet<_> = groups.map(|group| group.text().into_owned()).collect();
        BALANCER.iter().all(|(name, _)| asked.parameter(name) == Some(&*one.get(name)))
            && subnet_ids(asked).cloned().collect::<BTreeSet<_>>() == subnets
            && words(asked, "SecurityGroups").into_iter().collect::<BTreeSet<_>>() == groups
    };
    again(front, call, ("LoadBalancer", "load balancer"), same).await
}

fn check_name(name: &str) -> Result<(), Failure> {
    let why = if name.len() > 32 {
        "cannot be longer than '32' characters"
    } else if !name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '-') {
        "can only contain characters that are alphanumeric characters and hyphens(-)"
    } else if name.is_empty() || name.starts_with('-') || name.ends_with('-') {
        "cannot begin or end with '-'"
    } else if name.starts_with("internal-") {
        "cannot begin with 'internal-'"
    } else {
        return Ok(());
    };
    Err(invalid(format!("Load balancer name '{name}' {why}")))
}

async fn create_group(front: &Front, call: &Call) -> Result<Option<Answer>, Failure> {
    let is_web = matches!(call.parameter("Protocol"), Some("HTTP" | "HTTPS"));
    let same = |one: &Element<'_>| {
        GROUP.iter().all(|(parameter, web, other)| {
            let default = if is_web { web } else { other };
            let path: Vec<&str> = parameter.split('.').collect();
            let found = one.find(&path).map(|found| found.text().into_owned()).unwrap_or_default();
            call.parameter(parameter).unwrap_or(default) == found
        })
    };
    again(front, call, ("TargetGroup", "target group"), same).await
}

/// Making the same thing again gives the thing that is there; another of its name is refused.
async fn again(
    front: &Front,
    call: &Call,
    (kind, words): (&str, &str),
    same: impl Fn(&Element<'_>) -> bool,
) -> Result<Option<Answer>, Failure> {
    let name = call.parameter("Name").unwrap_or_default();
    let describe = format!("Describe{kind}s");
    let asked = [("Names.member.1", name)];
    let mut answer = front.upstream.ask_query(call, SERVICE, &describe, &asked).await?;
    let root = xml::parse(answer.text()).filter(|_| answer.is_ok());
    let path = [format!("{describe}Result"), format!("{kind}s")];
    let Some(one) = root.as_ref().and_then(|root| root.list(&[&path[0], &path[1]]).first()) else {
        return Ok(None);
    };
    if !same(one) {
        let message =
            format!("A {words} with the same name '{name}' exists, but with different settings");
        return Err(Failure::refuse(&format!("Duplicate{kind}Name"), message));
    }
    answer.body = answer.text().replace(&describe, &format!("Create{kind}")).into();
    Ok(Some(answer))
}

async fn check_protection(front: &Front, call: &Call) -> Result<(), Failure> {
    let arn = call.parameter("LoadBalancerArn").unwrap_or_default();
    let asked = [("LoadBalancerArn", arn)];
    let question = (SERVICE, "DescribeLoadBalancerAttributes");
    let protected = ask(front, call, question, &asked, |root| {
        let path = ["DescribeLoadBalancerAttributesResult", "Attributes"];
        root.list(&path).iter().any(|attribute| {
            attribute.get("Key") == "deletion_protection.enabled"
                && attribute.get("Value") == "true"
        })
    });
    if protected.await? {
        let message = format!(
            "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        );
        return Err(Failure::refuse("OperationNotPermitted", message));
    }
    Ok(())
}

/// Each target group with the load balancers that send to it. Moto's own list of them grows only.
pub async fn users(
    front: &Front,
    call: &Call,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut users = BTreeMap::<String, BTreeSet<String>>::new();
    for balancer in balancers(front, call, |one| one.get("LoadBalancerArn").into_owned()).await? {
        let asked = [("LoadBalancerArn", balancer.as_str())];
        let listeners = ask(front, call, (SERVICE, "DescribeListeners"), &asked, |root| {
            let found = root.list(&["DescribeListenersResult", "Listeners"]).iter();
            found.map(|listener| listener.get("ListenerArn").into_owned()).collect::<Vec<_>>()
        });
        for listener in listeners.await? {
            let asked = [("ListenerArn", listener.as_str()), ("PageSize", "400")];
            let groups = ask(front, call, (SERVICE, "DescribeRules"), &asked, |root| {
                let mut groups = Vec::new();
                root.all("TargetGroupArn", &mut groups);
                groups.iter().map(|group| group.text().into_owned()).collect::<Vec<_>>()
            });
            for group in groups.await? {
                users.entry(group).or_default().insert(balancer.clone());
            }
        }
    }
    Ok(users)
}

/// Lists target groups, each with the load balancers that do send to it.
async fn describe_groups(front: &Front, call: &mut Call) -> Result<Answer, Failure> {
    let wanted = call.parameter("LoadBalancerArn").map(str::to_owned);
    if let Some(wanted) = &wanted {
        let arns = balancers(front, call, |one| one.get("LoadBalancerArn").into_owned()).await?;
        // Of one that does not exist moto says what AWS says.
        if arns.contains(wanted) {
            call.remove_parameters(&["LoadBalancerArn"]);
        }
    }
    let mut answer = front.upstream.forward(call).await?;
    let Some(root) = xml::parse(answer.text()).filter(|_| answer.is_ok()) else {
        return Ok(answer);
    };
    let users = users(front, call).await?;
    let mut edits = Vec::new();
    for group in root.list(&["DescribeTargetGroupsResult", "TargetGroups"]) {
        let used_by = users.get(&*group.get("TargetGroupArn"));
        if wanted.as_ref().is_some_and(|one| !used_by.is_some_and(|all| all.contains(one))) {
            edits.push((group.whole.clone(), String::new()));
        } else if let Some(list) = group.child("LoadBalancerArns") {
            let members = used_by.into_iter().flatten();
            let members: String = members.map(|arn| format!("<member>{arn}</member>")).collect();
            let list_of = format!("<LoadBalancerArns>{members}</LoadBalancerArns>");
            edits.push((list.whole.clone(), list_of));
        }
    }
    answer.body = xml::edit(answer.text(), edits).into();
    Ok(answer)
}

/// The load balancer of a listener or a rule, by its ARN.
fn balancer_of(arn: &str) -> String {
    let arn = arn.replace(":listener-rule/", ":listener/");
    let Some((start, rest)) = arn.split_once(":listener/") else {
        return String::new();
    };
    let own: Vec<&str> = rest.splitn(4, '/').take(3).collect();
    format!("{start}:loadbalancer/{}", own.join("/"))
}

/// A target group is used by one load balancer only.
async fn check_association(front: &Front, call: &Call) -> Result<(), Failure> {
    let groups = call.form.iter().filter(|(name, _)| name.ends_with("TargetGroupArn"));
    let groups: BTreeSet<&str> = groups.map(|(_, arn)| arn.as_str()).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let of = |name: &str| call.parameter(name).map(balancer_of);
    let own = call.parameter("LoadBalancerArn").map(str::to_owned);
    let own = own.or_else(|| of("ListenerArn")).or_else(|| of("RuleArn")).unwrap_or_default();
    let users = users(front, call).await?;
    for group in groups {
        if users.get(group).is_some_and(|users| users.iter().any(|user| *user != own)) {
            let message = format!(
                "The following target groups cannot be associated with more than one load balancer: \
                 {group}"
            );
            return Err(Failure::refuse("TargetGroupAssociationLimit", message));
        }
    }
    Ok(())
}

fn is_secure(protocol: &str) -> bool {
    matches!(protocol, "HTTPS" | "TLS")
}

/// The certificates of a request.
fn certificates(call: &Call) -> impl Iterator<Item = &str> {
    let named = call.form.iter().filter(|(name, _)| name.ends_with(".CertificateArn"));
    named.map(|(_, arn)| arn.as_str())
}

/// Each certificate must be there and, if ACM has it, issued.
async fn check_certificates(front: &Front, call: &Call) -> Result<(), Failure> {
    for arn in certificates(call) {
        if arn.contains(":iam:") {
            let path = ["ListServerCertificatesResult", "ServerCertificateMetadataList"];
            let found = ask(front, call, ("iam", "ListServerCertificates"), &[], |root| {
                root.list(&path).iter().any(|one| one.get("Arn") == arn)
            });
            if found.await? {
                continue;
            }
        } else {
            let asked = json!({"CertificateArn": arn});
            let question = ("acm", "CertificateManager", "DescribeCertificate");
            let found = ask_json(front, call, question, &asked).await?;
            match found.pointer("/Certificate/Status").and_then(Value::as_str) {
                Some("ISSUED") => continue,
                Some(_) => {
                    let message = format!(
                        "The certificate '{arn}' must have a fully-qualified domain name, a \
                         supported signature, and a supported key size."
                    );
                    return Err(Failure::refuse("UnsupportedCertificate", message));
                }
                None => {}
            }
        }
        let message = format!("Certificate '{arn}' not found");
        return Err(Failure::refuse("CertificateNotFound", message));
    }
    Ok(())
}

/// What AWS says if one of the listeners that `counts` has the port of the call.
async fn on_port(
    front: &Front,
    call: &Call,
    balancer: &str,
    counts: impl Fn(&Element<'_>) -> bool,
) -> Result<Option<Failure>, Failure> {
    let Some(port) = call.parameter("Port") else {
        return Ok(None);
    };
    let asked = [("LoadBalancerArn", balancer)];
    let taken = ask(front, call, (SERVICE, "DescribeListeners"), &asked, |root| {
        let listeners = root.list(&["DescribeListenersResult", "Listeners"]).iter();
        listeners.filter(|one| one.get("Port") == port).any(counts)
    });
    let message =
        format!("A listener already exists on this port for this load balancer '{balancer}'");
    Ok(taken.await?.then(|| Failure::refuse("DuplicateListener", message)))
}

async fn create_listener(front: &Front, call: &Call) -> Result<Option<Answer>, Failure> {
    let balancer = call.parameter("LoadBalancerArn").unwrap_or_default();
    let protocol = call.parameter("Protocol").unwrap_or_default();
    let certificate = certificates(call).next();
    match (is_secure(protocol), certificate) {
        (true, None) => {
            let message = format!("A certificate must be specified for {protocol} listeners");
            return Err(invalid(message));
        }
        (false, Some(_)) => {
            let message = format!("A certificate cannot be specified for {protocol} listeners");
            return Err(invalid(message));
        }
        _ => check_certificates(front, call).await?,
    }
    let mut asked = call.tree();
    let policy = asked.get("SslPolicy").and_then(Value::as_str).map(str::to_owned);
    let actions = asked.get_mut("DefaultActions").map(Value::take).unwrap_or_default();
    let same = |one: &Element<'_>| {
        let found = one.tree();
        let number = |value: &Value| value["member"].as_array().map_or(0, Vec::len);
        one.get("Port") == call.parameter("Port").unwrap_or_default()
            && one.get("Protocol") == protocol
            && policy.as_deref().is_none_or(|policy| one.get("SslPolicy") == policy)
            && certificate.is_none_or(|arn| {
                found.pointer("/Certificates/member/0/CertificateArn") == Some(&arn.into())
            })
            && number(&found["DefaultActions"]) == number(&actions)
            && covers(&found["DefaultActions"], &actions)
    };
    let other = |one: &Element<'_>| !same(one);
    if let Some(failure) = on_port(front, call, balancer, other).await? {
        return Err(failure);
    }
    if on_port(front, call, balancer, |_| true).await?.is_none() {
        return Ok(None);
    }
    // The very listener: what is on its port is shown as made.
    let asked = [("LoadBalancerArn", balancer)];
    let question = front.upstream.ask_query(call, SERVICE, "DescribeListeners", &asked);
    let mut answer = question.await?;
    let others = xml::parse(answer.text()).map(|root| {
        let listeners = root.list(&["DescribeListenersResult", "Listeners"]).iter();
        let others = listeners.filter(|one| !same(one));
        others.map(|one| (one.whole.clone(), String::new())).collect::<Vec<_>>()
    });
    let only = xml::edit(answer.text(), others.unwrap_or_default());
    answer.body = only.replace("DescribeListeners", "CreateListener").into();
    Ok(Some(answer))
}

/// Whether all of `asked` is in `found`.
fn covers(found: &Value, asked: &Value) -> bool {
    match (found, asked) {
        (Value::Object(found), Value::Object(asked)) => asked
            .iter()
            .all(|(name, asked)| found.get(name).is_some_and(|found| covers(found, asked))),
        (Value::Array(found), Value::Array(asked)) => {
            found.len() == asked.len() && found.iter().zip(asked).all(|(f, a)| covers(f, a))
        }
        _ => found == asked,
    }
}

async fn check_rule(front: &Front, call: &Call) -> Result<(), Failure> {
    let arn = call.parameter("RuleArn").unwrap_or_default();
    let asked = [("RuleArns.member.1", arn)];
    let default = ask(front, call, (SERVICE, "DescribeRules"), &asked, |root| {
        let rule = root.list(&["DescribeRulesResult", "Rules"]).first();
        rule.map(|rule| rule.get("IsDefault") == "true")
    });
    match default.await? {
        Some(false) => Ok(()),
        Some(true) => {
            let message = format!("Default rule '{arn}' cannot be deleted");
            Err(Failure::refuse("OperationNotPermitted", message))
        }
        None => Err(Failure::refuse("RuleNotFound", "One or more rules not found")),
    }
}

/// AWS shows a policy and a certificate only where there is something to encrypt, and each target group that an action
/// forwards to with its weight.
fn mend_listeners(answer: &mut Answer) {
    let Some(root) = xml::parse(answer.text()).filter(|_| answer.is_ok()) else {
        return;
    };
    let mut members = Vec::new();
    root.all("member", &mut members);
    let mut edits = Vec::new();
    for member in members {
        if member.child("ListenerArn").is_some() && !is_secure(&member.get("Protocol")) {
            let secure = ["SslPolicy", "Certificates"].into_iter();
            let secure = secure.filter_map(|name| member.child(name));
            edits.extend(secure.map(|it| (it.whole.clone(), String::new())));
        }
        if let (Some(group), None) = (member.child("TargetGroupArn"), member.child("ForwardConfig"))
            && member.get("Type") == "forward"
        {
            let end = group.whole.end;
            let target = &answer.text()[group.whole.clone()];
            let config = format!(
                "<ForwardConfig><TargetGroups><member>{target}<Weight>1</Weight></member>\
                 </TargetGroups><TargetGroupStickinessConfig><Enabled>false</Enabled>\
                 </TargetGroupStickinessConfig></ForwardConfig>"
            );
            edits.push((end..end, config));
        }
    }
    if !edits.is_empty() {
        answer.body = xml::edit(answer.text(), edits).into();
    }
}

/// Moto forgets the pool of addresses that a load balancer is made with.
fn mend_pools(front: &Front, call: &Call, answer: &mut Answer) {
    let list = [&*format!("{}Result", call.operation), "LoadBalancers"];
    let Some(root) = xml::parse(answer.text()).filter(|_| answer.is_ok()) else {
        return;
    };
    let mut edits = Vec::new();
    for one in root.list(&list) {
        let (mut pools, arn) = (lock(&front.pools), one.get("LoadBalancerArn").into_owned());
        if call.operation == "CreateLoadBalancer" {
            match call.parameter("CustomerOwnedIpv4Pool") {
                Some(pool) => pools.insert(arn.clone(), pool.to_owned()),
                None => pools.remove(&arn),
            };
        }
        if let (Some(pool), Some(after)) = (pools.get(&arn), one.child("LoadBalancerArn")) {
            let end = after.whole.end;
            let pool = format!("<CustomerOwnedIpv4Pool>{pool}</CustomerOwnedIpv4Pool>");
            edits.push((end..end, pool));
        }
    }
    if !edits.is_empty() {
        answer.body = xml::edit(answer.text(), edits).into();
    }
}

fn misconfigured(message: &str) -> Failure {
    Failure::refuse("InvalidConfigurationRequest", message)
}

fn invalid(message: String) -> Failure {
    Failure::refuse("ValidationError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "a-b", "A1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a_b", "-a", "a-", "internal-a", "é", &"a".repeat(33)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn listeners_and_rules_belong_to_a_load_balancer() {
        let balancer = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/lb/0";
        let listener = "arn:aws:elasticloadbalancing:r:1:listener/app/lb/0/1";
        let rule = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/lb/0/1/2";
        assert_eq!((balancer_of(listener), balancer_of(rule)), (balancer.into(), balancer.into()));
    }

    #[test]
    fn what_is_not_asked_for_does_not_count() {
        let found = json!({"member": [{"Type": "forward", "TargetGroupArn": "a", "Order": "1"}]});
        assert!(covers(&found, &json!({"member": [{"TargetGroupArn": "a"}]})));
        assert!(!covers(&found, &json!({"member": [{"TargetGroupArn": "b"}]})));
        assert!(!covers(&found, &json!({"member": [{"TargetGroupArn": "a"}, {}]})));
    }
}
