//! The containers of a task definition.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>

use super::image::{Image, Repositories};
use super::unfinished;
use crate::aws_cloudwatch::LogGroup;
use crate::aws_ecr::{PublicRepository, Repository};
use crate::prelude::*;
use aws_sdk_ecs::types::{
    self, ContainerDependency, HealthCheck, KeyValuePair, LogConfiguration, LogDriver, PortMapping,
    Secret, TransportProtocol,
};
use serde_json::json;
use std::collections::BTreeMap;

/// A container of a task definition. An edit makes the next revision of the task definition.
#[derive(Debug, Clone, Resource)]
#[resource(part_of = "task_definition_id")]
#[check(
    sql = "num_nonnulls(NEW.image, NEW.repository_name, NEW.public_repository_name) > 0",
    message = "a container has neither an image nor a repository",
    hint = "Write one of image (such as nginx), repository_name and public_repository_name."
)]
#[check(
    sql = "num_nonnulls(NEW.image, NEW.repository_name, NEW.public_repository_name) < 2",
    message = "a container has more than one of image, repository_name and public_repository_name",
    hint = "Write one of them."
)]
#[check(
    sql = "num_nonnulls(NEW.tag, NEW.digest) < 2",
    message = "a container has both a tag and a digest of its image",
    hint = "Write one of them: the digest always means the same image, the tag the last one pushed with it."
)]
#[check(
    sql = "NEW.container_port IS NOT NULL OR NOT jsonb_path_exists(NEW.other_port_mappings, '$[*].containerPort')",
    message = "other_port_mappings has a port, and container_port has none",
    hint = "Write the first port in container_port."
)]
#[check(
    sql = "NEW.host_port IS NOT DISTINCT FROM NEW.container_port",
    message = "host_port is not container_port: on Fargate they are the same",
    hint = "Leave host_port out."
)]
#[check(
    sql = "cardinality(NEW.health_check_command) > 0 OR (NEW.health_check_interval, NEW.health_check_timeout, NEW.health_check_retries, NEW.health_check_start_period) = (30, 5, 3, 0)",
    message = "a container has the intervals of a health check and no health_check_command",
    hint = "Write it like {CMD-SHELL,curl -f http://localhost/}, or leave them all out."
)]
#[check(
    sql = "NEW.log_group_name IS NOT NULL OR (NEW.log_stream_prefix = 'ecs' AND NEW.log_options = '{}')",
    message = "a container has log_stream_prefix or log_options and no log_group_name",
    hint = "Write the log group, too, or leave them out."
)]
pub struct ContainerDefinition {
    /// Its name, unique within the task definition.
    #[column(key)]
    #[check(
        sql = "NEW.name ~ '^[A-Za-z0-9_-]{1,255}$'",
        message = "name is no name for a container: 1 to 255 letters, digits, - and _",
        hint = "Write it like web."
    )]
    pub name: String,
    /// The private repository that its image is in.
    #[column(
        loose,
        becomes = "coalesce(NEW.repository_name, (SELECT repository_name FROM repository WHERE repository_uri = NEW.image AND region = NEW.region))"
    )]
    pub repository_name: Option<Named<Repository>>,
    /// The public repository that its image is in.
    #[column(
        loose,
        becomes = "coalesce(NEW.public_repository_name, (SELECT repository_name FROM public_repository WHERE repository_uri = NEW.image))"
    )]
    pub public_repository_name: Option<Named<PublicRepository>>,
    /// The image, such as `nginx` or `quay.io/team/web`, without tag and digest. For one in a
    /// repository of the tables here, repository_name or public_repository_name.
    #[column(
        becomes = "CASE WHEN NEW.image IN (SELECT repository_uri FROM repository WHERE repository_name = NEW.repository_name AND region = NEW.region UNION ALL SELECT repository_uri FROM public_repository WHERE repository_name = NEW.public_repository_name) THEN NULL ELSE NEW.image END"
    )]
    #[check(
        sql = "NEW.image !~ '@' AND (NEW.digest IS NOT NULL OR NEW.image !~ ':[^/]*$')",
        message = "image has its tag or digest in it",
        hint = "Write these in the columns tag and digest."
    )]
    pub image: Option<String>,
    /// The tag of the image; AWS takes `latest` if there is neither this nor a digest.
    #[check(
        sql = "NEW.tag ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$'",
        message = "tag is no tag of an image: up to 128 letters, digits, and _ . -",
        hint = "Write it like latest or v1.2."
    )]
    pub tag: Option<String>,
    /// The digest of the image.
    #[check(
        sql = "NEW.digest ~ '^[a-z0-9]+:[0-9a-f]{32,}$'",
        message = "digest is no digest of an image",
        hint = "Write it as registries show it, sha256: and 64 hexadecimal digits."
    )]
    pub digest: Option<String>,
    /// Whether the task stops when this container does. At least one has to be.
    #[column(default = "false")]
    pub essential: bool,
    /// The part of the task's CPU that it gets, in 1024ths of a virtual CPU.
    #[column(becomes = "nullif(NEW.cpu, 0)")]
    pub cpu: Option<i32>,
    /// The memory that it is stopped for exceeding, in MiB.
    pub memory: Option<i32>,
    /// The memory that it has for sure, in MiB.
    pub memory_reservation: Option<i32>,
    /// The same as container_port, on Fargate.
    #[column(
        becomes = "CASE WHEN NEW.host_port IS NULL OR NEW.host_port = OLD.container_port THEN NEW.container_port ELSE NEW.host_port END"
    )]
    pub host_port: Option<i32>,
    /// The port that it listens on.
    #[check(
        sql = "NEW.container_port BETWEEN 1 AND 65535",
        message = "container_port is not between 1 and 65535",
        hint = "Write the port that the container listens on."
    )]
    pub container_port: Option<i32>,
    /// The protocol of that port.
    #[column(labels("tcp", "udp"), default = "'tcp'")]
    pub protocol: String,
    /// The variables of its environment: names and values.
    pub env_variables: Pairs,
    /// The log group that it writes to.
    #[column(loose)]
    pub log_group_name: Option<Named<LogGroup>>,
    /// What the names of its log streams begin with.
    #[column(default = "'ecs'")]
    pub log_stream_prefix: String,
    /// Further options of the log driver `awslogs`, such as mode or max-buffer-size.
    pub log_options: Pairs,
    /// Ports beside container_port, as in `[{"containerPort": 9090, "protocol": "udp"}]`; also with
    /// name, appProtocol (http, http2, grpc), or containerPortRange in place of containerPort.
    #[column(
        default = "'[]'",
        becomes = "CASE WHEN jsonb_path_exists(NEW.other_port_mappings, 'strict $[*] ? (@.type() != \"object\")', silent => true) OR jsonb_typeof(NEW.other_port_mappings) <> 'array' THEN NEW.other_port_mappings ELSE (SELECT coalesce(jsonb_agg('{\"protocol\": \"tcp\"}' || it - 'hostPort' ORDER BY at), '[]') FROM jsonb_array_elements(NEW.other_port_mappings) WITH ORDINALITY AS mapping (it, at)) END"
    )]
    #[check(
        sql = "jsonb_typeof(NEW.other_port_mappings) = 'array' AND NOT EXISTS (SELECT FROM jsonb_array_elements(NEW.other_port_mappings) AS mapping (it) WHERE jsonb_typeof(it) <> 'object' OR NOT it ?| '{containerPort,containerPortRange}')",
        message = "other_port_mappings is no list of ports",
        hint = "Write it like [{\"containerPort\": 9090}]."
    )]
    pub other_port_mappings: Json,
    /// Variables of its environment whose values are secret: names, and the ARNs of secrets of
    /// Secrets Manager or of parameters of Systems Manager.
    pub secrets: Pairs,
    /// What it runs, or the arguments of its entry point; those of the image, if empty.
    #[column(default = "'{}'")]
    pub command: List,
    /// What it runs command with; that of the image, if empty.
    #[column(default = "'{}'")]
    pub entry_point: List,
    /// The directory that it runs in; that of the image, if NULL.
    pub working_directory: Option<String>,
    /// The user that it runs as, and its group after a colon; that of the image, if NULL.
    pub user_name: Option<String>,
    /// The containers that it waits for, and for what: `START`, `COMPLETE`, `SUCCESS`, `HEALTHY`.
    #[check(
        sql = "NOT EXISTS (SELECT FROM jsonb_each_text(NEW.depends_on) AS other (name, condition) WHERE other.condition NOT IN ('START', 'COMPLETE', 'SUCCESS', 'HEALTHY'))",
        message = "depends_on waits for something other than START, COMPLETE, SUCCESS and HEALTHY",
        hint = "Write it like {\"proxy\": \"HEALTHY\"}."
    )]
    pub depends_on: Pairs,
    /// What says whether it is well, such as `{CMD-SHELL,curl -f http://localhost/}`; nothing, if
    /// empty.
    #[column(default = "'{}'")]
    #[check(
        sql = "cardinality(NEW.health_check_command) = 0 OR NEW.health_check_command[1] IN ('CMD', 'CMD-SHELL', 'NONE')",
        message = "health_check_command begins with neither CMD nor CMD-SHELL",
        hint = "Write it like {CMD-SHELL,curl -f http://localhost/}."
    )]
    pub health_check_command: List,
    /// How many seconds lie between two health checks.
    #[column(default = "30")]
    #[check(
        sql = "NEW.health_check_interval BETWEEN 5 AND 300",
        message = "health_check_interval is not between 5 and 300 seconds",
        hint = "Write, say, 30."
    )]
    pub health_check_interval: i32,
    /// How many seconds a health check may take.
    #[column(default = "5")]
    #[check(
        sql = "NEW.health_check_timeout BETWEEN 2 AND 60",
        message = "health_check_timeout is not between 2 and 60 seconds",
        hint = "Write, say, 5."
    )]
    pub health_check_timeout: i32,
    /// How many health checks in a row have to fail for it to be unhealthy.
    #[column(default = "3")]
    #[check(
        sql = "NEW.health_check_retries BETWEEN 1 AND 10",
        message = "health_check_retries is not between 1 and 10",
        hint = "Write, say, 3."
    )]
    pub health_check_retries: i32,
    /// For how many seconds after its start failures do not count.
    #[column(default = "0")]
    #[check(
        sql = "NEW.health_check_start_period BETWEEN 0 AND 300",
        message = "health_check_start_period is not between 0 and 300 seconds",
        hint = "Write, say, 60."
    )]
    pub health_check_start_period: i32,
    /// Whether it can't write to its own files.
    #[column(default = "false")]
    pub read_only_root_filesystem: bool,
    /// How many seconds those that depend on it wait for it.
    pub start_timeout: Option<i32>,
    /// How many seconds it may take to stop before it is killed.
    pub stop_timeout: Option<i32>,
    /// Its labels.
    pub docker_labels: Pairs,
}

impl ContainerDefinition {
    /// A container as AWS shows it, in this region.
    pub fn seen(
        it: types::ContainerDefinition,
        homes: &Repositories,
        region: &str,
    ) -> Result<Self> {
        let image = homes.place(Image::parse(&it.image.unwrap_or_default()));
        let mut ports = it.port_mappings.unwrap_or_default();
        // A range of ports has no place but among the others.
        let first = match ports.iter().position(|port| port.container_port_range.is_none()) {
            Some(at) => ports.remove(at),
            None => PortMapping::builder().build(),
        };
        let check = it.health_check.as_ref();
        let number = |field: fn(&HealthCheck) -> Option<i32>, default| {
            check.and_then(field).unwrap_or(default)
        };
        let log = it.log_configuration.and_then(|log| Log::seen(log, region));
        let log = log.unwrap_or_else(Log::none);
        let pair = |pair: KeyValuePair| Some((pair.name?, pair.value.unwrap_or_default()));
        let secret = |secret: Secret| (secret.name, secret.value_from);
        let wait = |it: ContainerDependency| (it.container_name, it.condition.to_string());
        Ok(Self {
            name: it.name.must("a container's name")?,
            image: image.name,
            tag: image.tag,
            digest: image.digest,
            essential: it.essential.unwrap_or(true),
            cpu: Some(it.cpu).filter(|&cpu| cpu != 0),
            memory: it.memory,
            memory_reservation: it.memory_reservation,
            host_port: first.container_port,
            container_port: first.container_port,
            protocol: first.protocol.map_or("tcp".to_owned(), |it| it.to_string()),
            env_variables: Pairs(it.environment.into_iter().flatten().filter_map(pair).collect()),
            repository_name: image.private.map(Named::from),
            public_repository_name: image.public.map(Named::from),
            log_group_name: log.group.map(Named::from),
            log_stream_prefix: log.prefix,
            log_options: Pairs(log.options),
            other_port_mappings: Json(ports.iter().map(port_as_json).collect()),
            secrets: Pairs(it.secrets.into_iter().flatten().map(secret).collect()),
            command: List(it.command.unwrap_or_default()),
            entry_point: List(it.entry_point.unwrap_or_default()),
            working_directory: it.working_directory,
            user_name: it.user,
            depends_on: Pairs(it.depends_on.into_iter().flatten().map(wait).collect()),
            health_check_command: List(check.map(|it| it.command.clone()).unwrap_or_default()),
            health_check_interval: number(|it| it.interval, 30),
            health_check_timeout: number(|it| it.timeout, 5),
            health_check_retries: number(|it| it.retries, 3),
            health_check_start_period: number(|it| it.start_period, 0),
            read_only_root_filesystem: it.readonly_root_filesystem.unwrap_or(false),
            start_timeout: it.start_timeout,
            stop_timeout: it.stop_timeout,
            docker_labels: Pairs(it.docker_labels.into_iter().flatten().collect()),
        })
    }

    /// Puts into a container what has a column; the rest of it stays.
    pub fn put(
        &self,
        it: &mut types::ContainerDefinition,
        image: String,
        region: &str,
    ) -> Result<()> {
        it.name = Some(self.name.clone());
        it.image = Some(image);
        it.essential = Some(self.essential);
        it.cpu = self.cpu.unwrap_or(0);
        it.memory = self.memory;
        it.memory_reservation = self.memory_reservation;
        it.port_mappings = Some(self.ports(it.port_mappings.as_deref().unwrap_or_default())?);
        let pair = |(name, value)| KeyValuePair::builder().name(name).value(value).build();
        it.environment = Some(self.env_variables.0.iter().map(pair).collect());
        let secret = |(name, arn)| Secret::builder().name(name).value_from(arn).build();
        let secrets = self.secrets.0.iter().map(secret).collect::<Result<_, _>>();
        it.secrets = some(secrets.map_err(unfinished)?);
        it.command = some(self.command.0.clone());
        it.entry_point = some(self.entry_point.0.clone());
        it.working_directory = self.working_directory.clone();
        it.user = self.user_name.clone();
        let wait = |(name, condition): (&String, &String)| {
            let wait = ContainerDependency::builder().container_name(name);
            wait.condition(condition.as_str().into()).build()
        };
        let waits = self.depends_on.0.iter().map(wait).collect::<Result<_, _>>();
        it.depends_on = some(waits.map_err(unfinished)?);
        it.health_check = self.health_check()?;
        // False is what there is without it, too, and Windows does not take it.
        let writable = it.readonly_root_filesystem.is_none() && !self.read_only_root_filesystem;
        it.readonly_root_filesystem = (!writable).then_some(self.read_only_root_filesystem);
        it.start_timeout = self.start_timeout;
        it.stop_timeout = self.stop_timeout;
        let labels = &self.docker_labels.0;
        it.docker_labels = (!labels.is_empty()).then(|| labels.clone().into_iter().collect());
        it.log_configuration = self.log(it.log_configuration.take(), region)?;
        Ok(())
    }

    fn ports(&self, was: &[PortMapping]) -> Result<Vec<PortMapping>> {
        let first = self.container_port.map(|first| {
            // Its name, say, has no column.
            let same = was.iter().find(|port| port.container_port == Some(first));
            let mut port = same.cloned().unwrap_or_else(|| PortMapping::builder().build());
            port.container_port = Some(first);
            port.host_port = Some(first);
            port.protocol = Some(TransportProtocol::from(self.protocol.as_str()));
            Ok(port)
        });
        let others = self.other_port_mappings.0.as_array().map_or(&[][..], Vec::as_slice);
        first.into_iter().chain(others.iter().map(port_of_json)).collect()
    }

    fn health_check(&self) -> Result<Option<HealthCheck>> {
        if self.health_check_command.0.is_empty() {
            return Ok(None);
        }
        let check = HealthCheck::builder()
            .set_command(Some(self.health_check_command.0.clone()))
            .interval(self.health_check_interval)
            .timeout(self.health_check_timeout)
            .retries(self.health_check_retries);
        let start = Some(self.health_check_start_period).filter(|&start| start > 0);
        check.set_start_period(start).build().map(Some).map_err(unfinished)
    }

    /// Where it logs to. What no column stands for stays as it was: another driver, or a log group
    /// in another region.
    fn log(&self, was: Option<LogConfiguration>, region: &str) -> Result<Option<LogConfiguration>> {
        let ours = was.as_ref().is_none_or(|was| Log::seen(was.clone(), region).is_some());
        let Some(group) = &self.log_group_name else { return Ok(was.filter(|_| !ours)) };
        let mut options = self.log_options.0.clone();
        options.insert(GROUP.to_owned(), group.to_string());
        options.insert(REGION.to_owned(), region.to_owned());
        if !self.log_stream_prefix.is_empty() {
            options.insert(PREFIX.to_owned(), self.log_stream_prefix.clone());
        }
        LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .set_options(Some(options.into_iter().collect()))
            .set_secret_options(was.filter(|_| ours).and_then(|was| was.secret_options))
            .build()
            .map(Some)
            .map_err(unfinished)
    }
}

/// A list; nothing, if it is empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

const GROUP: &str = "awslogs-group";
const REGION: &str = "awslogs-region";
const PREFIX: &str = "awslogs-stream-prefix";

/// How a container writes to a log group.
struct Log {
    group: Option<String>,
    prefix: String,
    options: BTreeMap<String, String>,
}

impl Log {
    fn none() -> Self {
        Self { group: None, prefix: "ecs".to_owned(), options: BTreeMap::new() }
    }

    /// As far as it can be said in columns.
    fn seen(log: LogConfiguration, region: &str) -> Option<Self> {
        let mut options: BTreeMap<_, _> = log.options?.into_iter().collect();
        let here = options.remove(REGION).is_none_or(|there| there == region);
        let group =
            options.remove(GROUP).filter(|_| here && log.log_driver == LogDriver::Awslogs)?;
        let prefix = options.remove(PREFIX).unwrap_or_default();
        Some(Self { group: Some(group), prefix, options })
    }
}

fn port_as_json(port: &PortMapping) -> serde_json::Value {
    let mut json = json!({ "protocol": port.protocol.as_ref().map_or("tcp", |it| it.as_str()) });
    let range = port.container_port_range.as_ref().map(|it| json!(it));
    let members = [
        ("containerPort", port.container_port.filter(|_| range.is_none()).map(|it| json!(it))),
        ("containerPortRange", range),
        ("name", port.name.as_ref().map(|it| json!(it))),
        ("appProtocol", port.app_protocol.as_ref().map(|it| json!(it.as_str()))),
    ];
    for (member, value) in members {
        if let Some(value) = value {
            json[member] = value;
        }
    }
    json
}

fn port_of_json(json: &serde_json::Value) -> Result<PortMapping> {
    let text = |member: &str| json[member].as_str().map(str::to_owned);
    let port = match json.get("containerPort") {
        Some(port) => {
            Some(port.as_i64().and_then(|port| i32::try_from(port).ok()).ok_or_else(|| {
                Error::row("other_port_mappings", format!("{port} is not a port"))
            })?)
        }
        None => None,
    };
    Ok(PortMapping::builder()
        .set_container_port(port)
        .set_host_port(port)
        .set_container_port_range(text("containerPortRange"))
        .set_protocol(text("protocol").map(|it| it.as_str().into()))
        .set_name(text("name"))
        .set_app_protocol(text("appProtocol").map(|it| it.as_str().into()))
        .build())
}
