//! EC2's security groups and their rules.
//!
//! A rule's description moto keeps in two places and shows only that of CIDRs among the rules. So a
//! description of another peer is taken out of the request and put where moto shows it.
//!
//! Known to be missing: quotas, and a modification to another kind of peer, which moto silently
//! ignores and which is therefore refused loudly. `DescribeSecurityGroups` does not show the
//! descriptions of rules whose peer is a group or a prefix list; `DescribeSecurityGroupRules` does.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::ask;
use super::ec2::{count, invalid};
use super::holders::{has_interface, has_load_balancer, has_service};
use super::permission::{self, DESCRIPTION_SET, Rule, canonical, is_description};
use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};
use crate::upstream;
use crate::xml::{self, Element};

/// AWS names the owner of each rule's group, moto does not.
pub async fn add_rule_owners(
    front: &Front,
    call: &Call,
    answer: &mut Answer,
) -> Result<(), Failure> {
    const ID: &str = "<securityGroupRuleId>";
    if answer.text().contains(ID) && !answer.text().contains("<groupOwnerId>") {
        let account = front.account(call).await?;
        let owner = format!("<groupOwnerId>{account}</groupOwnerId>{ID}");
        answer.body = answer.text().replace(ID, &owner).into();
    }
    Ok(())
}

/// Takes the ports off rules for all protocols, where moto shows them once such a rule was
/// modified.
pub fn drop_empty_ports(answer: &mut Answer) {
    const ALL: &str = "<ipProtocol>-1</ipProtocol>";
    let ported = format!("{ALL}<fromPort>-1</fromPort><toPort>-1</toPort>");
    if answer.text().contains(&ported) {
        answer.body = answer.text().replace(&ported, ALL).into();
    }
}

pub async fn create(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let name = call.parameter("GroupName").unwrap_or_default();
    let description = call.parameter("GroupDescription").unwrap_or_default();
    for (parameter, value) in [("GroupName", name), ("GroupDescription", description)] {
        if value.is_empty() {
            let message = format!("The request must contain the parameter {parameter}");
            return Err(Failure::refuse("MissingParameter", message));
        }
        if !value.is_ascii() {
            return Err(invalid(format!(
                "Value ({value}) for parameter {parameter} is invalid. Character sets beyond ASCII \
                 are not supported."
            )));
        }
    }
    if name.to_ascii_lowercase().starts_with("sg-") {
        return Err(invalid(format!(
            "Value ({name}) for parameter GroupName is invalid. Group names may not be in the format \
             sg-*."
        )));
    }
    if name == "default" {
        return Err(invalid("Cannot use reserved security group name: default".to_owned()));
    }
    if !is_description(name) {
        return Err(invalid(format!(
            "Invalid security group name. Valid names are strings less than 256 characters from the \
             following set:  {DESCRIPTION_SET}"
        )));
    }
    if !is_description(description) {
        return Err(invalid(format!(
            "Invalid security group description. Valid descriptions are strings less than 256 \
             characters from the following set:  {DESCRIPTION_SET}"
        )));
    }
    if let Some(vpc) = call.parameter("VpcId") {
        let asked = [("VpcId.1", vpc)];
        let found = count(front, call, "DescribeVpcs", "vpcSet", &asked).await?;
        if found == 0 {
            let message = format!("The vpc ID '{vpc}' does not exist");
            return Err(Failure::refuse("InvalidVpcID.NotFound", message));
        }
    }
    Ok(())
}

/// A security group, as far as the rules need it.
struct Group {
    id: String,
    name: String,
}

impl Group {
    /// The group that a call names by id, or by name in the default VPC.
    async fn find(front: &Front, call: &Call) -> Result<Option<Self>, Failure> {
        let asked = match (call.parameter("GroupId"), call.parameter("GroupName")) {
            (Some(id), _) => ("GroupId.1", id),
            (None, Some(name)) => ("GroupName.1", name),
            (None, None) => {
                let message = "The request must contain the parameter groupName or groupId";
                return Err(Failure::refuse("MissingParameter", message));
            }
        };
        ask(front, call, ("ec2", "DescribeSecurityGroups"), &[asked], |root| {
            root.list(&["securityGroupInfo"]).first().map(|item| Self {
                id: item.get("groupId").into_owned(),
                name: item.get("groupName").into_owned(),
            })
        })
        .await
    }
}

pub async fn delete(front: &Front, call: &mut Call) -> Result<(), Failure> {
    // Of an unknown group moto says what AWS says.
    let Some(Group { id, name }) = Group::find(front, call).await? else {
        return Ok(());
    };
    if name == "default" {
        let message =
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(Failure::refuse("CannotDelete", message));
    }
    let mut used = has_interface(front, call, "group-id", &id).await?;
    for filter in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
        let asked = [("Filter.1.Name", filter), ("Filter.1.Value.1", &id)];
        used = used
            || ask(front, call, ("ec2", "DescribeSecurityGroups"), &asked, |root| {
                root.list(&["securityGroupInfo"]).iter().any(|other| other.get("groupId") != id)
            })
            .await?;
    }
    used = used
        || has_load_balancer(front, call, "SecurityGroups", &id).await?
        || has_service(front, call, "securityGroups", &id).await?;
    if used {
        let message = format!("resource {id} has a dependent object");
        return Err(Failure::refuse("DependencyViolation", message));
    }
    Ok(())
}

/// The permissions of a request in canonical form.
#[derive(Default)]
struct Request {
    /// Each with its rules.
    permissions: Vec<(Value, Vec<Rule>)>,
    /// The descriptions of peers that are no CIDRs.
    descriptions: Vec<(Rule, String)>,
}

impl Request {
    /// Reads and rewrites a call so that its permissions stand in `IpPermissions`, even if they
    /// came as single parameters.
    fn read(call: &mut Call) -> Result<Self, Failure> {
        let mut request = Self::default();
        let mut tree = call.tree();
        let Some(map) = tree.as_object_mut() else {
            return Ok(request);
        };
        if !map.contains_key("IpPermissions") && map.contains_key("IpProtocol") {
            let single = single_permission(map);
            map.insert("IpPermissions".to_owned(), json!([single]));
        }
        let Some(Value::Array(list)) = map.get_mut("IpPermissions") else {
            return Ok(request);
        };
        for permission in list {
            let rules = canonical(permission)?;
            if rules.is_empty() {
                let message = "The request must contain a peer for each of its ipPermissions";
                return Err(Failure::refuse("MissingParameter", message));
            }
            for (peer, text) in permission::take_descriptions(permission) {
                let rule = rules.iter().find(|rule| rule.peer == peer).cloned();
                request.descriptions.extend(rule.map(|rule| (rule, text)));
            }
            request.permissions.push((permission.clone(), rules));
        }
        let rules: Vec<&Rule> = request.rules().collect();
        if rules.iter().enumerate().any(|(at, rule)| rules[..at].contains(rule)) {
            return Err(invalid("The same permission must not appear multiple times".to_owned()));
        }
        call.set_tree(&tree);
        Ok(request)
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.permissions.iter().flat_map(|(_, rules)| rules)
    }
}

/// Takes the parameters of the old, single form out of a request.
fn single_permission(map: &mut Map<String, Value>) -> Value {
    let mut permission = Map::new();
    for name in ["IpProtocol", "FromPort", "ToPort"] {
        permission.extend(map.remove_entry(name));
    }
    for (list, name) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
        if let Some(value) = map.remove(name) {
            permission.insert(list.to_owned(), json!([{name: value}]));
        }
    }
    Value::Object(permission)
}

/// Adds rules, all or none, one permission at a time: of several at once moto reports only the
/// last.
pub async fn authorize(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    let request = Request::read(call)?;
    if request.permissions.is_empty() {
        let message = "The request must contain the parameter ipPermissions";
        return Err(Failure::refuse("MissingParameter", message));
    }
    let Some(group) = Group::find(front, call).await? else {
        return Ok(None);
    };
    let existing = known_rules(front, call, &group.id).await?;
    for rule in request.rules() {
        if existing.iter().any(|known| known.is(call, rule)) {
            let message = format!("the specified rule \"{rule}\" already exists");
            return Err(Failure::refuse("InvalidPermission.Duplicate", message));
        }
        if rule.peer.starts_with("sg-") && rule.peer != group.id {
            let asked = [("GroupId.1", rule.peer.as_str())];
            let set = "securityGroupInfo";
            if count(front, call, "DescribeSecurityGroups", set, &asked).await? == 0 {
                let message = format!("The security group '{}' does not exist", rule.peer);
                return Err(Failure::refuse("InvalidGroup.NotFound", message));
            }
        }
    }
    let mut items = String::new();
    let mut last = None;
    for (permission, _) in &request.permissions {
        let mut part = call.clone();
        let mut tree = part.tree();
        tree["IpPermissions"] = json!([permission]);
        part.set_tree(&tree);
        let answer = front.upstream.forward(&part).await?;
        if !answer.is_ok() {
            take_back(front, call, &group.id, &items).await?;
            return Ok(Some(answer));
        }
        items.push_str(set_of_rules(&answer).unwrap_or_default());
        last = Some(answer);
    }
    let Some(mut answer) = last else {
        return Ok(None);
    };
    if let Some(part) = set_of_rules(&answer) {
        answer.body = answer.text().replace(part, &items).into();
    }
    describe_peers(front, call, &request, &mut answer).await?;
    Ok(Some(answer))
}

/// Removes the rules that were added before one was refused.
async fn take_back(front: &Front, call: &Call, group: &str, items: &str) -> Result<(), Failure> {
    let ids = items.split("<securityGroupRuleId>").skip(1).filter_map(|it| it.split('<').next());
    let named: Vec<_> =
        ids.zip(1..).map(|(id, at)| (format!("SecurityGroupRuleId.{at}"), id)).collect();
    if named.is_empty() {
        return Ok(());
    }
    let mut asked = vec![("GroupId", group)];
    asked.extend(named.iter().map(|(name, id)| (name.as_str(), *id)));
    let operation = call.operation.replace("Authorize", "Revoke");
    let answer = front.upstream.ask_query(call, "ec2", &operation, &asked).await?;
    if answer.is_ok() {
        return Ok(());
    }
    let message = format!("the front could not take rules back: {}", answer.text());
    Err(Failure::refuse(upstream::UNREACHABLE, message))
}

fn set_of_rules(answer: &Answer) -> Option<&str> {
    xml::between(answer.text(), "<securityGroupRuleSet>", "</securityGroupRuleSet>")
}

/// Gives new rules their descriptions where moto has taken none, and shows them in the answer.
async fn describe_peers(
    front: &Front,
    call: &Call,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let mut text = answer.text().to_owned();
    let made = xml::parse(&text).map(|root| Known::list(&root)).unwrap_or_default();
    for known in made.iter().rev() {
        let wanted = request.descriptions.iter().find(|(rule, _)| known.rule == *rule);
        if let Some((_, description)) = wanted {
            known.set_description(front, call, description).await?;
            let end = known.place.end - "</item>".len();
            let element = format!("<description>{}</description>", xml::escape(description));
            text.insert_str(end, &element);
        }
    }
    answer.body = text.into();
    Ok(())
}

/// A rule as `DescribeSecurityGroupRules` and `Authorize` show it.
struct Known {
    id: String,
    group: String,
    egress: bool,
    /// The parameter of `ModifySecurityGroupRules` that holds the peer.
    kind: &'static str,
    rule: Rule,
    /// Where its item stands in the answer.
    place: Range<usize>,
}

impl Known {
    fn list(root: &Element<'_>) -> Vec<Self> {
        const KINDS: &[(&str, &[&str])] = &[
            ("CidrIpv4", &["cidrIpv4"]),
            ("CidrIpv6", &["cidrIpv6"]),
            ("PrefixListId", &["prefixListId"]),
            ("ReferencedGroupId", &["referencedGroupInfo", "groupId"]),
        ];
        let read = |item: &Element<'_>| {
            let found = KINDS.iter().find_map(|(kind, path)| Some((*kind, item.find(path)?)));
            let (kind, peer) = found?;
            let port = |name| item.get(name).parse().unwrap_or(-1);
            Some(Self {
                id: item.get("securityGroupRuleId").into_owned(),
                group: item.get("groupId").into_owned(),
                egress: item.get("isEgress") == "true",
                kind,
                rule: Rule {
                    protocol: item.get("ipProtocol").into_owned(),
                    from: port("fromPort"),
                    to: port("toPort"),
                    peer: peer.text().into_owned(),
                },
                place: item.whole.clone(),
            })
        };
        root.list(&["securityGroupRuleSet"]).iter().filter_map(read).collect()
    }

    /// Whether it is that rule, in the direction that `call` is about.
    fn is(&self, call: &Call, rule: &Rule) -> bool {
        self.egress == call.operation.ends_with("Egress") && self.rule == *rule
    }

    async fn set_description(
        &self,
        front: &Front,
        call: &Call,
        description: &str,
    ) -> Result<(), Failure> {
        const NEW: &str = "SecurityGroupRule.1.SecurityGroupRule";
        let (from, to) = (self.rule.from.to_string(), self.rule.to.to_string());
        let names = ["IpProtocol", "FromPort", "ToPort", self.kind, "Description"];
        let names = names.map(|name| format!("{NEW}.{name}"));
        let values = [&self.rule.protocol, &from, &to, &self.rule.peer, description];
        let mut asked = vec![
            ("GroupId", self.group.as_str()),
            ("SecurityGroupRule.1.SecurityGroupRuleId", &self.id),
        ];
        asked.extend(names.iter().map(String::as_str).zip(values));
        let upstream = &front.upstream;
        let answer = upstream.ask_query(call, "ec2", "ModifySecurityGroupRules", &asked).await?;
        if answer.is_ok() {
            return Ok(());
        }
        let message = format!("the front could not describe {}: {}", self.id, answer.text());
        Err(Failure::refuse(upstream::UNREACHABLE, message))
    }
}

async fn known_rules(front: &Front, call: &Call, group: &str) -> Result<Vec<Known>, Failure> {
    let asked = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group)];
    ask(front, call, ("ec2", "DescribeSecurityGroupRules"), &asked, Known::list).await
}

/// Removes rules, all or none. They go to moto by their ids, for it finds no rule by its content if
/// the descriptions differ.
pub async fn revoke(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let request = Request::read(call)?;
    if request.permissions.is_empty() {
        return Ok(());
    }
    let Some(group) = Group::find(front, call).await? else {
        return Ok(());
    };
    let existing = known_rules(front, call, &group.id).await?;
    let mut form = vec![("GroupId".to_owned(), group.id)];
    form.extend(
        call.form.iter().filter(|(name, _)| name == "Action" || name == "Version").cloned(),
    );
    for (rule, at) in request.rules().zip(1..) {
        let Some(known) = existing.iter().find(|known| known.is(call, rule)) else {
            let message = "The specified rule does not exist in this security group.";
            return Err(Failure::refuse("InvalidPermission.NotFound", message));
        };
        form.push((format!("SecurityGroupRuleId.{at}"), known.id.clone()));
    }
    call.set_form(form);
    Ok(())
}

/// Changes descriptions, of rules named by id or by content; moto does neither fully.
pub async fn update_descriptions(
    front: &Front,
    call: &mut Call,
) -> Result<Option<Answer>, Failure> {
    // Before the request is read: reading takes descriptions out.
    let tree = call.tree();
    let request = Request::read(call)?;
    let Some(group) = Group::find(front, call).await? else {
        return Ok(None);
    };
    let existing = known_rules(front, call, &group.id).await?;
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut changes = Vec::new();
    for change in tree["SecurityGroupRuleDescription"].as_array().into_iter().flatten() {
        let (id, description) = (text(change, "SecurityGroupRuleId"), text(change, "Description"));
        permission::check_description(&description)?;
        let Some(known) = existing.iter().find(|known| known.id == id) else {
            let message = format!("The security group rule ID '{id}' does not exist");
            return Err(Failure::refuse("InvalidSecurityGroupRuleId.NotFound", message));
        };
        changes.push((known, description));
    }
    for (permission, rules) in &request.permissions {
        for rule in rules {
            let Some(known) = existing.iter().find(|known| known.is(call, rule)) else {
                let message = "The specified rule does not exist in this security group.";
                return Err(Failure::refuse("InvalidPermission.NotFound", message));
            };
            let elsewhere = request.descriptions.iter().find(|(other, _)| other == rule);
            let description = match elsewhere {
                Some((_, text)) => text.clone(),
                None => permission::description_of(permission, &rule.peer).unwrap_or_default(),
            };
            changes.push((known, description));
        }
    }
    for (known, description) in changes {
        known.set_description(front, call, &description).await?;
    }
    let operation = &call.operation;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><return>true</return>\
         </{operation}Response>"
    );
    Ok(Some(Answer::new(hyper::StatusCode::OK, "text/xml;charset=UTF-8", body)))
}

/// Checks new versions of rules, and refuses what moto would silently not do.
pub async fn modify_rules(front: &Front, call: &mut Call) -> Result<(), Failure> {
    let mut tree = call.tree();
    let Some(Value::Array(changes)) = tree.get_mut("SecurityGroupRule") else {
        return Ok(());
    };
    let group = call.parameter("GroupId").unwrap_or_default();
    let existing = known_rules(front, call, group).await?;
    for change in changes {
        let id = change.get("SecurityGroupRuleId").and_then(Value::as_str).unwrap_or_default();
        let old = existing.iter().find(|known| known.id == id);
        let Some(Value::Object(new)) = change.get_mut("SecurityGroupRule") else {
            continue;
        };
        // The same rule as a permission of the other calls has it, to be checked as one.
        let moved = [
            ("CidrIpv4", "IpRanges", "CidrIp"),
            ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            ("ReferencedGroupId", "Groups", "GroupId"),
            ("PrefixListId", "PrefixListIds", "PrefixListId"),
        ];
        let mut permission = Value::Object(new.clone());
        let mut kind = "";
        for (name, list, member) in moved {
            if let Some(peer) = new.get(name) {
                let description = new.get("Description").cloned().unwrap_or(json!(""));
                permission[list] = json!([{member: peer, "Description": description}]);
                kind = name;
            }
        }
        let rules = canonical(&mut permission)?;
        // None or several peers moto refuses as AWS does.
        let [rule] = rules.as_slice() else { continue };
        if let Some(old) = old {
            let twin = existing.iter().any(|other| {
                other.id != old.id && other.egress == old.egress && other.rule == *rule
            });
            if twin {
                let message = format!("the specified rule \"{rule}\" already exists");
                return Err(Failure::refuse("InvalidPermission.Duplicate", message));
            }
            if old.kind != kind || (kind != "CidrIpv4" && old.rule.peer != rule.peer) {
                return Err(Failure::not_implemented(call));
            }
        }
        new.insert("IpProtocol".to_owned(), json!(rule.protocol));
        new.insert("FromPort".to_owned(), json!(rule.from.to_string()));
        new.insert("ToPort".to_owned(), json!(rule.to.to_string()));
        new.insert(kind.to_owned(), json!(rule.peer));
    }
    call.set_tree(&tree);
    Ok(())
}
