//! ECS: task definitions, services, clusters, and the time that a deployment takes.
//!
//! Moto keeps services but has no notion of their tasks: counts and deployments are the front's own
//! work. What moto drops when a service is made it keeps when the service is updated.
//!
//! Known to be missing: the tasks of a service and their network interfaces, deployments that fail,
//! quotas, service connect, and roles that a service may not assume.

mod definition;
mod service;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::ask_json;
use crate::front::Front;
use crate::request::Call;
use crate::shape::{Answer, Failure};
use service::Change;
pub use service::services_of;
use service::show_service;

const TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// What time does: the last change of each service, and when task definitions were made, by ARN.
#[derive(Default)]
pub struct Times {
    changes: HashMap<String, Change>,
    registered: HashMap<String, f64>,
}

/// Seconds since 1970, as JSON has them.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() * 1e3).round() / 1e3
}

pub async fn check(front: &Front, call: &mut Call) -> Result<Option<Answer>, Failure> {
    match call.operation.as_str() {
        "CreateCluster" => return create_cluster(front, call).await,
        "DeleteCluster" => delete_cluster(front, call).await?,
        "DescribeClusters" => check_count(call, "clusters", 0..=100)?,
        "RegisterTaskDefinition" => definition::register(call)?,
        "CreateService" => return service::create(front, call).await.map(Some),
        "UpdateService" => return service::update(front, call).await.map(Some),
        "DeleteService" => return service::delete(front, call).await.map(Some),
        "DescribeServices" => check_count(call, "services", 1..=10)?,
        // Moto makes no tasks for services.
        "ListTasks" if call.member("serviceName").is_some() => {
            return Err(Failure::not_implemented(call));
        }
        "RunTask" => {
            check_cluster(front, call).await?;
            service::prepare(front, call, &Value::Null).await?;
        }
        _ => {}
    }
    Ok(None)
}

/// Mends what moto answers otherwise than AWS.
pub async fn mend(front: &Front, call: &Call, answer: &mut Answer) -> Result<(), Failure> {
    let mut shown: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if !answer.is_ok() || !shown.is_object() {
        return Ok(());
    }
    if let Some(definition) = shown.get_mut("taskDefinition").and_then(Value::as_object_mut) {
        definition::show(front, call, definition);
    }
    for service in members(&mut shown, "service", "services") {
        show_service(front, service);
        // Whether or not it takes time.
        if call.operation == "DeleteService" {
            service["status"] = json!("DRAINING");
        }
    }
    for cluster in members(&mut shown, "cluster", "clusters") {
        show_cluster(front, call, cluster).await?;
    }
    let cluster = cluster_of(call);
    let kept: Vec<Value> = match call.operation.as_str() {
        "ListClusters" => active_clusters(front, call, &shown).await?,
        "ListServices" => {
            let services = services_of(front, call, cluster).await?;
            let active = services.iter().filter(|service| service["status"] == "ACTIVE");
            active.map(|service| service["serviceArn"].clone()).collect()
        }
        "ListTasks" => {
            let own = list(&shown, "taskArns").filter(|arn| is_in(arn, "task", cluster));
            own.cloned().collect()
        }
        _ => Vec::new(),
    };
    for list in ["clusterArns", "serviceArns", "taskArns"] {
        if let Some(list) = shown.get_mut(list).and_then(Value::as_array_mut) {
            list.retain(|arn| kept.contains(arn));
        }
    }
    answer.body = shown.to_string().into();
    Ok(())
}

/// The one thing or the list of things in an answer.
fn members<'a>(shown: &'a mut Value, one: &str, many: &str) -> impl Iterator<Item = &'a mut Value> {
    let name = if shown.get(one).is_some() { one } else { many };
    let found = shown.get_mut(name);
    let (one, list) = match found {
        Some(Value::Array(list)) => (None, Some(list)),
        other => (other, None),
    };
    one.into_iter().chain(list.into_iter().flatten()).filter(|one| one.is_object())
}

/// Asks moto; a refusal reads as null.
pub async fn ask_ecs(
    front: &Front,
    call: &Call,
    operation: &str,
    asked: &Value,
) -> Result<Value, Failure> {
    ask_json(front, call, ("ecs", TARGET, operation), asked).await
}

/// The things in a list.
pub fn list<'a>(json: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    json.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn number(json: &Value, name: &str) -> u64 {
    json.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The name of the cluster that a call names.
fn cluster_of(call: &Call) -> &str {
    let cluster = call.member("cluster").unwrap_or("default");
    cluster.rsplit('/').next().unwrap_or_default()
}

fn check_count(
    call: &Call,
    name: &str,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<(), Failure> {
    match list(&call.json, name).count() {
        count if allowed.contains(&count) => Ok(()),
        0 => Err(invalid(format!("{name} cannot be empty."))),
        _ => Err(invalid(format!("{name} can have at most {} items.", allowed.end()))),
    }
}

/// Names of clusters, families, services and containers.
fn check_name(name: &str, refuse: fn(String) -> Failure) -> Result<(), Failure> {
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
    if (1..=255).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(refuse(format!(
        "Invalid identifier: '{name}'. Up to 255 letters (uppercase and lowercase), numbers, \
         underscores, and hyphens are allowed."
    )))
}

async fn describe_cluster(front: &Front, call: &Call, name: &str) -> Result<Value, Failure> {
    let asked = json!({"clusters": [name], "include": ["TAGS"]});
    let mut found = ask_ecs(front, call, "DescribeClusters", &asked).await?;
    Ok(found.pointer_mut("/clusters/0").map(Value::take).unwrap_or_default())
}

/// A cluster that was deleted is as good as none.
async fn check_cluster(front: &Front, call: &Call) -> Result<(), Failure> {
    if describe_cluster(front, call, cluster_of(call)).await?["status"] == "ACTIVE" {
        return Ok(());
    }
    Err(Failure::refuse("ClusterNotFoundException", "Cluster not found."))
}

/// Making a cluster again gives the one that is there; moto would put an empty one in its place.
async fn create_cluster(front: &Front, call: &Call) -> Result<Option<Answer>, Failure> {
    let name = call.member("clusterName").unwrap_or("default");
    check_name(name, invalid)?;
    let found = describe_cluster(front, call, name).await?;
    if found["status"] != "ACTIVE" {
        return Ok(None);
    }
    let asked = call.json.as_object().into_iter().flatten();
    let differs = |(member, asked): (&String, &Value)| {
        let nothing = json!([]);
        *asked != *found.get(member).filter(|found| !found.is_null()).unwrap_or(&nothing)
    };
    if asked.into_iter().any(differs) {
        return Err(invalid(
            "Arguments on this idempotent request are inconsistent with arguments used in previous \
             request(s)."
                .to_owned(),
        ));
    }
    Ok(Some(Answer::json(&json!({"cluster": found}))))
}

async fn delete_cluster(front: &Front, call: &Call) -> Result<(), Failure> {
    check_cluster(front, call).await?;
    let cluster = cluster_of(call);
    let mut services = services_of(front, call, cluster).await?;
    services.iter_mut().for_each(|service| show_service(front, service));
    if services.iter().any(|service| service["status"] != "INACTIVE") {
        let message = "The Cluster cannot be deleted while Services are active.";
        return Err(Failure::refuse("ClusterContainsServicesException", message));
    }
    if !tasks_of(front, call, cluster).await?.is_empty() {
        let message = "The Cluster cannot be deleted while Tasks are active.";
        return Err(Failure::refuse("ClusterContainsTasksException", message));
    }
    let asked = json!({"cluster": cluster});
    let found = ask_ecs(front, call, "ListContainerInstances", &asked).await?;
    if list(&found, "containerInstanceArns").next().is_some() {
        let message =
            "The Cluster cannot be deleted while Container Instances are active or draining.";
        return Err(Failure::refuse("ClusterContainsContainerInstancesException", message));
    }
    Ok(())
}

/// The running tasks of a cluster, but for those of services.
async fn tasks_of(front: &Front, call: &Call, cluster: &str) -> Result<Vec<Value>, Failure> {
    let asked = json!({"cluster": cluster, "desiredStatus": "RUNNING"});
    let found = ask_ecs(front, call, "ListTasks", &asked).await?;
    Ok(list(&found, "taskArns").filter(|arn| is_in(arn, "task", cluster)).cloned().collect())
}

/// Whether something is of a cluster; moto also lists what is of others with like names.
fn is_in(arn: &Value, kind: &str, cluster: &str) -> bool {
    arn.as_str().is_some_and(|arn| arn.contains(&format!(":{kind}/{cluster}/")))
}

async fn active_clusters(front: &Front, call: &Call, found: &Value) -> Result<Vec<Value>, Failure> {
    let mut active = Vec::new();
    let arns: Vec<&Value> = list(found, "clusterArns").collect();
    for some in arns.chunks(100) {
        let asked = json!({"clusters": some});
        let found = ask_ecs(front, call, "DescribeClusters", &asked).await?;
        let clusters = list(&found, "clusters").filter(|cluster| cluster["status"] == "ACTIVE");
        active.extend(clusters.map(|cluster| cluster["clusterArn"].clone()));
    }
    Ok(active)
}

/// Counts what is in a cluster, and leaves out what was not asked for.
async fn show_cluster(front: &Front, call: &Call, cluster: &mut Value) -> Result<(), Failure> {
    let name = text(cluster, "clusterName").to_owned();
    let mut counts = [0, tasks_of(front, call, &name).await?.len() as u64, 0];
    for mut service in services_of(front, call, &name).await? {
        show_service(front, &mut service);
        counts[0] += u64::from(service["status"] == "ACTIVE");
        counts[1] += number(&service, "runningCount");
        counts[2] += number(&service, "pendingCount");
    }
    for (member, count) in
        ["activeServicesCount", "runningTasksCount", "pendingTasksCount"].iter().zip(counts)
    {
        cluster[*member] = json!(count);
    }
    if call.operation == "DescribeClusters" {
        let included = |what: &str| list(&call.json, "include").any(|one| one == what);
        if !included("SETTINGS") {
            cluster["settings"] = json!([]);
        }
        if !included("CONFIGURATIONS") {
            cluster.as_object_mut().and_then(|cluster| cluster.remove("configuration"));
        }
    }
    for member in ["capacityProviders", "defaultCapacityProviderStrategy", "statistics", "tags"] {
        default(cluster, member, &json!([]));
    }
    Ok(())
}

/// Gives a member a value if it has none.
/// Gives a member a value if it has none.
fn default(thing: &mut Value, member: &str, value: &Value) {
    if let Some(thing) = thing.as_object_mut()
        && thing.get(member).is_none_or(Value::is_null)
    {
        thing.insert(member.to_owned(), value.clone());
    }
}

fn invalid(message: String) -> Failure {
    Failure::refuse("InvalidParameterException", message)
}

fn refused(message: String) -> Failure {
    Failure::refuse("ClientException", message)
}
