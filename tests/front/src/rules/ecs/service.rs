//! Services: what they may be made of, and how their deployments go on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{ask, elbv2};
use super::{
    TARGET, ask_ecs, check_cluster, check_name, cluster_of, default, definition, invalid, is_in,
    list, now, number, text,
};
use crate::front::{Front, lock};
use crate::request::Call;
use crate::shape::{Answer, Failure};

/// What moto takes only from `UpdateService`.
const LATE: &[&str] = &[
    "availabilityZoneRebalancing",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
];

/// What of a service, if it changes, starts a new deployment.
const DEPLOYED: &[&str] = &[
    "capacityProviderStrategy",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceRegistries",
    "taskDefinition",
];

/// A change of a service that takes time.
pub struct Change {
    since: Instant,
    /// How many tasks ran before it.
    before: u64,
    /// The newest deployment, and when it began.
    id: String,
    began: f64,
    /// Those that it supersedes.
    old: Vec<Value>,
}

impl Change {
    fn new(before: u64, old: Vec<Value>) -> Self {
        let id = format!("ecs-svc/{}", fastrand::u64(1 << 60..1 << 63));
        Self { since: Instant::now(), before, id, began: now(), old }
    }
}

/// The services of a cluster, those that were deleted too, as moto has them.
pub async fn services_of(front: &Front, call: &Call, cluster: &str) -> Result<Vec<Value>, Failure> {
    let found = ask_ecs(front, call, "ListServices", &json!({"cluster": cluster})).await?;
    let is_own = |arn: &&Value| is_in(arn, "service", cluster);
    let arns: Vec<&Value> = list(&found, "serviceArns").filter(is_own).collect();
    let mut services = Vec::new();
    for some in arns.chunks(10) {
        let asked = json!({"cluster": cluster, "services": some});
        let found = ask_ecs(front, call, "DescribeServices", &asked).await?;
        services.extend(list(&found, "services").cloned());
    }
    Ok(services)
}

/// The service that a call names, as it is shown.
async fn find(front: &Front, call: &Call, name: &str) -> Result<Value, Failure> {
    let asked = json!({"cluster": cluster_of(call), "services": [name]});
    let mut found = ask_ecs(front, call, "DescribeServices", &asked).await?;
    let mut service = found.pointer_mut("/services/0").map(Value::take).unwrap_or_default();
    if service.is_object() {
        show_service(front, &mut service);
    }
    Ok(service)
}

pub async fn create(front: &Front, call: &mut Call) -> Result<Answer, Failure> {
    let name = call.member("serviceName").unwrap_or_default().to_owned();
    check_name(&name, invalid)?;
    check_cluster(front, call).await?;
    let there = find(front, call, &name).await?;
    match text(&there, "status") {
        "ACTIVE" => return Err(invalid("Creation of service was not idempotent.".to_owned())),
        "DRAINING" => {
            let message = "Unable to Start a service that is still Draining.";
            return Err(invalid(message.to_owned()));
        }
        _ => {}
    }
    let controller = call.json.pointer("/deploymentController/type").and_then(Value::as_str);
    if call.member("taskDefinition").is_none() && controller != Some("EXTERNAL") {
        return Err(invalid("TaskDefinition cannot be blank.".to_owned()));
    }
    prepare(front, call, &Value::Null).await?;
    let answer = front.upstream.forward(call).await?;
    if !answer.is_ok() {
        return Ok(answer);
    }
    let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let arn = made.pointer("/service/serviceArn").and_then(Value::as_str).unwrap_or_default();
    lock(&front.times).changes.insert(arn.to_owned(), Change::new(0, Vec::new()));
    let given = |member: &&&str| call.json.get(**member).is_some_and(|value| !value.is_null());
    let mut late = json!({"cluster": cluster_of(call), "service": name});
    for member in LATE.iter().filter(given) {
        late[*member] = call.json[*member].clone();
    }
    if !LATE.iter().any(|member| given(&member)) {
        return Ok(answer);
    }
    let update = front.upstream.ask_json(call, "ecs", TARGET, "UpdateService", &late);
    update.await.map(|(answer, _)| answer)
}

pub async fn update(front: &Front, call: &mut Call) -> Result<Answer, Failure> {
    check_cluster(front, call).await?;
    let was = find(front, call, call.member("service").unwrap_or_default()).await?;
    match text(&was, "status") {
        // Moto says what AWS says.
        "" => return front.upstream.forward(call).await,
        "ACTIVE" => {}
        _ => return Err(Failure::refuse("ServiceNotActiveException", "Service was not ACTIVE.")),
    }
    prepare(front, call, &was).await?;
    let asked = call.json.clone();
    // It would change what moto says of the service's age.
    call.remove_parameters(&["forceNewDeployment"]);
    let answer = front.upstream.forward(call).await?;
    if answer.is_ok() {
        let changed = |member: &&str| asked.get(*member).is_some_and(|new| *new != was[*member]);
        let deploys = asked["forceNewDeployment"] == true || DEPLOYED.iter().any(changed);
        let counts = asked.get("desiredCount").is_some_and(|new| *new != was["desiredCount"]);
        let before = number(&was, "runningCount");
        let mut times = lock(&front.times);
        let arn = text(&was, "serviceArn").to_owned();
        if deploys {
            let old = list(&was, "deployments").cloned().collect();
            times.changes.insert(arn, Change::new(before, old));
        } else if counts {
            let newest = &was["deployments"][0];
            let change = times.changes.entry(arn).or_insert_with(|| Change {
                id: text(newest, "id").to_owned(),
                began: newest["createdAt"].as_f64().unwrap_or_default(),
                ..Change::new(before, Vec::new())
            });
            (change.since, change.before) = (Instant::now(), before);
            change.old = list(&was, "deployments").skip(1).cloned().collect();
        }
    }
    Ok(answer)
}

pub async fn delete(front: &Front, call: &Call) -> Result<Answer, Failure> {
    let was = find(front, call, call.member("service").unwrap_or_default()).await?;
    if matches!(text(&was, "status"), "DRAINING" | "INACTIVE") {
        return Err(Failure::refuse("ServiceNotFoundException", "Service not found."));
    }
    let answer = front.upstream.forward(call).await?;
    if answer.is_ok() {
        let change = Change::new(number(&was, "runningCount"), Vec::new());
        lock(&front.times).changes.insert(text(&was, "serviceArn").to_owned(), change);
    }
    Ok(answer)
}

/// What AWS shows of a service that was made without it.
fn defaults() -> Value {
    json!({
        "deploymentConfiguration": {
            "bakeTimeInMinutes": 0,
            "deploymentCircuitBreaker": {"enable": false, "rollback": false},
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
        },
        "enableECSManagedTags": false,
        "enableExecuteCommand": false,
        "healthCheckGracePeriodSeconds": 0,
        "placementConstraints": [],
        "placementStrategy": [],
    })
}

/// Shows a service as far as time has brought it.
pub fn show_service(front: &Front, service: &mut Value) {
    let wait = Duration::from_millis(lock(&front.settings).pending_ms);
    let times = lock(&front.times);
    let change = times.changes.get(text(service, "serviceArn"));
    let under_way = change.filter(|change| change.since.elapsed() < wait);
    let newest = service.pointer_mut("/deployments/0").map(Value::take).unwrap_or_default();
    default(service, "createdAt", &newest["createdAt"]);
    complete(service, &defaults());
    if service["launchType"] == "FARGATE" {
        service["platformFamily"] = json!("Linux");
    }
    if list(service, "capacityProviderStrategy").next().is_some() {
        service["launchType"] = Value::Null;
    }
    let old = under_way.map(|change| change.old.as_slice()).unwrap_or_default();
    let before = under_way.map(|change| change.before);
    if service["status"] == "INACTIVE" {
        service["status"] = json!(if before.is_some() { "DRAINING" } else { "INACTIVE" });
        service["desiredCount"] = json!(0);
        count(service, before.unwrap_or(0), 0);
        service["deployments"] = json!([]);
    } else {
        let desired = number(service, "desiredCount");
        // Those that are being replaced run on; else there are as many more, or fewer, as it takes.
        let of_new = match before {
            None => desired,
            Some(before) if old.is_empty() => desired.min(before),
            Some(_) => 0,
        };
        let of_old = before.filter(|_| !old.is_empty()).unwrap_or(0);
        count(service, of_new + of_old, desired - of_new);
        if newest.is_object() {
            let mut newest = deployment(service, newest, change);
            count(&mut newest, of_new, desired - of_new);
            let mut deployments = vec![newest];
            deployments.extend(old.iter().cloned().map(|mut old| {
                old["status"] = json!("ACTIVE");
                old
            }));
            service["deployments"] = json!(deployments);
        }
    }
    if let Some(service) = service.as_object_mut() {
        service.retain(|_, value| !value.is_null());
    }
}

/// Gives members that are missing, at any depth, their values.
fn complete(thing: &mut Value, defaults: &Value) {
    for (member, value) in defaults.as_object().into_iter().flatten() {
        default(thing, member, value);
        if let Some(inner) = thing.get_mut(member).filter(|inner| inner.is_object()) {
            complete(inner, value);
        }
    }
}

fn count(thing: &mut Value, running: u64, pending: u64) {
    thing["runningCount"] = json!(running);
    thing["pendingCount"] = json!(pending);
    if thing.get("rolloutState").is_some() {
        let (state, words) = match pending {
            0 => ("COMPLETED", "completed"),
            _ => ("IN_PROGRESS", "in progress"),
        };
        thing["rolloutState"] = json!(state);
        let id = text(thing, "id");
        thing["rolloutStateReason"] = json!(format!("ECS deployment {id} {words}."));
    }
}

/// The newest deployment, which moto shows as the first one was.
fn deployment(service: &Value, mut newest: Value, change: Option<&Change>) -> Value {
    if let Some(Change { id, began, .. }) = change {
        newest["id"] = json!(id);
        newest["createdAt"] = json!(began);
        newest["updatedAt"] = json!(began);
    }
    let members = [
        "capacityProviderStrategy",
        "desiredCount",
        "launchType",
        "networkConfiguration",
        "platformFamily",
        "platformVersion",
        "taskDefinition",
    ];
    for member in members {
        newest[member] = service[member].clone();
    }
    if let Some(newest) = newest.as_object_mut() {
        newest.retain(|_, value| !value.is_null());
    }
    newest
}

/// Checks what a service or a task is to be, and completes the request. `was` is the service that is
/// updated, else null.
pub async fn prepare(front: &Front, call: &mut Call, was: &Value) -> Result<(), Failure> {
    let mut json = call.json.clone();
    let of = |name: &str| call.json.get(name).filter(|value| !value.is_null()).or(was.get(name));
    let definition = match call.member("taskDefinition") {
        Some(named) => definition::find(front, call, named).await?,
        None => {
            let asked = json!({"taskDefinition": was["taskDefinition"]});
            let mut found = ask_ecs(front, call, "DescribeTaskDefinition", &asked).await?;
            found["taskDefinition"].take()
        }
    };
    if call.member("taskDefinition").is_some() {
        json["taskDefinition"] = definition["taskDefinitionArn"].clone();
    }
    let strategy = of("capacityProviderStrategy").is_some_and(|s| s.get(0).is_some());
    let launch = of("launchType").and_then(Value::as_str);
    if strategy && call.json.get("launchType").is_some() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one \
             and try again."
                .to_owned(),
        ));
    }
    let on_fargate = launch == Some("FARGATE") && !strategy;
    if on_fargate {
        let required: Vec<&Value> = list(&definition, "requiresCompatibilities").collect();
        let fits = match required.is_empty() {
            true => definition["networkMode"] == "awsvpc" && !text(&definition, "cpu").is_empty(),
            false => required.iter().any(|one| *one == "FARGATE"),
        };
        if definition.is_object() && !fits {
            let message = "Task definition does not support launch_type FARGATE.";
            return Err(invalid(message.to_owned()));
        }
        if was.is_null() {
            default(&mut json, "platformVersion", &json!("LATEST"));
        }
    } else if !strategy && call.member("platformVersion").is_some() {
        return Err(invalid(
            "The platform version must be null when specifying an EC2 launch type.".to_owned(),
        ));
    }
    let network = of("networkConfiguration").filter(|network| {
        network.get("awsvpcConfiguration").is_some_and(|network| !network.is_null())
    });
    match (definition["networkMode"] == "awsvpc", network) {
        (true, None) => {
            return Err(invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified."
                    .to_owned(),
            ));
        }
        (false, Some(_)) if definition.is_object() => {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition."
                    .to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(network) = json.pointer_mut("/networkConfiguration/awsvpcConfiguration") {
        check_network(front, call, network).await?;
        default(network, "securityGroups", &json!([]));
        default(network, "assignPublicIp", &json!("DISABLED"));
    }
    let balanced: Vec<&Value> = list(&call.json, "loadBalancers").collect();
    if !balanced.is_empty() {
        check_balancers(front, call, &definition, &balanced).await?;
    }
    let grace = call.json.get("healthCheckGracePeriodSeconds").and_then(Value::as_u64);
    if grace.is_some_and(|grace| grace > 0)
        && of("loadBalancers").is_none_or(|list| list.get(0).is_none())
    {
        return Err(invalid(
            "Health check grace period is only valid for services configured to use load balancers"
                .to_owned(),
        ));
    }
    call.set_json(json);
    Ok(())
}

/// What a network configuration names: the member, how many it may have at most, how EC2 is asked
/// for one, and AWS's words and code.
struct Part {
    member: &'static str,
    most: usize,
    asked: [&'static str; 3],
    words: [&'static str; 2],
    code: &'static str,
}

const PARTS: &[Part] = &[
    Part {
        member: "subnets",
        most: 16,
        asked: ["DescribeSubnets", "SubnetId.1", "subnetSet"],
        words: ["subnet", "subnet ID"],
        code: "InvalidSubnetID.NotFound",
    },
    Part {
        member: "securityGroups",
        most: 5,
        asked: ["DescribeSecurityGroups", "GroupId.1", "securityGroupInfo"],
        words: ["security group", "security group"],
        code: "InvalidGroup.NotFound",
    },
];

/// Subnets and security groups exist and are of one VPC.
async fn check_network(front: &Front, call: &Call, network: &Value) -> Result<(), Failure> {
    if list(network, "subnets").next().is_none() {
        return Err(invalid("subnets can not be empty.".to_owned()));
    }
    let mut networks = Vec::new();
    for Part { member, most, asked: [operation, parameter, set], words, code } in PARTS {
        if list(network, member).count() > *most {
            return Err(invalid(format!("{member} can have at most {most} items.")));
        }
        for id in list(network, member).filter_map(Value::as_str) {
            let asked = [(*parameter, id)];
            let vpc = ask(front, call, ("ec2", operation), &asked, |root| {
                root.list(&[set]).first().map(|one| one.get("vpcId").into_owned())
            });
            let [words, name] = words;
            networks.push(vpc.await?.ok_or_else(|| {
                invalid(format!(
                    "Error retrieving {words} information for [{id}]: The {name} '{id}' does not exist \
                     (ErrorCode: {code})"
                ))
            })?);
        }
    }
    if networks.windows(2).any(|pair| pair[0] != pair[1]) {
        let message = "Subnets and security groups must belong to the same VPC.";
        return Err(invalid(message.to_owned()));
    }
    Ok(())
}

/// Each load balancer of a service has a target group that is in use, and a port of a container.
async fn check_balancers(
    front: &Front,
    call: &Call,
    definition: &Value,
    balanced: &[&Value],
) -> Result<(), Failure> {
    let users = elbv2::users(front, call).await?;
    for balancer in balanced {
        let group = text(balancer, "targetGroupArn");
        let asked = [("TargetGroupArns.member.1", group)];
        let question = ("elasticloadbalancing", "DescribeTargetGroups");
        let kind = ask(front, call, question, &asked, |root| {
            let groups = root.list(&["DescribeTargetGroupsResult", "TargetGroups"]);
            groups.first().map(|group| group.get("TargetType").into_owned())
        });
        let Some(kind) = kind.await? else {
            return Err(invalid(format!("The target group {group} does not exist.")));
        };
        let mode = text(definition, "networkMode");
        if mode == "awsvpc" && kind != "ip" {
            return Err(invalid(format!(
                "The provided target group {group} has target type {kind}, which is incompatible with \
                 the awsvpc network mode specified in the task definition."
            )));
        }
        if !users.contains_key(group) {
            return Err(invalid(format!(
                "The target group with targetGroupArn {group} does not have an associated load \
                 balancer."
            )));
        }
        let name = text(balancer, "containerName");
        let mut containers = list(definition, "containerDefinitions");
        let Some(container) = containers.find(|container| container["name"] == name) else {
            return Err(invalid(format!(
                "The container {name} does not exist in the task definition."
            )));
        };
        let port = &balancer["containerPort"];
        if !list(container, "portMappings").any(|mapping| mapping["containerPort"] == *port) {
            return Err(invalid(format!(
                "The container {name} did not have a container port {port} defined."
            )));
        }
    }
    Ok(())
}
