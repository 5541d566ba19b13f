//! What tasks consist of.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html>
//!
//! AWS never changes a revision: an edit registers the next one, which begins as a copy of the one
//! before it, so that what has no column here (volumes, proxies, settings of sidecars) goes along.

use super::container_definition::ContainerDefinition;
use super::image::{self, Image, Registries, Repositories};
use super::{listed, name_in, tags};
use crate::aws_iam::Role;
use crate::cloud::aws::Main;
use crate::prelude::*;
use aws_sdk_ecs::types::{
    self, Compatibility, EphemeralStorage, NetworkMode, RuntimePlatform, SortOrder,
    TaskDefinitionField, TaskDefinitionStatus,
};
use futures_util::try_join;

/// What a task consists of: its containers, how much CPU and memory it gets, and its roles.
///
/// An edit of it, or of its containers, registers the next revision for the same row; the services
/// that use it move on, and the revision before it is deregistered.
#[derive(Debug, Clone, Resource)]
#[resource(
    revises,
    reads(
        "ecr-public:DescribeRepositories",
        "ecr:DescribeRepositories",
        "ecs:DescribeTaskDefinition",
        "ecs:ListTaskDefinitions"
    ),
    writes(
        "ecs:DeregisterTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "iam:GetRole",
        "iam:PassRole"
    )
)]
pub struct TaskDefinition {
    /// ARN of the revision, given by AWS.
    #[column(id, read_only)]
    pub task_definition_arn: Option<String>,
    /// The name that its revisions share.
    #[column(fixed)]
    #[check(
        sql = "NEW.family ~ '^[A-Za-z0-9_-]{1,255}$'",
        message = "family is no name for a task definition: 1 to 255 letters, digits, - and _",
        hint = "Write it like web."
    )]
    pub family: String,
    /// The number of the revision, given by AWS.
    #[column(read_only)]
    pub revision: Option<i32>,
    /// Whether AWS has it ready; NULL until the first apply.
    #[column(read_only, labels("ACTIVE", "INACTIVE"))]
    pub status: Option<String>,
    /// How much CPU and memory a task gets.
    #[column(
        fixed,
        labels(
            "vCPU0.25-0.5GB",
            "vCPU0.25-1GB",
            "vCPU0.25-2GB",
            "vCPU0.5-1GB",
            "vCPU0.5-2GB",
            "vCPU0.5-3GB",
            "vCPU0.5-4GB",
            "vCPU1-2GB",
            "vCPU1-3GB",
            "vCPU1-4GB",
            "vCPU1-5GB",
            "vCPU1-6GB",
            "vCPU1-7GB",
            "vCPU1-8GB",
            "vCPU2-4GB",
            "vCPU2-5GB",
            "vCPU2-6GB",
            "vCPU2-7GB",
            "vCPU2-8GB",
            "vCPU2-9GB",
            "vCPU2-10GB",
            "vCPU2-11GB",
            "vCPU2-12GB",
            "vCPU2-13GB",
            "vCPU2-14GB",
            "vCPU2-15GB",
            "vCPU2-16GB",
            "vCPU4-8GB",
            "vCPU4-9GB",
            "vCPU4-10GB",
            "vCPU4-11GB",
            "vCPU4-12GB",
            "vCPU4-13GB",
            "vCPU4-14GB",
            "vCPU4-15GB",
            "vCPU4-16GB",
            "vCPU4-17GB",
            "vCPU4-18GB",
            "vCPU4-19GB",
            "vCPU4-20GB",
            "vCPU4-21GB",
            "vCPU4-22GB",
            "vCPU4-23GB",
            "vCPU4-24GB",
            "vCPU4-25GB",
            "vCPU4-26GB",
            "vCPU4-27GB",
            "vCPU4-28GB",
            "vCPU4-29GB",
            "vCPU4-30GB",
            "vCPU8-16GB",
            "vCPU8-20GB",
            "vCPU8-24GB",
            "vCPU8-28GB",
            "vCPU8-32GB",
            "vCPU8-36GB",
            "vCPU8-40GB",
            "vCPU8-44GB",
            "vCPU8-48GB",
            "vCPU8-52GB",
            "vCPU8-56GB",
            "vCPU8-60GB",
            "vCPU16-32GB",
            "vCPU16-40GB",
            "vCPU16-48GB",
            "vCPU16-56GB",
            "vCPU16-64GB",
            "vCPU16-72GB",
            "vCPU16-80GB",
            "vCPU16-88GB",
            "vCPU16-96GB",
            "vCPU16-104GB",
            "vCPU16-112GB",
            "vCPU16-120GB"
        )
    )]
    #[check(
        sql = "NEW.cpu_memory IS NOT NULL",
        message = "a task definition needs its cpu_memory: Fargate has to know how much of both a task gets",
        hint = "Write, say, vCPU0.25-0.5GB."
    )]
    pub cpu_memory: Option<String>,
    /// The role that its containers act in.
    #[column(fixed, loose)]
    pub task_role_name: Option<Named<Role>>,
    /// The role that images are pulled and logs are written in, which private repositories and log
    /// groups need.
    #[column(fixed, loose)]
    pub execution_role_name: Option<Named<Role>>,
    /// The kind of processor it runs on.
    #[column(fixed, labels("X86_64", "ARM64"), default = "'X86_64'")]
    pub cpu_architecture: String,
    /// The operating system it runs on.
    #[column(
        fixed,
        labels(
            "LINUX",
            "WINDOWS_SERVER_2019_CORE",
            "WINDOWS_SERVER_2019_FULL",
            "WINDOWS_SERVER_2022_CORE",
            "WINDOWS_SERVER_2022_FULL",
            "WINDOWS_SERVER_2025_CORE",
            "WINDOWS_SERVER_2025_FULL"
        ),
        default = "'LINUX'"
    )]
    pub operating_system_family: String,
    /// The storage that a task gets while it runs, in GiB; 20, if NULL.
    #[column(fixed)]
    #[check(
        sql = "NEW.ephemeral_storage_gib BETWEEN 21 AND 200",
        message = "ephemeral_storage_gib is not between 21 and 200",
        hint = "Write NULL for the 20 GiB that come by themselves."
    )]
    pub ephemeral_storage_gib: Option<i32>,
    /// Tags.
    #[column(fixed)]
    pub tags: Tags,
    /// Its containers.
    #[column(fixed, some)]
    pub container_definition: Parts<ContainerDefinition>,
}

/// The services that it takes to put one together.
type Iam = Main<aws_sdk_iam::Client>;
type Ecs = aws_sdk_ecs::Client;

impl Cloud for TaskDefinition {
    type Client = (Ecs, (Registries, Iam));

    async fn list(
        (ecs, (registries, _)): &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()> {
        let mut homes = Repositories::default();
        let request = ecs.list_task_definitions().status(TaskDefinitionStatus::Active);
        let request = match which.like() {
            // The one looked for has just been made: it is among the last.
            Some(like) => request.family_prefix(&like.family).sort(SortOrder::Desc).max_results(10),
            None => request.max_results(100),
        };
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.try_next().await? {
            let arns = page.task_definition_arns.unwrap_or_default();
            let (mut rows, mut new) = (Vec::new(), Vec::new());
            for arn in arns {
                // A revision never changes: it is read once.
                match found.known(&arn) {
                    Some(row) => rows.push((row, None)),
                    None => new.push(arn),
                }
            }
            let all = each(new, async |arn: String| described(ecs, &arn).await).await?;
            let all: Vec<_> = all.into_iter().flatten().collect();
            let containers = all.iter().flat_map(|(it, _)| it.container_definitions());
            homes.learn(registries, containers.filter_map(|it| it.image())).await?;
            for (definition, tags) in all {
                let arn = definition.task_definition_arn.clone().unwrap_or_default();
                match foreign(&definition) {
                    Some(why) => found.cannot(arn, why),
                    None => rows.push(Self::seen(definition, tags, &homes)?),
                }
            }
            found.add_marked(rows);
            if which.like().is_some() {
                break;
            }
        }
        Ok(())
    }

    async fn create(&self, clients: &Self::Client, mark: &str) -> Result<Self> {
        let nothing = types::TaskDefinition::builder()
            .network_mode(NetworkMode::Awsvpc)
            .requires_compatibilities(Compatibility::Fargate)
            .build();
        self.register(nothing, clients, mark).await
    }

    async fn revise(&self, was: &Self, clients: &Self::Client, mark: &str) -> Result<Self> {
        let arn = was.task_definition_arn.as_deref().must("the task definition's ARN")?;
        match described(&clients.0, arn).await? {
            Some((was, _)) => self.register(was, clients, mark).await,
            None => self.create(clients, mark).await,
        }
    }

    /// There is nothing that could be changed.
    async fn update(&self, _was: &Self, _clients: &Self::Client) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, (ecs, _): &Self::Client) -> Result<()> {
        let arn = self.task_definition_arn.as_deref().must("the task definition's ARN")?;
        match ecs.deregister_task_definition().task_definition(arn).send().await.done() {
            Err(error) if unknown(&error) => Ok(()),
            outcome => outcome,
        }
    }
}

impl TaskDefinition {
    fn seen(
        it: types::TaskDefinition,
        tagged: Option<Vec<types::Tag>>,
        homes: &Repositories,
    ) -> Result<(Self, Option<String>)> {
        let arn = it.task_definition_arn.must("a task definition's ARN")?;
        let region = arn.split(':').nth(3).unwrap_or_default();
        let container = |it| ContainerDefinition::seen(it, homes, region);
        let containers = it.container_definitions.into_iter().flatten().map(container);
        let role = |arn: Option<String>| arn.map(|arn| Named::from(name_in(&arn)));
        let platform = it.runtime_platform.as_ref();
        let (tags, mark) = tags(tagged);
        let definition = Self {
            family: it.family.must("a task definition's family")?,
            revision: Some(it.revision),
            status: it.status.map(|status| status.to_string()),
            cpu_memory: Some(size(it.cpu.as_deref(), it.memory.as_deref())),
            task_role_name: role(it.task_role_arn),
            execution_role_name: role(it.execution_role_arn),
            cpu_architecture: platform
                .and_then(|it| it.cpu_architecture.as_ref())
                .map_or("X86_64".to_owned(), ToString::to_string),
            operating_system_family: platform
                .and_then(|it| it.operating_system_family.as_ref())
                .map_or("LINUX".to_owned(), ToString::to_string),
            ephemeral_storage_gib: it.ephemeral_storage.map(|it| it.size_in_gib),
            tags,
            container_definition: containers.collect::<Result<_>>()?,
            task_definition_arn: Some(arn),
        };
        Ok((definition, mark))
    }

    /// Registers what follows `was`, which may be next to nothing.
    async fn register(
        &self,
        was: types::TaskDefinition,
        (ecs, (registries, iam)): &<Self as Cloud>::Client,
        mark: &str,
    ) -> Result<Self> {
        let region = ecs.config().region().map(ToString::to_string).unwrap_or_default();
        let (cpu, memory) = self.units()?;
        let containers = was.container_definitions.unwrap_or_default();
        let other = self.execution_role_name.as_deref();
        let other = other.filter(|_| self.execution_role_name != self.task_role_name);
        let (task_role, other, containers) = try_join!(
            role_arn(self.task_role_name.as_deref(), iam),
            role_arn(other, iam),
            self.containers(containers, registries, &region),
        )?;
        let execution_role = match self.execution_role_name == self.task_role_name {
            true => task_role.clone(),
            false => other,
        };
        let made = ecs
            .register_task_definition()
            .family(&self.family)
            .set_task_role_arn(task_role)
            .set_execution_role_arn(execution_role)
            .set_network_mode(was.network_mode)
            .set_container_definitions(Some(containers))
            .set_volumes(was.volumes)
            .set_placement_constraints(was.placement_constraints)
            .set_requires_compatibilities(was.requires_compatibilities)
            .cpu(cpu)
            .memory(memory)
            .set_tags(listed(self.tags.marked(mark)))
            .set_pid_mode(was.pid_mode)
            .set_ipc_mode(was.ipc_mode)
            .set_proxy_configuration(was.proxy_configuration)
            .set_ephemeral_storage(self.storage())
            .set_runtime_platform(self.platform(was.runtime_platform))
            .set_enable_fault_injection(was.enable_fault_injection)
            .send()
            .await?
            .task_definition
            .must("the task definition it made")?;
        Ok(Self {
            task_definition_arn: Some(made.task_definition_arn.must("the task definition's ARN")?),
            revision: Some(made.revision),
            status: made.status.map(|status| status.to_string()),
            ..self.clone()
        })
    }

    /// Its containers, in the order they had, each with what has no column here.
    async fn containers(
        &self,
        was: Vec<types::ContainerDefinition>,
        registries: &Registries,
        region: &str,
    ) -> Result<Vec<types::ContainerDefinition>> {
        let place = |one: &ContainerDefinition| {
            was.iter().position(|was| was.name.as_ref() == Some(&one.name)).unwrap_or(was.len())
        };
        let mut wanted: Vec<_> = self.container_definition.iter().collect();
        wanted.sort_by_key(|one| (place(one), &one.name));
        let mut containers = Vec::new();
        for one in wanted {
            let image = match (&one.image, &one.repository_name, &one.public_repository_name) {
                (Some(name), ..) => name.clone(),
                (_, Some(name), _) => image::private_uri(registries, name).await?,
                (.., Some(name)) => image::public_uri(registries, name).await?,
                _ => return Err(Error::row("image", "there is neither an image nor a repository")),
            };
            let image = Image::text(&image, one.tag.as_deref(), one.digest.as_deref());
            let before = was.get(place(one)).cloned();
            let mut it = before.unwrap_or_else(|| types::ContainerDefinition::builder().build());
            one.put(&mut it, image, region)?;
            containers.push(it);
        }
        Ok(containers)
    }

    /// CPU and memory as AWS takes them: in 1024ths of a processor, and in MiB.
    fn units(&self) -> Result<(String, String)> {
        let units = |amount: &str| {
            let amount: f64 = amount.parse().ok()?;
            Some((amount * 1024.0).to_string())
        };
        let sizes = self.cpu_memory.as_deref().and_then(|size| {
            let (cpu, memory) = size.split_once('-')?;
            Some((units(cpu.strip_prefix("vCPU")?)?, units(memory.strip_suffix("GB")?)?))
        });
        sizes.ok_or_else(|| Error::row("cpu_memory", "it is not set"))
    }

    fn storage(&self) -> Option<EphemeralStorage> {
        let size = self.ephemeral_storage_gib?;
        Some(EphemeralStorage::builder().size_in_gib(size).build())
    }

    /// Where it runs; nothing, if that is where everything runs and it was not said before.
    fn platform(&self, was: Option<RuntimePlatform>) -> Option<RuntimePlatform> {
        let (processor, system) = (&self.cpu_architecture, &self.operating_system_family);
        if was.is_none() && (processor.as_str(), system.as_str()) == ("X86_64", "LINUX") {
            return None;
        }
        let platform = RuntimePlatform::builder().cpu_architecture(processor.as_str().into());
        Some(platform.operating_system_family(system.as_str().into()).build())
    }
}

/// A revision and its tags; nothing if it is not there any more.
async fn described(
    ecs: &Ecs,
    arn: &str,
) -> Result<Option<(types::TaskDefinition, Option<Vec<types::Tag>>)>> {
    let request = ecs.describe_task_definition().task_definition(arn);
    match request.include(TaskDefinitionField::Tags).send().await.map_err(Error::from) {
        Ok(it) => Ok(it.task_definition.map(|definition| (definition, it.tags))),
        Err(error) if unknown(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether AWS knows no such revision; it has no code of its own for that.
fn unknown(error: &Error) -> bool {
    let words = ["Unable to describe task definition", "task definition does not exist"];
    error.code() == "ClientException" && words.iter().any(|it| error.to_string().contains(it))
}

/// Why the table can't hold it.
fn foreign(it: &types::TaskDefinition) -> Option<&'static str> {
    let fargate = it.requires_compatibilities().contains(&Compatibility::Fargate);
    (!fargate).then_some("it is not for Fargate: its requiresCompatibilities do not say so")
}

/// What a size is called: one that Fargate does not have gets a name that the table does not have.
fn size(cpu: Option<&str>, memory: Option<&str>) -> String {
    let whole = |units: Option<&str>| match units.and_then(|units| units.parse::<f64>().ok()) {
        Some(units) => (units / 1024.0).to_string(),
        None => "?".to_owned(),
    };
    format!("vCPU{}-{}GB", whole(cpu), whole(memory))
}

/// The ARN of a role. The one before may be that of an older role with its name.
async fn role_arn(name: Option<&str>, iam: &Iam) -> Result<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    let role = iam.get_role().role_name(name).send().await?.role;
    role.map(|role| role.arn).must("the role's ARN").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_called_as_people_call_them() {
        for (cpu, memory, name) in [
            ("256", "512", "vCPU0.25-0.5GB"),
            ("2048", "8192", "vCPU2-8GB"),
            ("16384", "122880", "vCPU16-120GB"),
        ] {
            assert_eq!(size(Some(cpu), Some(memory)), name);
        }
        assert_eq!(size(None, Some("512")), "vCPU?-0.5GB");
    }
}
