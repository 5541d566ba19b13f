//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/Welcome.html>

use super::{Page, texts};
use crate::account::{ACCOUNT, MADE_SECONDS, Region, number_in};
use iasql_front::request::Call;
use iasql_front::shape::Answer;
use serde_json::{Value, json};

const MOST: usize = 100;

pub fn answer(region: Region<'_>, call: &Call) -> Option<Answer> {
    let list = |name: &str, all: usize, default: usize, arn: &dyn Fn(usize) -> String| {
        let page = Page::json(all, call, "maxResults", MOST, default);
        Some(page.answer(name, |number| json!(arn(number))))
    };
    // What is asked for by name, as long as no more of it are than AWS takes.
    let described = |name: &str, asked: &str, most: usize, one: &dyn Fn(usize) -> Value| {
        let asked = texts(call, asked);
        let found = asked.iter().map(|arn| number_in(arn).map(one)).collect::<Option<Vec<_>>>()?;
        let fits = found.len() <= most;
        fits.then(|| Answer::json(&json!({name: found, "failures": []})))
    };
    match call.operation.as_str() {
        "ListClusters" => list("clusterArns", region.clusters, MOST, &|at| region.cluster_arn(at)),
        "DescribeClusters" => {
            described("clusters", "clusters", 100, &|number| cluster(region, number))
        }
        "ListTaskDefinitions" => {
            let all = region.task_definitions;
            list("taskDefinitionArns", all, MOST, &|at| region.task_definition_arn(at))
        }
        "DescribeTaskDefinition" => {
            let arn = call.member("taskDefinition")?.strip_suffix(":1")?;
            let definition = task_definition(region, number_in(arn)?);
            Some(Answer::json(&json!({"taskDefinition": definition, "tags": tags()})))
        }
        "ListServices" => {
            let (cluster, clusters) = (number_in(call.member("cluster")?)?, region.clusters.max(1));
            let all = (region.services + clusters - 1 - cluster) / clusters;
            list("serviceArns", all, 10, &|at| region.service_arn(cluster + at * clusters))
        }
        "DescribeServices" => {
            described("services", "services", 10, &|number| service(region, number))
        }
        _ => None,
    }
}

fn tags() -> Value {
    json!([{"key": "team", "value": "bench"}])
}

fn cluster(region: Region<'_>, number: usize) -> Value {
    json!({
        "activeServicesCount": 1,
        "capacityProviders": [],
        "clusterArn": region.cluster_arn(number),
        "clusterName": format!("cluster-{number}"),
        "defaultCapacityProviderStrategy": [],
        "pendingTasksCount": 0,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": 0,
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        "statistics": [],
        "status": "ACTIVE",
        "tags": tags(),
    })
}

fn task_definition(region: Region<'_>, number: usize) -> Value {
    json!({
        "compatibilities": ["EC2", "FARGATE"],
        "containerDefinitions": [{
            "cpu": 0,
            "environment": [{"name": "STAGE", "value": "bench"}],
            "essential": true,
            "image": "nginx:1",
            "memoryReservation": 256,
            "mountPoints": [],
            "name": "web",
            "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
            "volumesFrom": [],
        }],
        "cpu": "256",
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/role-0"),
        "family": format!("family-{number}"),
        "memory": "512",
        "networkMode": "awsvpc",
        "placementConstraints": [],
        "registeredAt": MADE_SECONDS,
        "requiresCompatibilities": ["FARGATE"],
        "revision": 1,
        "status": "ACTIVE",
        "taskDefinitionArn": region.task_definition_arn(number),
        "volumes": [],
    })
}

fn service(region: Region<'_>, number: usize) -> Value {
    let (subnets, group) = region.network(number);
    let network = json!({"awsvpcConfiguration": {
        "assignPublicIp": "DISABLED",
        "securityGroups": [group],
        "subnets": subnets,
    }});
    let definition = region.task_definition_arn(number);
    json!({
        "clusterArn": region.cluster_arn(number),
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
            "desiredCount": 0,
            "failedTasks": 0,
            "id": format!("ecs-svc/{number}"),
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "pendingCount": 0,
            "platformFamily": "Linux",
            "platformVersion": "LATEST",
            "rolloutState": "COMPLETED",
            "rolloutStateReason": "ECS deployment completed.",
            "runningCount": 0,
            "status": "PRIMARY",
            "taskDefinition": definition,
            "updatedAt": MADE_SECONDS,
        }],
        "desiredCount": 0,
        "enableECSManagedTags": false,
        "enableExecuteCommand": false,
        "events": [],
        "healthCheckGracePeriodSeconds": 0,
        "launchType": "FARGATE",
        "loadBalancers": [{
            "containerName": "web",
            "containerPort": 80,
            "targetGroupArn": region.target_group_arn(number),
        }],
        "networkConfiguration": network,
        "pendingCount": 0,
        "placementConstraints": [],
        "placementStrategy": [],
        "platformFamily": "Linux",
        "platformVersion": "LATEST",
        "propagateTags": "NONE",
        "runningCount": 0,
        "schedulingStrategy": "REPLICA",
        "serviceArn": region.service_arn(number),
        "serviceName": format!("service-{number}"),
        "serviceRegistries": [],
        "status": "ACTIVE",
        "tags": tags(),
        "taskDefinition": definition,
        "taskSets": [],
    })
}
