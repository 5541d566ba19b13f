from __future__ import annotations

from typing import Any

from conftest import Cloud
from resources.description import Change, Description, Row, Sql, tags


def retag(ecs: Any, arn: str) -> None:
    """From {a: 1, b: 2} to {a: other, c: 3}."""
    ecs.untag_resource(resourceArn=arn, tagKeys=["b"])
    pairs = [{"key": "a", "value": "other"}, {"key": "c", "value": "3"}]
    ecs.tag_resource(resourceArn=arn, tags=pairs)


def cluster(cloud: Cloud, region: str) -> Description:
    ecs = cloud.client("ecs", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ecs = cloud.client("ecs", row["region"])
        found = ecs.describe_clusters(
            clusters=[row["cluster_name"]], include=["SETTINGS", "TAGS"]
        )["clusters"]
        for it in found:
            if it["status"] != "INACTIVE":
                settings = {setting["name"]: setting["value"] for setting in it["settings"]}
                return {
                    "cluster_name": it["clusterName"],
                    "cluster_arn": it["clusterArn"],
                    "cluster_status": it["status"],
                    "container_insights": settings.get("containerInsights"),
                    "tags": tags(it.get("tags")),
                }
        return None

    def enrich(cloud: Cloud, row: Row) -> None:
        ecs.put_cluster_capacity_providers(
            cluster=row["cluster_name"],
            capacityProviders=["FARGATE", "FARGATE_SPOT"],
            defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        )

    def extras(cloud: Cloud, row: Row) -> object:
        (it,) = ecs.describe_clusters(clusters=[row["cluster_name"]])["clusters"]
        return it["capacityProviders"], it["defaultCapacityProviderStrategy"]

    return Description(
        rows={
            "full": {
                "cluster_name": "full",
                "container_insights": "enabled",
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"cluster_name": "bare"},
        },
        changes=[
            Change({"cluster_name": "other"}, ["CreateCluster", "DeleteCluster"]),
            Change(
                {"container_insights": "disabled"},
                ["UpdateClusterSettings"],
                lambda cloud, row: ecs.update_cluster_settings(
                    cluster=row["cluster_name"],
                    settings=[{"name": "containerInsights", "value": "disabled"}],
                ),
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["TagResource", "UntagResource"],
                lambda cloud, row: retag(ecs, row["cluster_arn"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: ecs.delete_cluster(cluster=row["cluster_name"]),
        many=lambda number: {"cluster_name": f"many-{number}", "tags": {"number": str(number)}},
        enrich=enrich,
        extras=extras,
    )


def container(cloud: Cloud, region: str, it: dict[str, Any]) -> Row:
    """A container in the terms of its columns."""
    account = cloud.client("sts", region).get_caller_identity()["Account"]
    registry = f"{account}.dkr.ecr.{region}.amazonaws.com/"
    public = cloud.ecr_public.describe_repositories()["repositories"]
    of_uri = {one["repositoryUri"]: one["repositoryName"] for one in public}
    image, _, digest = it["image"].partition("@")
    tag = ""
    if not digest and ":" in image.rsplit("/", 1)[-1]:
        image, _, tag = image.rpartition(":")
    private = image.removeprefix(registry) if image.startswith(registry) else None
    first, *others = it.get("portMappings") or [{}]
    log = dict(it.get("logConfiguration", {}).get("options", {}))
    assert log.pop("awslogs-region", region) == region
    check = it.get("healthCheck", {})
    return {
        "name": it["name"],
        "image": None if private or image in of_uri else image,
        "repository_name": private,
        "public_repository_name": of_uri.get(image),
        "tag": tag or None,
        "digest": digest or None,
        "essential": it["essential"],
        "cpu": it.get("cpu") or None,
        "memory": it.get("memory"),
        "memory_reservation": it.get("memoryReservation"),
        "host_port": first.get("hostPort"),
        "container_port": first.get("containerPort"),
        "protocol": first.get("protocol", "tcp"),
        "other_port_mappings": [
            {name: value for name, value in other.items() if name != "hostPort"}
            for other in others
        ],
        "env_variables": {pair["name"]: pair["value"] for pair in it.get("environment", [])},
        "log_group_name": log.pop("awslogs-group", None),
        "log_stream_prefix": log.pop("awslogs-stream-prefix", "ecs"),
        "log_options": log,
        "secrets": {pair["name"]: pair["valueFrom"] for pair in it.get("secrets", [])},
        "command": it.get("command", []),
        "entry_point": it.get("entryPoint", []),
        "working_directory": it.get("workingDirectory"),
        "user_name": it.get("user"),
        "depends_on": {
            wait["containerName"]: wait["condition"] for wait in it.get("dependsOn", [])
        },
        "health_check_command": check.get("command", []),
        "health_check_interval": check.get("interval", 30),
        "health_check_timeout": check.get("timeout", 5),
        "health_check_retries": check.get("retries", 3),
        "health_check_start_period": check.get("startPeriod", 0),
        "read_only_root_filesystem": it.get("readonlyRootFilesystem", False),
        "start_timeout": it.get("startTimeout"),
        "stop_timeout": it.get("stopTimeout"),
        "docker_labels": it.get("dockerLabels", {}),
    }


def task_definition(cloud: Cloud, region: str) -> Description:
    ecs = cloud.client("ecs", region)
    secret = f"arn:aws:secretsmanager:{region}:123456789012:secret"

    def look(cloud: Cloud, row: Row) -> Row | None:
        ecs = cloud.client("ecs", row["region"])
        arn = row["task_definition_arn"]
        found = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        it = found["taskDefinition"]
        if it["status"] != "ACTIVE":
            return None
        platform = it.get("runtimePlatform", {})

        def role(arn: str | None) -> str | None:
            return arn and arn.rsplit("/", 1)[-1]

        cpu, memory = int(it["cpu"]) / 1024, int(it["memory"]) / 1024
        return {
            "task_definition_arn": it["taskDefinitionArn"],
            "family": it["family"],
            "revision": it["revision"],
            "status": it["status"],
            "cpu_memory": f"vCPU{cpu:g}-{memory:g}GB",
            "task_role_name": role(it.get("taskRoleArn")),
            "execution_role_name": role(it.get("executionRoleArn")),
            "cpu_architecture": platform.get("cpuArchitecture", "X86_64"),
            "operating_system_family": platform.get("operatingSystemFamily", "LINUX"),
            "ephemeral_storage_gib": it.get("ephemeralStorage", {}).get("sizeInGiB"),
            "tags": tags(found.get("tags")),
            "container_definition": [
                container(cloud, row["region"], one) for one in it["containerDefinitions"]
            ],
        }

    web = {
        "name": "web",
        "image": None,
        "repository_name": "team/web",
        "public_repository_name": None,
        "tag": "v1",
        "digest": None,
        "essential": True,
        "cpu": 256,
        "memory": 512,
        "memory_reservation": 256,
        "host_port": 8080,
        "container_port": 8080,
        "protocol": "tcp",
        "env_variables": {"a": "1", "b": ""},
        "log_group_name": "web",
        "log_stream_prefix": "web",
        "log_options": {"mode": "non-blocking"},
        "other_port_mappings": Sql("""'[{"containerPort": 9090, "protocol": "udp"}]'"""),
        "secrets": {"password": f"{secret}:one"},
        "command": ["serve", "--port", "8080"],
        "entry_point": ["/bin/web"],
        "working_directory": "/srv",
        "user_name": "web:web",
        "depends_on": {"proxy": "START"},
        "health_check_command": ["CMD-SHELL", "curl -f http://localhost/"],
        "health_check_interval": 10,
        "health_check_timeout": 4,
        "health_check_retries": 2,
        "health_check_start_period": 20,
        "read_only_root_filesystem": True,
        "start_timeout": 30,
        "stop_timeout": 60,
        "docker_labels": {"team": "web"},
    }
    proxy = {"name": "proxy", "public_repository_name": "team/proxy", "tag": "v1"}
    sidecar = {"name": "sidecar", "image": "nginx", "digest": f"sha256:{'0' * 64}"}
    other = {
        "name": "web",
        "image": "quay.io/team/web",
        "repository_name": None,
        "public_repository_name": None,
        "tag": None,
        "digest": f"sha256:{'1' * 64}",
        "essential": True,
        "cpu": 128,
        "memory": 1024,
        "memory_reservation": 512,
        "host_port": 80,
        "container_port": 80,
        "protocol": "udp",
        "env_variables": {"a": "2"},
        "log_group_name": "other",
        "log_stream_prefix": "other",
        "log_options": {},
        "other_port_mappings": Sql("'[]'"),
        "secrets": {"password": f"{secret}:two"},
        "command": [],
        "entry_point": ["/bin/other"],
        "working_directory": "/",
        "user_name": "root",
        "depends_on": {"sidecar": "HEALTHY"},
        "health_check_command": ["CMD", "true"],
        "health_check_interval": 20,
        "health_check_timeout": 5,
        "health_check_retries": 3,
        "health_check_start_period": 0,
        "read_only_root_filesystem": False,
        "start_timeout": None,
        "stop_timeout": 90,
        "docker_labels": {},
    }
    next_one = ["RegisterTaskDefinition", "DeregisterTaskDefinition"]
    next_one.sort()

    def change(set: dict[str, Any], of: str = "full") -> Change:
        return Change(set, next_one, of=of, updates=True)

    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": '
        '{"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
    )
    return Description(
        rows={
            "full": {
                "family": "full",
                "cpu_memory": "vCPU0.5-2GB",
                "task_role_name": "task",
                "execution_role_name": "execution",
                "cpu_architecture": "ARM64",
                "operating_system_family": "LINUX",
                "ephemeral_storage_gib": 30,
                "tags": {"a": "1", "b": "2"},
                "container_definition": [web, proxy, sidecar],
            },
            "bare": {
                "family": "bare",
                "cpu_memory": "vCPU0.25-0.5GB",
                "container_definition": [{"name": "it", "image": "nginx", "essential": True}],
            },
        },
        changes=[
            change({"family": "other"}),
            change({"cpu_memory": "vCPU2-8GB"}),
            change({"task_role_name": "execution"}),
            change({"execution_role_name": "task"}),
            change({"cpu_architecture": "X86_64"}),
            change({"operating_system_family": "WINDOWS_SERVER_2022_CORE"}, of="bare"),
            change({"ephemeral_storage_gib": None}),
            change({"tags": {"a": "other", "c": "3"}}),
            change({"container_definition": [web | {"tag": "v2"}, proxy, sidecar]}),
            change({"container_definition": [other, sidecar]}),
        ],
        look=look,
        remove=lambda cloud, row: ecs.deregister_task_definition(
            taskDefinition=row["task_definition_arn"]
        ),
        many=lambda number: {
            "family": f"many-{number}",
            "cpu_memory": "vCPU0.25-0.5GB",
            "container_definition": [
                {"name": "it", "image": "nginx", "tag": f"v{number}", "essential": True}
            ],
        },
        parents=[
            f"""INSERT INTO role (role_name, assume_role_policy_document)
            SELECT name, '{trust}' FROM unnest(ARRAY['task', 'execution']) name
            ON CONFLICT (role_name) DO NOTHING""",
            """INSERT INTO public_repository (repository_name) VALUES ('team/proxy')
            ON CONFLICT (repository_name) DO NOTHING""",
            f"INSERT INTO repository (repository_name, region) VALUES ('team/web', '{region}')",
            f"""INSERT INTO log_group (log_group_name, region)
            VALUES ('web', '{region}'), ('other', '{region}')""",
        ],
        named=False,
    )


def service(cloud: Cloud, region: str) -> Description:
    ecs, elb, ec2 = (cloud.client(name, region) for name in ("ecs", "elbv2", "ec2"))

    def look(cloud: Cloud, row: Row) -> Row | None:
        ecs = cloud.client("ecs", row["region"])
        cluster = row["cluster_name"] or "default"
        found = ecs.describe_services(cluster=cluster, services=[row["name"]], include=["TAGS"])
        for it in found["services"]:
            if it["status"] == "ACTIVE":
                network = it["networkConfiguration"]["awsvpcConfiguration"]
                (balancer,) = it["loadBalancers"] or [{}]
                deployment = it["deploymentConfiguration"]
                breaker = deployment["deploymentCircuitBreaker"]
                group = balancer.get("targetGroupArn")
                return {
                    "name": it["serviceName"],
                    "arn": it["serviceArn"],
                    "status": it["status"],
                    "desired_count": it["desiredCount"],
                    "subnets": network["subnets"],
                    "assign_public_ip": network["assignPublicIp"],
                    "force_new_deployment": False,
                    "cluster_name": it["clusterArn"].rsplit("/", 1)[-1],
                    "task_definition_id": it["taskDefinition"],
                    "target_group_name": group and group.split("/")[1],
                    "container_name": balancer.get("containerName"),
                    "container_port": balancer.get("containerPort"),
                    "health_check_grace_period_seconds": it["healthCheckGracePeriodSeconds"],
                    "minimum_healthy_percent": deployment["minimumHealthyPercent"],
                    "maximum_percent": deployment["maximumPercent"],
                    "deployment_circuit_breaker": breaker["enable"],
                    "deployment_rollback": breaker["rollback"],
                    "enable_execute_command": it["enableExecuteCommand"],
                    "platform_version": it["platformVersion"],
                    "propagate_tags": it.get("propagateTags", "NONE"),
                    "enable_ecs_managed_tags": it["enableECSManagedTags"],
                    "availability_zone_rebalancing": it.get("availabilityZoneRebalancing"),
                    "tags": tags(it.get("tags")),
                    "service_security_groups": [
                        {"security_group_id": id} for id in network["securityGroups"]
                    ],
                }
        return None

    def subnets(first: int) -> Sql:
        return Sql(
            f"""ARRAY(SELECT subnet_id FROM subnet WHERE default_for_az AND region = '{region}'
            ORDER BY availability_zone OFFSET {first} LIMIT 2)"""
        )

    def groups(*names: str) -> list[dict[str, Any]]:
        group = "(SELECT id FROM security_group WHERE group_name = '{}' AND region = '{}')"
        return [{"security_group_id": Sql(group.format(name, region))} for name in names]

    def definition(family: str) -> Sql:
        return Sql(
            f"(SELECT id FROM task_definition WHERE family = '{family}' AND region = '{region}')"
        )

    def network(row: Row, **members: Any) -> dict[str, Any]:
        found = ecs.describe_services(cluster=row["cluster_name"], services=[row["name"]])
        now = found["services"][0]["networkConfiguration"]["awsvpcConfiguration"]
        return {"networkConfiguration": {"awsvpcConfiguration": now | members}}

    def change(set: dict[str, Any], of: str = "full", **members: Any) -> Change:
        def drift(cloud: Cloud, row: Row) -> None:
            asked = {
                name: value(row) if callable(value) else value for name, value in members.items()
            }
            asked = asked.pop("whole", {}) | asked
            ecs.update_service(cluster=row["cluster_name"], service=row["name"], **asked)

        return Change(set, ["UpdateService"], drift, of=of)

    def deployment(row: Row, **members: Any) -> dict[str, Any]:
        found = ecs.describe_services(cluster=row["cluster_name"], services=[row["name"]])
        return dict(found["services"][0]["deploymentConfiguration"]) | members

    def other_subnets(row: Row) -> dict[str, Any]:
        all = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
        all = sorted(all["Subnets"], key=lambda subnet: str(subnet["AvailabilityZone"]))
        return network(row, subnets=[subnet["SubnetId"] for subnet in all[1:3]])

    def other_groups(row: Row) -> dict[str, Any]:
        named = [{"Name": "group-name", "Values": ["one", "three"]}]
        found = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
        return network(row, securityGroups=[group["GroupId"] for group in found])

    def balanced(group: str, container: str, port: int) -> Any:
        def balancers(row: Row) -> list[dict[str, Any]]:
            (it,) = elb.describe_target_groups(Names=[group])["TargetGroups"]
            arn = it["TargetGroupArn"]
            return [{"targetGroupArn": arn, "containerName": container, "containerPort": port}]

        return balancers

    def remove(cloud: Cloud, row: Row) -> None:
        ecs.delete_service(cluster=row["cluster_name"], service=row["name"], force=True)

    def enrich(cloud: Cloud, row: Row) -> None:
        alarms = {"alarmNames": ["slow"], "enable": True, "rollback": True}
        ecs.update_service(
            cluster=row["cluster_name"],
            service=row["name"],
            deploymentConfiguration=deployment(row, alarms=alarms),
            placementConstraints=[{"type": "distinctInstance"}],
        )

    def extras(cloud: Cloud, row: Row) -> object:
        found = ecs.describe_services(cluster=row["cluster_name"], services=[row["name"]])
        (it,) = found["services"]
        return it["deploymentConfiguration"]["alarms"], it["placementConstraints"]

    breaker = {"enable": True, "rollback": False}
    anew = ["CreateService", "DeleteService"]
    return Description(
        rows={
            "full": {
                "name": "full",
                "desired_count": 2,
                "subnets": subnets(0),
                "assign_public_ip": "ENABLED",
                "force_new_deployment": False,
                "cluster_name": "here",
                "task_definition_id": definition("web"),
                "target_group_name": "one",
                "container_name": "web",
                "container_port": 80,
                "health_check_grace_period_seconds": 30,
                "minimum_healthy_percent": 50,
                "maximum_percent": 150,
                "deployment_circuit_breaker": True,
                "deployment_rollback": True,
                "enable_execute_command": True,
                "platform_version": "1.4.0",
                "propagate_tags": "SERVICE",
                "enable_ecs_managed_tags": True,
                "availability_zone_rebalancing": "ENABLED",
                "service_security_groups": groups("one", "two"),
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {
                "name": "bare",
                "desired_count": 0,
                "subnets": subnets(0),
                "cluster_name": "here",
                "task_definition_id": definition("web"),
            },
        },
        changes=[
            Change({"name": "other"}, anew),
            Change({"cluster_name": "there"}, anew),
            change({"desired_count": 3}, desiredCount=3),
            Change({"force_new_deployment": True}, ["UpdateService"], updates=True),
            change({"subnets": subnets(1)}, whole=other_subnets),
            change(
                {"assign_public_ip": "DISABLED"},
                whole=lambda row: network(row, assignPublicIp="DISABLED"),
            ),
            change({"service_security_groups": groups("one", "three")}, whole=other_groups),
            change({"task_definition_id": definition("other")}, taskDefinition="other"),
            change(
                {"target_group_name": "two"},
                loadBalancers=balanced("two", "web", 80),
            ),
            change({"container_name": "side"}, loadBalancers=balanced("one", "side", 80)),
            change({"container_port": 81}, loadBalancers=balanced("one", "web", 81)),
            change({"health_check_grace_period_seconds": 60}, healthCheckGracePeriodSeconds=60),
            change(
                {"minimum_healthy_percent": 100},
                deploymentConfiguration=lambda row: deployment(row, minimumHealthyPercent=100),
            ),
            change(
                {"maximum_percent": 200},
                deploymentConfiguration=lambda row: deployment(row, maximumPercent=200),
            ),
            change(
                {"deployment_rollback": False},
                deploymentConfiguration=lambda row: deployment(
                    row, deploymentCircuitBreaker=breaker
                ),
            ),
            change(
                {"deployment_circuit_breaker": True},
                of="bare",
                deploymentConfiguration=lambda row: deployment(
                    row, deploymentCircuitBreaker=breaker
                ),
            ),
            change({"enable_execute_command": False}, enableExecuteCommand=False),
            change({"platform_version": "LATEST"}, platformVersion="LATEST"),
            change({"propagate_tags": "TASK_DEFINITION"}, propagateTags="TASK_DEFINITION"),
            change({"enable_ecs_managed_tags": False}, enableECSManagedTags=False),
            change(
                {"availability_zone_rebalancing": "DISABLED"},
                availabilityZoneRebalancing="DISABLED",
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["TagResource", "UntagResource"],
                lambda cloud, row: retag(ecs, row["arn"]),
            ),
        ],
        look=look,
        remove=remove,
        many=lambda number: {
            "name": f"many-{number}",
            "desired_count": 0,
            "subnets": subnets(0),
            "cluster_name": "here",
            "task_definition_id": definition("web"),
            "tags": {"number": str(number)},
        },
        parents=[
            f"""INSERT INTO cluster (cluster_name, region)
            VALUES ('here', '{region}'), ('there', '{region}')""",
            f"""INSERT INTO task_definition (family, cpu_memory, region)
            VALUES ('web', 'vCPU0.25-0.5GB', '{region}'), ('other', 'vCPU0.25-0.5GB', '{region}')""",
            f"""INSERT INTO container_definition
            (task_definition_id, name, image, essential, container_port, other_port_mappings)
            SELECT id, 'web', 'nginx', true, 80, '[{{"containerPort": 81}}]'
            FROM task_definition WHERE region = '{region}'
            UNION ALL SELECT id, 'side', 'envoy', false, 80, '[]'
            FROM task_definition WHERE region = '{region}'""",
            f"""INSERT INTO security_group (group_name, region)
            SELECT name, '{region}' FROM unnest(ARRAY['one', 'two', 'three']) name""",
            f"""INSERT INTO target_group (target_group_name, target_type, protocol, port, region)
            SELECT name, 'ip', 'HTTP', 80, '{region}' FROM unnest(ARRAY['one', 'two']) name""",
            f"""INSERT INTO load_balancer
            (load_balancer_name, scheme, load_balancer_type, ip_address_type, region)
            VALUES ('front', 'internal', 'application', 'ipv4', '{region}')""",
            f"""INSERT INTO listener
            (load_balancer_name, port, protocol, target_group_name, region)
            VALUES ('front', 80, 'HTTP', 'one', '{region}'), ('front', 81, 'HTTP', 'two', '{region}')""",
        ],
        enrich=enrich,
        extras=extras,
    )


TABLES = {"cluster": cluster, "task_definition": task_definition, "service": service}
PARTS = {"container_definition": "task_definition", "service_security_groups": "service"}
