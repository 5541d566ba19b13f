//! Tasks that AWS keeps running.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html>

use super::{
    Cluster, ServiceSecurityGroups, TaskDefinition, listed, name_in, retag, tags, unfinished,
};
use crate::aws_elb::{TargetGroup, target_groups};
use crate::aws_vpc::Subnet;
use crate::cloud::cell::Cells;
use crate::prelude::*;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder as Update;
use aws_sdk_ecs::types::{
    self, AwsVpcConfiguration, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentControllerType, LaunchType, LoadBalancer, NetworkConfiguration, SchedulingStrategy,
    ServiceField,
};
use futures_util::{TryFutureExt, try_join};
use iasql_engine::compare;
use std::collections::HashSet;

/// How long a service may take to stop its tasks: each has minutes to finish what it is at.
const DRAINED: Duration = Duration::from_secs(15 * 60);

/// A number of tasks that AWS keeps running on Fargate, and has a load balancer find.
#[derive(Debug, Clone, Resource)]
#[resource(
    reads(
        "ecs:DescribeServices",
        "ecs:ListClusters",
        "ecs:ListServices",
        "elasticloadbalancing:DescribeTargetGroups"
    ),
    writes(
        "ecs:CreateService",
        "ecs:DeleteService",
        "ecs:DescribeTaskDefinition",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole"
    )
)]
#[check(
    sql = "NEW.deployment_circuit_breaker OR NOT NEW.deployment_rollback",
    message = "deployment_rollback needs deployment_circuit_breaker",
    hint = "Set both to true, or both to false."
)]
#[check(
    sql = "NEW.target_group_name IS NOT NULL OR (NEW.health_check_grace_period_seconds = 0 AND NEW.container_name IS NULL AND NEW.container_port IS NULL)",
    message = "container_name, container_port and health_check_grace_period_seconds are for a service with a target group",
    hint = "Write target_group_name, too, or leave them out."
)]
pub struct Service {
    /// Its name, unique within its region.
    #[column(key)]
    #[check(
        sql = "NEW.name ~ '^[A-Za-z0-9_-]{1,255}$'",
        message = "name is no name for a service: 1 to 255 letters, digits, - and _",
        hint = "Write it like web."
    )]
    pub name: String,
    /// ARN, given by AWS.
    #[column(id, read_only)]
    pub arn: Option<String>,
    /// Whether AWS has it ready (`ACTIVE`).
    #[column(read_only)]
    pub status: Option<String>,
    /// How many tasks are to run.
    #[check(
        sql = "NEW.desired_count >= 0",
        message = "desired_count is negative",
        hint = "Write how many tasks are to run; 0 for none."
    )]
    pub desired_count: i32,
    /// The IDs of the subnets that tasks run in.
    #[check(
        sql = "cardinality(NEW.subnets) BETWEEN 1 AND 16",
        message = "a service needs subnets: from 1 to 16 of them",
        hint = "Write, say, ARRAY(SELECT subnet_id FROM subnet JOIN vpc ON vpc.id = subnet.vpc_id WHERE is_default LIMIT 3)."
    )]
    pub subnets: Ids<Subnet>,
    /// Whether tasks get public addresses; without, they need another way out, to pull images.
    #[column(labels("DISABLED", "ENABLED"), default = "'DISABLED'", not_null)]
    pub assign_public_ip: String,
    /// Set to true, the next apply starts its tasks anew, and sets it to false again.
    #[column(request, default = "false")]
    pub force_new_deployment: bool,
    /// The cluster it is in; the one called `default`, if NULL. A change replaces the service.
    #[column(fixed, late)]
    pub cluster_name: Option<Named<Cluster>>,
    /// What its tasks consist of.
    #[check(
        sql = "NEW.task_definition_id IS NOT NULL",
        message = "a service needs a task_definition_id",
        hint = "Write, say, (SELECT id FROM task_definition WHERE family = 'web' ORDER BY revision DESC LIMIT 1)."
    )]
    pub task_definition_id: Option<Ref<TaskDefinition>>,
    /// The target group that its tasks are registered with.
    #[column(loose)]
    pub target_group_name: Option<Named<TargetGroup>>,
    /// The container that the target group sends requests to; the one with a port, if NULL.
    #[column(late, open)]
    pub container_name: Option<String>,
    /// The port of that container; its container_port, if NULL.
    #[column(late, open)]
    pub container_port: Option<i32>,
    /// For how many seconds after its start a task may be unhealthy in its target group.
    #[column(default = "0")]
    pub health_check_grace_period_seconds: i32,
    /// How much of desired_count has to run while tasks are exchanged, in percent.
    #[column(default = "100")]
    pub minimum_healthy_percent: i32,
    /// How much of desired_count may run while tasks are exchanged, in percent.
    #[column(default = "200")]
    pub maximum_percent: i32,
    /// Whether a deployment ends as failed when its tasks keep failing.
    #[column(default = "false")]
    pub deployment_circuit_breaker: bool,
    /// Whether the one before it comes back then.
    #[column(default = "false")]
    pub deployment_rollback: bool,
    /// Whether `aws ecs execute-command` works on its tasks.
    #[column(default = "false")]
    pub enable_execute_command: bool,
    /// The version of Fargate.
    #[column(default = "'LATEST'")]
    #[check(
        sql = "NEW.platform_version ~ '^(LATEST|[0-9]+[.][0-9]+[.][0-9]+)$'",
        message = "platform_version is no version of Fargate",
        hint = "Write LATEST, or one like 1.4.0."
    )]
    pub platform_version: String,
    /// Where the tags of its tasks come from.
    #[column(labels("NONE", "SERVICE", "TASK_DEFINITION"), default = "'NONE'")]
    pub propagate_tags: String,
    /// Whether AWS tags its tasks with the names of cluster and service.
    #[column(default = "false")]
    pub enable_ecs_managed_tags: bool,
    /// Whether AWS moves tasks to spread them over availability zones; AWS decides, if NULL.
    #[column(late, labels("DISABLED", "ENABLED"))]
    pub availability_zone_rebalancing: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// The security groups of its tasks; the default one of the VPC, if there are none.
    pub service_security_groups: Parts<ServiceSecurityGroups>,
}

type Ecs = aws_sdk_ecs::Client;
type Elb = aws_sdk_elasticloadbalancingv2::Client;

impl Cloud for Service {
    type Client = (Ecs, Elb);

    async fn list(
        (ecs, elb): &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()> {
        let (mut services, groups) = match which.like() {
            Some(like) => match described(ecs, like.cluster(), vec![like.name.clone()]).await {
                Err(error) if error.not_found() => (Vec::new(), None),
                found => (found?, None),
            },
            // Whoever reads all reads the target groups for their own sake, too.
            None => try_join!(all(ecs), target_groups(elb, None).map_ok(Some))?,
        };
        // Of those with the same name in several clusters, the oldest has the row.
        services.sort_by_cached_key(|it| {
            (it.created_at.map(|at| at.as_nanos()), it.service_arn.clone())
        });
        let groups = match groups {
            Some(groups) => groups,
            None if services.iter().all(|it| it.load_balancers().is_empty()) => Vec::new(),
            None => target_groups(elb, None).await?,
        };
        let groups: HashSet<_> = groups.into_iter().filter_map(|it| it.target_group_arn).collect();
        let mut names = HashSet::new();
        let mut rows = Vec::new();
        for it in services {
            let namesake = !names.insert(it.service_name.clone());
            let why = foreign(&it).or(namesake.then_some(
                "a service in another cluster has its name, and the table tells them by their names",
            ));
            match why {
                Some(why) => found.cannot(it.service_arn.unwrap_or_default(), why),
                None => {
                    let group = it.load_balancers().first();
                    let group = group.and_then(|it| it.target_group_arn.clone());
                    let gone = group.filter(|arn| !groups.contains(arn)).map(Named::from);
                    let row = Self::seen(it)?;
                    // A group that has gone is not the one that has its name now.
                    rows.push(Self { target_group_name: gone.or(row.target_group_name), ..row });
                }
            }
        }
        found.add(rows);
        Ok(())
    }

    async fn create(&self, clients: &Self::Client, mark: &str) -> Result<Self> {
        let balancers = self.balancers(Vec::new(), clients).await?;
        let grace = self.health_check_grace_period_seconds;
        let made = clients
            .0
            .create_service()
            .cluster(self.cluster())
            .service_name(&self.name)
            .client_token(mark)
            .set_task_definition(self.task_definition_id.as_deref().map(str::to_owned))
            .desired_count(self.desired_count)
            .launch_type(LaunchType::Fargate)
            .platform_version(&self.platform_version)
            .network_configuration(self.network()?)
            .set_health_check_grace_period_seconds((!balancers.is_empty()).then_some(grace))
            .set_load_balancers((!balancers.is_empty()).then_some(balancers))
            .deployment_configuration(self.deployment(None))
            .enable_execute_command(self.enable_execute_command)
            .propagate_tags(self.propagate_tags.as_str().into())
            .enable_ecs_managed_tags(self.enable_ecs_managed_tags)
            .set_availability_zone_rebalancing(
                self.availability_zone_rebalancing.as_deref().map(Into::into),
            )
            .set_tags(listed(self.tags.all()))
            .send()
            .await?
            .service
            .must("the service it made")?;
        let rebalancing = made.availability_zone_rebalancing.map(|it| it.to_string());
        let cluster = made.cluster_arn.map(|arn| Named::from(name_in(&arn)));
        Ok(Self {
            arn: made.service_arn,
            status: made.status,
            cluster_name: self.cluster_name.clone().or(cluster),
            availability_zone_rebalancing: self
                .availability_zone_rebalancing
                .clone()
                .or(rebalancing),
            ..self.clone()
        })
    }

    async fn update(&self, was: &Self, clients: &Self::Client) -> Result<()> {
        let ecs = &clients.0;
        let columns =
            compare::differing(Self::TABLE, &self.clone().into_row(), &was.clone().into_row());
        let columns: HashSet<_> =
            columns.into_iter().map(|at| Self::TABLE.columns[at].name).collect();
        let differs = |names: &[&str]| names.iter().any(|name| columns.contains(name));
        if columns.iter().any(|name| *name != "tags") {
            let now = described(ecs, was.cluster(), vec![self.name.clone()]).await?.pop();
            let now = now.must("the service")?;
            let request = ecs.update_service().cluster(was.cluster()).service(&self.name);
            let request = self.put(request, was, &differs);
            let deploys = differs(&[
                "minimum_healthy_percent",
                "maximum_percent",
                "deployment_circuit_breaker",
                "deployment_rollback",
            ]);
            let deployment = self.deployment(now.deployment_configuration);
            let network = differs(&["subnets", "assign_public_ip", "service_security_groups"]);
            let network = if network { Some(self.network()?) } else { None };
            let balances = differs(&[
                "target_group_name",
                "container_name",
                "container_port",
                "task_definition_id",
            ]);
            let balancers = match balances {
                true => {
                    let before = now.load_balancers.unwrap_or_default();
                    let balancers = self.balancers(before.clone(), clients).await?;
                    (balancers != before).then_some(balancers)
                }
                false => None,
            };
            request
                .set_deployment_configuration(deploys.then_some(deployment))
                .set_network_configuration(network)
                .set_load_balancers(balancers)
                .send()
                .await?;
        }
        retag(ecs, was.arn.as_deref().must("the service's ARN")?, &self.tags, &was.tags).await
    }

    async fn delete(&self, (ecs, _): &Self::Client) -> Result<()> {
        let (cluster, name) = (self.cluster(), &self.name);
        let request = ecs.delete_service().cluster(cluster).service(name).force(true);
        match request.send().await.done() {
            // It may be that it drains already.
            Err(error) if error.code() != "ServiceNotFoundException" => return Err(error),
            _ => (),
        }
        until(&format!("service {name} to stop its tasks"), DRAINED, async || {
            let found = ecs.describe_services().cluster(cluster).services(name).send().await?;
            let gone = |it: &types::Service| it.status.as_deref() == Some("INACTIVE");
            Ok(found.services().iter().all(gone).then_some(()))
        })
        .await
    }
}

impl Service {
    fn seen(it: types::Service) -> Result<Self> {
        let network = it.network_configuration.and_then(|it| it.awsvpc_configuration);
        let network = network.must("the service's network")?;
        let balancer = it.load_balancers.unwrap_or_default().pop();
        let group = balancer.as_ref().and_then(|it| it.target_group_arn.as_deref());
        let deployment = it.deployment_configuration.as_ref();
        let breaker = deployment.and_then(|it| it.deployment_circuit_breaker.as_ref());
        let groups = network.security_groups.unwrap_or_default();
        let part = |id: String| ServiceSecurityGroups { security_group_id: id.into() };
        Ok(Self {
            name: it.service_name.must("a service's name")?,
            arn: it.service_arn,
            status: it.status,
            desired_count: it.desired_count,
            subnets: network.subnets.into_iter().collect(),
            assign_public_ip: network
                .assign_public_ip
                .map_or("DISABLED".to_owned(), |it| it.to_string()),
            force_new_deployment: false,
            cluster_name: it.cluster_arn.map(|arn| Named::from(name_in(&arn))),
            task_definition_id: it.task_definition.map(Ref::from),
            target_group_name: group.and_then(group_in).map(Named::from),
            container_name: balancer.as_ref().and_then(|it| it.container_name.clone()),
            container_port: balancer.as_ref().and_then(|it| it.container_port),
            health_check_grace_period_seconds: it.health_check_grace_period_seconds.unwrap_or(0),
            minimum_healthy_percent: deployment
                .and_then(|it| it.minimum_healthy_percent)
                .unwrap_or(100),
            maximum_percent: deployment.and_then(|it| it.maximum_percent).unwrap_or(200),
            deployment_circuit_breaker: breaker.is_some_and(|it| it.enable),
            deployment_rollback: breaker.is_some_and(|it| it.rollback),
            enable_execute_command: it.enable_execute_command,
            platform_version: it.platform_version.unwrap_or("LATEST".to_owned()),
            propagate_tags: it.propagate_tags.map_or("NONE".to_owned(), |it| it.to_string()),
            enable_ecs_managed_tags: it.enable_ecs_managed_tags,
            availability_zone_rebalancing: it
                .availability_zone_rebalancing
                .map(|it| it.to_string()),
            tags: tags(it.tags).0,
            service_security_groups: groups.into_iter().map(part).collect(),
        })
    }

    /// The name of its cluster.
    fn cluster(&self) -> &str {
        self.cluster_name.as_deref().unwrap_or("default")
    }

    /// What of it differs and is a value of its own.
    fn put(&self, request: Update, was: &Self, differs: &impl Fn(&[&str]) -> bool) -> Update {
        let definition = self.task_definition_id.as_deref().map(str::to_owned);
        let rebalancing = self.availability_zone_rebalancing.as_deref().map(Into::into);
        let grace = differs(&["health_check_grace_period_seconds"])
            && (self.target_group_name.is_some() || was.target_group_name.is_some());
        let set = |column: &str| differs(&[column]);
        request
            .set_desired_count(set("desired_count").then_some(self.desired_count))
            .set_task_definition(definition.filter(|_| set("task_definition_id")))
            .set_force_new_deployment(set("force_new_deployment").then_some(true))
            .set_platform_version(set("platform_version").then(|| self.platform_version.clone()))
            .set_health_check_grace_period_seconds(
                grace.then_some(self.health_check_grace_period_seconds),
            )
            .set_enable_execute_command(
                set("enable_execute_command").then_some(self.enable_execute_command),
            )
            .set_propagate_tags(set("propagate_tags").then(|| self.propagate_tags.as_str().into()))
            .set_enable_ecs_managed_tags(
                set("enable_ecs_managed_tags").then_some(self.enable_ecs_managed_tags),
            )
            .set_availability_zone_rebalancing(
                rebalancing.filter(|_| set("availability_zone_rebalancing")),
            )
    }

    fn network(&self) -> Result<NetworkConfiguration> {
        let groups = self.service_security_groups.iter();
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.subnets.iter().cloned().collect()))
            .set_security_groups(Some(groups.map(|it| it.security_group_id.to_string()).collect()))
            .assign_public_ip(self.assign_public_ip.as_str().into());
        let network = network.build().map_err(unfinished)?;
        Ok(NetworkConfiguration::builder().awsvpc_configuration(network).build())
    }

    /// How tasks are exchanged. What has no column here stays as it was.
    fn deployment(&self, was: Option<DeploymentConfiguration>) -> DeploymentConfiguration {
        let mut it = was.unwrap_or_else(|| DeploymentConfiguration::builder().build());
        it.minimum_healthy_percent = Some(self.minimum_healthy_percent);
        it.maximum_percent = Some(self.maximum_percent);
        let breaker = it.deployment_circuit_breaker.take();
        let mut breaker = breaker.unwrap_or_else(|| DeploymentCircuitBreaker::builder().build());
        breaker.enable = self.deployment_circuit_breaker;
        breaker.rollback = self.deployment_rollback;
        it.deployment_circuit_breaker = Some(breaker);
        it
    }

    /// Its one load balancer, if any. What has no column here stays as it was.
    async fn balancers(
        &self,
        was: Vec<LoadBalancer>,
        (ecs, elb): &<Self as Cloud>::Client,
    ) -> Result<Vec<LoadBalancer>> {
        let Some(group) = &self.target_group_name else { return Ok(Vec::new()) };
        let mut it = was.into_iter().next().unwrap_or_else(|| LoadBalancer::builder().build());
        // The one before may be an older group with that name.
        let groups = target_groups(elb, Some(&**group));
        let target = async {
            match (&self.container_name, self.container_port) {
                (Some(name), Some(port)) => Ok((name.clone(), port)),
                _ => self.target(ecs).await,
            }
        };
        let (groups, (name, port)) = try_join!(groups, target)?;
        let arn = groups.into_iter().find_map(|it| it.target_group_arn);
        it.target_group_arn = Some(arn.must("the target group's ARN")?);
        (it.container_name, it.container_port) = (Some(name), Some(port));
        Ok(vec![it])
    }

    /// The container and port that requests go to when the row leaves that open.
    async fn target(&self, ecs: &Ecs) -> Result<(String, i32)> {
        let definition = self.task_definition_id.as_deref().map(str::to_owned);
        let found = ecs.describe_task_definition().set_task_definition(definition).send().await?;
        let containers = found.task_definition.and_then(|it| it.container_definitions);
        let mut targets: Vec<(String, i32)> = Vec::new();
        for container in containers.into_iter().flatten() {
            let name = container.name.unwrap_or_default();
            let ports = container.port_mappings.into_iter().flatten();
            let mut ports = ports.filter_map(|port| port.container_port);
            let wanted = match (&self.container_name, self.container_port) {
                (Some(wanted), _) if *wanted != name => None,
                (_, Some(wanted)) => ports.find(|port| *port == wanted),
                _ => ports.next(),
            };
            targets.extend(wanted.map(|port| (name, port)));
        }
        match (targets.pop(), targets.is_empty()) {
            (Some(target), true) => Ok(target),
            (None, _) => Err(Error::row(
                "target_group_name",
                "no container of the task definition has the port that requests should go to: write \
                 it in container_definition.container_port",
            )),
            (Some(_), false) => Err(Error::row(
                "container_name",
                "several containers of the task definition have a port: write in container_name \
                 which one requests go to",
            )),
        }
    }
}

/// All services of all clusters.
async fn all(ecs: &Ecs) -> Result<Vec<types::Service>> {
    let mut clusters = Vec::new();
    let mut pages = ecs.list_clusters().max_results(100).into_paginator().send();
    while let Some(page) = pages.try_next().await? {
        clusters.extend(page.cluster_arns.unwrap_or_default());
    }
    let of_cluster = async |cluster: String| {
        let (mut arns, request) = (Vec::new(), ecs.list_services().cluster(&cluster));
        let mut pages = request.max_results(100).into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            arns.extend(page.service_arns.unwrap_or_default());
        }
        let tens = arns.chunks(10).map(<[String]>::to_vec).collect();
        Ok(each(tens, async |ten| described(ecs, &cluster, ten).await).await?.concat())
    };
    Ok(each(clusters, of_cluster).await?.concat())
}

/// Some services of a cluster, as far as they are there.
async fn described(ecs: &Ecs, cluster: &str, names: Vec<String>) -> Result<Vec<types::Service>> {
    let request = ecs.describe_services().cluster(cluster).set_services(Some(names));
    let found = request.include(ServiceField::Tags).send().await?.services;
    let there = |it: &types::Service| it.status.as_deref() == Some("ACTIVE");
    Ok(found.into_iter().flatten().filter(there).collect())
}

/// Why the table can't hold it.
fn foreign(it: &types::Service) -> Option<&'static str> {
    let fargate = |name: &str| matches!(name, "FARGATE" | "FARGATE_SPOT");
    let strategy = it.capacity_provider_strategy();
    let controller = it.deployment_controller.as_ref().map(|it| &it.r#type);
    let balancers = it.load_balancers();
    match it.launch_type {
        Some(LaunchType::Fargate) => None,
        None if strategy.iter().all(|it| fargate(&it.capacity_provider)) => None,
        _ => Some("its tasks do not run on Fargate"),
    }
    .or(controller
        .is_some_and(|it| *it != DeploymentControllerType::Ecs)
        .then_some("something other than ECS deploys it"))
    .or((it.scheduling_strategy == Some(SchedulingStrategy::Daemon))
        .then_some("it runs a task on every instance"))
    .or((balancers.len() > 1).then_some("it has several target groups"))
    .or(balancers
        .iter()
        .any(|it| it.target_group_arn.is_none())
        .then_some("it has a load balancer without a target group"))
    .or(it.network_configuration.is_none().then_some("it has no network of its own"))
    .or(it.task_definition.is_none().then_some("it has no task definition of its own"))
}

/// The name in the ARN of a target group.
fn group_in(arn: &str) -> Option<&str> {
    arn.split('/').nth(1)
}
