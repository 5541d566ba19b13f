//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/Welcome.html>

use super::{All, Page, missing, texts};
use crate::account::{ACCOUNT, MADE_SECONDS, Region, number_in};
use crate::made::member;
use iasql_front::request::Call;
use iasql_front::shape::Answer;
use serde_json::{Value, json};

const MOST: usize = 100;
const CLUSTERS: &str = "clusters";
const DEFINITIONS: &str = "task definitions";
const SERVICES: &str = "services";

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let list = |name: &str,
                kind: &str,
                parts: &[String],
                count: usize,
                default: usize,
                arn: &dyn Fn(usize) -> String| {
        let quoted = |at| json!(arn(at)).to_string();
        let all =
            All { counted: (0..count).collect(), one: &quoted, made: region.made(kind, parts) };
        let page = Page::json(all.len(), call, "maxResults", MOST, default);
        Some(page.answer(name, |at| match at < count {
            true => all.get(at),
            false => own_arn(&all.get(at)),
        }))
    };
    // What is asked for by name or ARN, as long as no more of it are than AWS takes.
    let described = |name: &str, kind: &str, most: usize, one: &dyn Fn(usize) -> Value| {
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for asked in texts(call, name) {
            match (made(region, kind, asked), number_in(asked)) {
                (Some(made), _) => found.push(serde_json::from_str(&made).ok()?),
                (None, Some(number)) => found.push(one(number)),
                _ => failures.push(json!({"arn": asked, "reason": "MISSING"})),
            }
        }
        let fits = found.len() <= most;
        fits.then(|| Answer::json(&json!({name: found, "failures": failures})))
    };
    match call.operation.as_str() {
        "ListClusters" => {
            list("clusterArns", CLUSTERS, &[], region.clusters, MOST, &|at| region.cluster_arn(at))
        }
        "DescribeClusters" => {
            described("clusters", CLUSTERS, 100, &|number| counted_cluster(region, number))
        }
        "ListTaskDefinitions" => {
            let count = region.task_definitions;
            list("taskDefinitionArns", DEFINITIONS, &[], count, MOST, &|at| {
                region.task_definition_arn(at)
            })
        }
        "DescribeTaskDefinition" => {
            let arn = call.member("taskDefinition")?;
            let (definition, tags) = match made(region, DEFINITIONS, arn) {
                Some(made) => {
                    let mut made: Value = serde_json::from_str(&made).ok()?;
                    let tags = made.as_object_mut()?.remove("tags")?;
                    (made, tags)
                }
                None => (counted_definition(region, number_in(arn.strip_suffix(":1")?)?), tags()),
            };
            Some(Answer::json(&json!({"taskDefinition": definition, "tags": tags})))
        }
        "ListServices" => {
            let (asked, clusters) = (call.member("cluster")?, region.clusters.max(1));
            let counted = made(region, CLUSTERS, asked).is_none();
            let cluster = if counted { number_in(asked)? } else { 0 };
            let count =
                if counted { (region.services + clusters - 1 - cluster) / clusters } else { 0 };
            let parts = [member("clusterArn", &cluster_arn(region, asked))];
            list("serviceArns", SERVICES, &parts, count, 10, &|at| {
                region.service_arn(cluster + at * clusters)
            })
        }
        "DescribeServices" => {
            described("services", SERVICES, 10, &|number| counted_service(region, number))
        }
        "CreateCluster" => {
            let name = call.member("clusterName")?;
            let tags = call.json.get("tags").cloned().unwrap_or(json!([]));
            let made = cluster(&cluster_arn(region, name), name, 0, tags);
            region.keep(CLUSTERS, made.to_string());
            Some(Answer::json(&json!({"cluster": made})))
        }
        "RegisterTaskDefinition" => register(region, &call.json),
        "CreateService" => create_service(region, &call.json),
        "DeleteCluster" => remove(region, call, CLUSTERS, "cluster", call.member("cluster")?),
        "DeregisterTaskDefinition" => {
            remove(region, call, DEFINITIONS, "taskDefinition", call.member("taskDefinition")?)
        }
        "DeleteService" => remove(region, call, SERVICES, "service", call.member("service")?),
        _ => None,
    }
}

/// Members of the kinds that stand for names and ARNs.
fn names(kind: &str) -> [&'static str; 2] {
    match kind {
        CLUSTERS => ["clusterName", "clusterArn"],
        SERVICES => ["serviceName", "serviceArn"],
        _ => ["family", "taskDefinitionArn"],
    }
}

fn named(kind: &str, asked: &str) -> String {
    let [name, arn] = names(kind);
    member(if asked.starts_with("arn:") { arn } else { name }, asked)
}

/// What was made with a name or an ARN.
fn made(region: Region<'_>, kind: &str, asked: &str) -> Option<String> {
    region.made(kind, &[named(kind, asked)]).pop()
}

/// The ARN of what was made, as JSON: services show those of their cluster and task definition, too.
fn own_arn(made: &str) -> String {
    let made: Value = serde_json::from_str(made).unwrap_or_default();
    let arns = ["taskDefinitionArn", "serviceArn", "clusterArn"];
    arns.into_iter().find_map(|name| made.get(name)).map(Value::to_string).unwrap_or_default()
}

fn remove(region: Region<'_>, call: &Call, kind: &str, what: &str, asked: &str) -> Option<Answer> {
    let Some(was) = made(region, kind, asked) else {
        return Some(missing(call, "ClientException"));
    };
    region.drop(kind, named(kind, asked));
    let mut was: Value = serde_json::from_str(&was).ok()?;
    was["status"] = json!("INACTIVE");
    if kind == SERVICES {
        was["deployments"] = json!([]);
    }
    Some(Answer::json(&json!({what: was})))
}

fn cluster_arn(region: Region<'_>, asked: &str) -> String {
    match asked.starts_with("arn:") {
        true => asked.to_owned(),
        false => region.arn("ecs", &format!("cluster/{asked}")),
    }
}

fn register(region: Region<'_>, asked: &Value) -> Option<Answer> {
    let family = asked["family"].as_str()?;
    let revision = region.made(DEFINITIONS, &[member("family", family)]).len() + 1;
    let arn = region.arn("ecs", &format!("task-definition/{family}:{revision}"));
    let mut made = task_definition(&arn, revision, asked);
    let tags = asked.get("tags").cloned().unwrap_or(json!([]));
    let answer = Answer::json(&json!({"taskDefinition": made}));
    made["tags"] = tags;
    region.keep(DEFINITIONS, made.to_string());
    Some(answer)
}

fn create_service(region: Region<'_>, asked: &Value) -> Option<Answer> {
    let (cluster, name) = (asked["cluster"].as_str()?, asked["serviceName"].as_str()?);
    let made = service(&Service {
        arn: region.arn("ecs", &format!("service/{cluster}/{name}")),
        cluster: cluster_arn(region, cluster),
        name,
        definition: asked["taskDefinition"].as_str()?,
        desired: asked["desiredCount"].as_u64()?,
        network: &asked["networkConfiguration"],
        balancers: asked.get("loadBalancers").cloned().unwrap_or(json!([])),
        tags: asked.get("tags").cloned().unwrap_or(json!([])),
    });
    region.keep(SERVICES, made.to_string());
    Some(Answer::json(&json!({"service": made})))
}

fn tags() -> Value {
    json!([{"key": "team", "value": "bench"}])
}

fn counted_cluster(region: Region<'_>, number: usize) -> Value {
    cluster(&region.cluster_arn(number), &format!("cluster-{number}"), 1, tags())
}

fn cluster(arn: &str, name: &str, services: usize, tags: Value) -> Value {
    json!({
        "activeServicesCount": services,
        "capacityProviders": [],
        "clusterArn": arn,
        "clusterName": name,
        "defaultCapacityProviderStrategy": [],
        "pendingTasksCount": 0,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": 0,
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        "statistics": [],
        "status": "ACTIVE",
        "tags": tags,
    })
}

fn counted_definition(region: Region<'_>, number: usize) -> Value {
    let asked = json!({
        "containerDefinitions": [{
            "environment": [{"name": "STAGE", "value": "bench"}],
            "essential": true,
            "image": "nginx:1",
            "memoryReservation": 256,
            "name": "web",
            "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
        }],
        "cpu": "256",
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/role-0"),
        "family": format!("family-{number}"),
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
    });
    task_definition(&region.task_definition_arn(number), 1, &asked)
}

/// A revision: what it was asked to be, and what AWS adds to that.
fn task_definition(arn: &str, revision: usize, asked: &Value) -> Value {
    let mut it = asked.clone();
    let own = json!({
        "compatibilities": ["EC2", "FARGATE"],
        "placementConstraints": [],
        "registeredAt": MADE_SECONDS,
        "revision": revision,
        "status": "ACTIVE",
        "taskDefinitionArn": arn,
        "volumes": [],
    });
    let container = json!({"cpu": 0, "mountPoints": [], "volumesFrom": []});
    add(&mut it, &own);
    for one in it["containerDefinitions"].as_array_mut().into_iter().flatten() {
        add(one, &container);
    }
    if let Some(it) = it.as_object_mut() {
        it.remove("tags");
    }
    it
}

/// Adds the members that are not there yet.
fn add(to: &mut Value, members: &Value) {
    if let (Some(to), Some(members)) = (to.as_object_mut(), members.as_object()) {
        for (name, value) in members {
            to.entry(name).or_insert_with(|| value.clone());
        }
    }
}

fn counted_service(region: Region<'_>, number: usize) -> Value {
    let (subnets, group) = region.network(number);
    let network = json!({"awsvpcConfiguration": {
        "assignPublicIp": "DISABLED",
        "securityGroups": [group],
        "subnets": subnets,
    }});
    service(&Service {
        arn: region.service_arn(number),
        cluster: region.cluster_arn(number),
        name: &format!("service-{number}"),
        definition: &region.task_definition_arn(number),
        desired: 0,
        network: &network,
        balancers: json!([{
            "containerName": "web",
            "containerPort": 80,
            "targetGroupArn": region.target_group_arn(number),
        }]),
        tags: tags(),
    })
}

struct Service<'a> {
    arn: String,
    cluster: String,
    name: &'a str,
    definition: &'a str,
    desired: u64,
    network: &'a Value,
    balancers: Value,
    tags: Value,
}

/// Its tasks are there as soon as they are asked for.
fn service(it: &Service<'_>) -> Value {
    let Service { network, definition, desired, .. } = it;
    json!({
        "clusterArn": it.cluster,
        "createdAt": MADE_SECONDS,
        "deploymentConfiguration": {
            "bakeTimeInMinutes": 0,
            "deploymentCircuitBreaker": {"enable": false, "rollback": false},
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
        },
        "deploymentController": {"type": "ECS"},
        "deployments": [{
            "createdAt": MADE_SECONDS,
            "desiredCount": desired,
            "failedTasks": 0,
            "id": format!("ecs-svc/{}", it.name),
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "pendingCount": 0,
            "platformFamily": "Linux",
            "platformVersion": "LATEST",
            "rolloutState": "COMPLETED",
            "rolloutStateReason": "ECS deployment completed.",
            "runningCount": desired,
            "status": "PRIMARY",
            "taskDefinition": definition,
            "updatedAt": MADE_SECONDS,
        }],
        "desiredCount": desired,
        "enableECSManagedTags": false,
        "enableExecuteCommand": false,
        "events": [],
        "healthCheckGracePeriodSeconds": 0,
        "launchType": "FARGATE",
        "loadBalancers": it.balancers,
        "networkConfiguration": network,
        "pendingCount": 0,
        "placementConstraints": [],
        "placementStrategy": [],
        "platformFamily": "Linux",
        "platformVersion": "LATEST",
        "propagateTags": "NONE",
        "runningCount": desired,
        "schedulingStrategy": "REPLICA",
        "serviceArn": it.arn,
        "serviceName": it.name,
        "serviceRegistries": [],
        "status": "ACTIVE",
        "tags": it.tags,
        "taskDefinition": definition,
        "taskSets": [],
    })
}
