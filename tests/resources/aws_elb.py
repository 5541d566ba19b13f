from __future__ import annotations

import itertools
from typing import Any

from botocore.exceptions import ClientError
from conftest import Cloud
from resources.description import Change, Description, Row, Sql, tags

numbers = itertools.count()


def only(found: Any) -> Any:
    """The single one of a listing; None if AWS does not know it."""
    try:
        answer = found()
    except ClientError as error:
        assert error.response["Error"]["Code"].endswith("NotFound"), error
        return None
    (listed,) = (value for value in answer.values() if isinstance(value, list))
    return listed[0] if listed else None


def tags_of(elb: Any, arn: str) -> dict[str, str]:
    (of_it,) = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return tags(of_it["Tags"])


def retag(cloud: Cloud, region: str, arn: str) -> None:
    """From {a: 1, b: 2} to {a: other, c: 3}."""
    elb = cloud.client("elbv2", region)
    elb.remove_tags(ResourceArns=[arn], TagKeys=["b"])
    pairs = [{"Key": "a", "Value": "other"}, {"Key": "c", "Value": "3"}]
    elb.add_tags(ResourceArns=[arn], Tags=pairs)


class Attributes:
    """Attributes as AWS answers with them, and as columns have them."""

    def __init__(self, pairs: list[dict[str, str]]) -> None:
        self.all = {pair["Key"]: pair["Value"] for pair in pairs if pair["Value"] != ""}

    def text(self, key: str) -> str | None:
        return self.all.get(key)

    def number(self, key: str) -> int | None:
        return int(self.all[key]) if key in self.all else None

    def switch(self, key: str) -> bool | None:
        return self.all[key] == "true" if key in self.all else None


def load_balancer(cloud: Cloud, region: str) -> Description:
    elb = cloud.client("elbv2", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        elb, arn = cloud.client("elbv2", row["region"]), row["load_balancer_arn"]
        it = only(lambda: elb.describe_load_balancers(LoadBalancerArns=[arn]))
        if it is None:
            return None
        answer = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)
        has = Attributes(answer["Attributes"])
        logs = has.switch("access_logs.s3.enabled")
        return {
            "load_balancer_name": it["LoadBalancerName"],
            "load_balancer_arn": arn,
            "dns_name": it["DNSName"],
            "canonical_hosted_zone_id": it["CanonicalHostedZoneId"],
            "created_time": it["CreatedTime"],
            "scheme": it["Scheme"],
            "state": it["State"]["Code"],
            "load_balancer_type": it["Type"],
            "subnets": [zone["SubnetId"] for zone in it["AvailabilityZones"]],
            "availability_zones": [zone["ZoneName"] for zone in it["AvailabilityZones"]],
            "ip_address_type": it["IpAddressType"],
            "customer_owned_ipv4_pool": it.get("CustomerOwnedIpv4Pool"),
            "vpc": it["VpcId"],
            "deletion_protection": has.switch("deletion_protection.enabled"),
            "idle_timeout_seconds": has.number("idle_timeout.timeout_seconds"),
            "client_keep_alive_seconds": has.number("client_keep_alive.seconds"),
            "http2": has.switch("routing.http2.enabled"),
            "cross_zone": has.switch("load_balancing.cross_zone.enabled"),
            "drop_invalid_header_fields": has.switch(
                "routing.http.drop_invalid_header_fields.enabled"
            ),
            "preserve_host_header": has.switch("routing.http.preserve_host_header.enabled"),
            "desync_mitigation_mode": has.text("routing.http.desync_mitigation_mode"),
            "xff_header_processing_mode": has.text("routing.http.xff_header_processing.mode"),
            "access_logs_bucket": has.text("access_logs.s3.bucket") if logs else None,
            "access_logs_prefix": has.text("access_logs.s3.prefix") if logs else None,
            "load_balancer_security_groups": [
                {"security_group_id": group} for group in it.get("SecurityGroups", [])
            ],
            "tags": tags_of(elb, arn),
        }

    def vpc(which: str) -> Sql:
        return Sql(f"(SELECT id FROM vpc WHERE {which} AND region = '{region}')")

    def subnets(which: str, first: int, count: int = 2) -> Sql:
        return Sql(
            f"""ARRAY(SELECT subnet_id FROM subnet JOIN vpc ON vpc.id = subnet.vpc_id
            WHERE {which} AND vpc.region = '{region}'
            ORDER BY availability_zone OFFSET {first} LIMIT {count})"""
        )

    def groups(*names: str) -> list[dict[str, Any]]:
        group = "(SELECT id FROM security_group WHERE group_name = '{}' AND region = '{}')"
        return [{"security_group_id": Sql(group.format(name, region))} for name in names]

    default, other = "is_default", "vpc.cidr_block = '10.1.0.0/16'"

    def attribute(column: str, value: Any, **pairs: str) -> Change:
        def drift(cloud: Cloud, row: Row) -> None:
            attributes = [
                {"Key": key.replace("__", "."), "Value": text} for key, text in pairs.items()
            ]
            elb.modify_load_balancer_attributes(
                LoadBalancerArn=row["load_balancer_arn"], Attributes=attributes
            )

        return Change({column: value}, ["ModifyLoadBalancerAttributes"], drift)

    def set_subnets(cloud: Cloud, row: Row) -> None:
        ec2 = cloud.client("ec2", region)
        all = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
        all = sorted(all["Subnets"], key=lambda subnet: str(subnet["AvailabilityZone"]))
        ids = [subnet["SubnetId"] for subnet in all[1:3]]
        elb.set_subnets(LoadBalancerArn=row["load_balancer_arn"], Subnets=ids)

    def set_groups(cloud: Cloud, row: Row) -> None:
        ec2 = cloud.client("ec2", region)
        named = [{"Name": "group-name", "Values": ["one", "three"]}]
        ids = [it["GroupId"] for it in ec2.describe_security_groups(Filters=named)["SecurityGroups"]]
        elb.set_security_groups(LoadBalancerArn=row["load_balancer_arn"], SecurityGroups=ids)

    def enrich(cloud: Cloud, row: Row) -> None:
        more = [{"Key": "waf.fail_open.enabled", "Value": "true"}]
        arn = row["load_balancer_arn"]
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=more)
        elb.create_listener(
            LoadBalancerArn=arn,
            Port=9,
            Protocol="HTTP",
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )

    def extras(cloud: Cloud, row: Row) -> object:
        arn = row["load_balancer_arn"]
        has = Attributes(elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"])
        listeners = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        return has.text("waf.fail_open.enabled"), [it["ListenerArn"] for it in listeners]

    anew = ["CreateLoadBalancer", "DeleteLoadBalancer", "ModifyLoadBalancerAttributes"]
    return Description(
        rows={
            "full": {
                "load_balancer_name": "full",
                "scheme": "internal",
                "load_balancer_type": "application",
                "subnets": subnets(default, 0),
                "ip_address_type": "ipv4",
                "customer_owned_ipv4_pool": "ipv4pool-coip-1",
                "vpc": vpc(default),
                "deletion_protection": False,
                "idle_timeout_seconds": 30,
                "client_keep_alive_seconds": 1200,
                "http2": False,
                "cross_zone": True,
                "drop_invalid_header_fields": True,
                "preserve_host_header": True,
                "desync_mitigation_mode": "strictest",
                "xff_header_processing_mode": "preserve",
                "access_logs_bucket": "logs",
                "access_logs_prefix": "web",
                "load_balancer_security_groups": groups("one", "two"),
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {
                "load_balancer_name": "bare",
                "scheme": "internet-facing",
                "load_balancer_type": "application",
                "ip_address_type": "ipv4",
            },
            "network": {
                "load_balancer_name": "network",
                "scheme": "internal",
                "load_balancer_type": "network",
                "ip_address_type": "ipv4",
                "subnets": subnets(default, 0, 1),
            },
        },
        changes=[
            Change({"load_balancer_name": "other"}, anew),
            Change({"scheme": "internet-facing"}, anew),
            Change({"load_balancer_type": "network"}, anew),
            Change({"customer_owned_ipv4_pool": "ipv4pool-coip-2"}, anew),
            Change(
                {
                    "vpc": vpc(other),
                    "subnets": subnets(other, 0),
                    "load_balancer_security_groups": groups("inner"),
                },
                anew,
            ),
            Change({"subnets": subnets(default, 1)}, ["SetSubnets"], set_subnets),
            Change(
                {"load_balancer_security_groups": groups("one", "three")},
                ["SetSecurityGroups"],
                set_groups,
            ),
            Change(
                {"ip_address_type": "dualstack"},
                ["SetIpAddressType"],
                lambda cloud, row: elb.set_ip_address_type(
                    LoadBalancerArn=row["load_balancer_arn"], IpAddressType="dualstack"
                ),
            ),
            attribute("deletion_protection", True, deletion_protection__enabled="true"),
            attribute("idle_timeout_seconds", 90, idle_timeout__timeout_seconds="90"),
            attribute("client_keep_alive_seconds", 60, client_keep_alive__seconds="60"),
            attribute("http2", True, routing__http2__enabled="true"),
            attribute("cross_zone", False, load_balancing__cross_zone__enabled="false"),
            attribute(
                "drop_invalid_header_fields",
                False,
                routing__http__drop_invalid_header_fields__enabled="false",
            ),
            attribute(
                "preserve_host_header", False, routing__http__preserve_host_header__enabled="false"
            ),
            attribute(
                "desync_mitigation_mode", "monitor", routing__http__desync_mitigation_mode="monitor"
            ),
            attribute(
                "xff_header_processing_mode",
                "remove",
                routing__http__xff_header_processing__mode="remove",
            ),
            attribute("access_logs_bucket", "others", access_logs__s3__bucket="others"),
            attribute("access_logs_prefix", "other", access_logs__s3__prefix="other"),
            Change(
                {"access_logs_bucket": None, "access_logs_prefix": None},
                ["ModifyLoadBalancerAttributes"],
                attribute("", None, access_logs__s3__enabled="false").drift,
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["AddTags", "RemoveTags"],
                lambda cloud, row: retag(cloud, region, row["load_balancer_arn"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: elb.delete_load_balancer(
            LoadBalancerArn=row["load_balancer_arn"]
        ),
        many=lambda number: {
            "load_balancer_name": f"many-{number}",
            "scheme": "internal",
            "load_balancer_type": "application",
            "ip_address_type": "ipv4",
            "load_balancer_security_groups": groups("one"),
        },
        parents=[
            f"INSERT INTO vpc (cidr_block, region) VALUES ('10.1.0.0/16', '{region}')",
            f"""INSERT INTO subnet (vpc_id, cidr_block, availability_zone, region)
            SELECT id, '10.1.' || n || '.0/24', '{region}' || chr(96 + n), '{region}'
            FROM vpc, generate_series(1, 2) n WHERE {other} AND region = '{region}'""",
            f"""INSERT INTO security_group (group_name, vpc_id, region)
            SELECT name, (SELECT id FROM vpc WHERE is_default AND region = '{region}'), '{region}'
            FROM unnest(ARRAY['one', 'two', 'three']) name""",
            f"""INSERT INTO security_group (group_name, vpc_id, region)
            SELECT 'inner', id, '{region}' FROM vpc WHERE {other} AND region = '{region}'""",
        ],
        enrich=enrich,
        extras=extras,
    )


def target_group(cloud: Cloud, region: str) -> Description:
    elb = cloud.client("elbv2", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        elb, arn = cloud.client("elbv2", row["region"]), row["target_group_arn"]
        it = only(lambda: elb.describe_target_groups(TargetGroupArns=[arn]))
        if it is None:
            return None
        has = Attributes(elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"])
        cookie = "app" if has.text("stickiness.type") == "app_cookie" else "lb"
        return {
            "target_group_name": it["TargetGroupName"],
            "target_type": it["TargetType"],
            "target_group_arn": arn,
            "ip_address_type": it.get("IpAddressType"),
            "protocol": it.get("Protocol"),
            "port": it.get("Port"),
            "protocol_version": it.get("ProtocolVersion"),
            "vpc": it.get("VpcId"),
            "health_check_protocol": it.get("HealthCheckProtocol"),
            "health_check_port": it.get("HealthCheckPort"),
            "health_check_enabled": it.get("HealthCheckEnabled"),
            "health_check_interval_seconds": it.get("HealthCheckIntervalSeconds"),
            "health_check_timeout_seconds": it.get("HealthCheckTimeoutSeconds"),
            "healthy_threshold_count": it.get("HealthyThresholdCount"),
            "unhealthy_threshold_count": it.get("UnhealthyThresholdCount"),
            "health_check_path": it.get("HealthCheckPath"),
            "health_check_codes": it.get("Matcher", {}).get("HttpCode"),
            "deregistration_delay_seconds": has.number("deregistration_delay.timeout_seconds"),
            "slow_start_seconds": has.number("slow_start.duration_seconds"),
            "load_balancing_algorithm_type": has.text("load_balancing.algorithm.type"),
            "stickiness_enabled": has.switch("stickiness.enabled"),
            "stickiness_type": has.text("stickiness.type"),
            "stickiness_duration_seconds": has.number(
                f"stickiness.{cookie}_cookie.duration_seconds"
            ),
            "stickiness_cookie_name": has.text("stickiness.app_cookie.cookie_name"),
            "cross_zone": has.text("load_balancing.cross_zone.enabled"),
            "preserve_client_ip": has.switch("preserve_client_ip.enabled"),
            "proxy_protocol_v2": has.switch("proxy_protocol_v2.enabled"),
            "lambda_multi_value_headers": has.switch("lambda.multi_value_headers.enabled"),
            "tags": tags_of(elb, arn),
        }

    def health(column: str, value: Any, **parameter: Any) -> Change:
        def drift(cloud: Cloud, row: Row) -> None:
            elb.modify_target_group(TargetGroupArn=row["target_group_arn"], **parameter)

        return Change({column: value}, ["ModifyTargetGroup"], drift)

    def attribute(column: str, value: Any, of: str = "full", **pairs: str) -> Change:
        def drift(cloud: Cloud, row: Row) -> None:
            attributes = [
                {"Key": key.replace("__", "."), "Value": text} for key, text in pairs.items()
            ]
            elb.modify_target_group_attributes(
                TargetGroupArn=row["target_group_arn"], Attributes=attributes
            )

        return Change({column: value}, ["ModifyTargetGroupAttributes"], drift, of)

    more = "target_group_health.dns_failover.minimum_healthy_targets.count"

    def enrich(cloud: Cloud, row: Row) -> None:
        elb.modify_target_group_attributes(
            TargetGroupArn=row["target_group_arn"], Attributes=[{"Key": more, "Value": "2"}]
        )
        if row["target_type"] == "ip":
            targets = [{"Id": "10.1.0.10", "Port": 8080}]
            elb.register_targets(TargetGroupArn=row["target_group_arn"], Targets=targets)

    def extras(cloud: Cloud, row: Row) -> object:
        arn = row["target_group_arn"]
        has = Attributes(elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"])
        health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return has.text(more), [it["Target"]["Id"] for it in health]

    def vpc(which: str) -> Sql:
        return Sql(f"(SELECT id FROM vpc WHERE {which} AND region = '{region}')")

    anew = ["CreateTargetGroup", "DeleteTargetGroup", "ModifyTargetGroupAttributes"]
    return Description(
        rows={
            "full": {
                "target_group_name": "full",
                "target_type": "ip",
                "ip_address_type": "ipv4",
                "protocol": "HTTP",
                "port": 8080,
                "protocol_version": "HTTP2",
                "vpc": vpc("cidr_block = '10.1.0.0/16'"),
                "health_check_protocol": "HTTPS",
                "health_check_port": "9000",
                "health_check_enabled": True,
                "health_check_interval_seconds": 20,
                "health_check_timeout_seconds": 6,
                "healthy_threshold_count": 3,
                "unhealthy_threshold_count": 4,
                "health_check_path": "/health",
                "health_check_codes": "200-299",
                "deregistration_delay_seconds": 60,
                "slow_start_seconds": 30,
                "load_balancing_algorithm_type": "round_robin",
                "stickiness_enabled": True,
                "stickiness_type": "app_cookie",
                "stickiness_duration_seconds": 3600,
                "stickiness_cookie_name": "session",
                "cross_zone": "true",
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {
                "target_group_name": "bare",
                "target_type": "instance",
                "protocol": "HTTP",
                "port": 80,
            },
            "network": {
                "target_group_name": "network",
                "target_type": "ip",
                "protocol": "TCP",
                "port": 5432,
                "preserve_client_ip": True,
                "proxy_protocol_v2": True,
            },
            "function": {
                "target_group_name": "function",
                "target_type": "lambda",
                "lambda_multi_value_headers": True,
            },
        },
        changes=[
            Change({"target_group_name": "other"}, anew),
            Change({"target_type": "instance"}, anew),
            Change({"ip_address_type": "ipv6"}, anew),
            Change({"protocol": "HTTPS"}, anew),
            Change({"port": 9090}, anew),
            Change({"protocol_version": "HTTP1"}, anew),
            Change({"vpc": vpc("is_default")}, anew),
            health("health_check_protocol", "HTTP", HealthCheckProtocol="HTTP"),
            health("health_check_port", "traffic-port", HealthCheckPort="traffic-port"),
            health("health_check_enabled", False, HealthCheckEnabled=False),
            health("health_check_interval_seconds", 40, HealthCheckIntervalSeconds=40),
            health("health_check_timeout_seconds", 7, HealthCheckTimeoutSeconds=7),
            health("healthy_threshold_count", 5, HealthyThresholdCount=5),
            health("unhealthy_threshold_count", 6, UnhealthyThresholdCount=6),
            health("health_check_path", "/other", HealthCheckPath="/other"),
            health("health_check_codes", "200,204", Matcher={"HttpCode": "200,204"}),
            attribute(
                "deregistration_delay_seconds", 90, deregistration_delay__timeout_seconds="90"
            ),
            attribute("slow_start_seconds", 0, slow_start__duration_seconds="0"),
            attribute(
                "load_balancing_algorithm_type",
                "least_outstanding_requests",
                load_balancing__algorithm__type="least_outstanding_requests",
            ),
            attribute("stickiness_enabled", False, stickiness__enabled="false"),
            attribute(
                "stickiness_type",
                "lb_cookie",
                stickiness__type="lb_cookie",
                stickiness__lb_cookie__duration_seconds="3600",
            ),
            attribute(
                "stickiness_duration_seconds", 60, stickiness__app_cookie__duration_seconds="60"
            ),
            attribute(
                "stickiness_cookie_name", "other", stickiness__app_cookie__cookie_name="other"
            ),
            attribute("cross_zone", "false", load_balancing__cross_zone__enabled="false"),
            attribute(
                "preserve_client_ip", False, "network", preserve_client_ip__enabled="false"
            ),
            attribute("proxy_protocol_v2", False, "network", proxy_protocol_v2__enabled="false"),
            attribute(
                "lambda_multi_value_headers",
                False,
                "function",
                # Spelled so that it is no keyword of Python's.
                **{"lambda__multi_value_headers__enabled": "false"},
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["AddTags", "RemoveTags"],
                lambda cloud, row: retag(cloud, region, row["target_group_arn"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: elb.delete_target_group(TargetGroupArn=row["target_group_arn"]),
        many=lambda number: {
            "target_group_name": f"many-{number}",
            "target_type": "ip",
            "protocol": "HTTP",
            "port": 80,
        },
        parents=[f"INSERT INTO vpc (cidr_block, region) VALUES ('10.1.0.0/16', '{region}')"],
        enrich=enrich,
        extras=extras,
    )


def certificate(cloud: Cloud) -> str:
    """The ARN of a new certificate."""
    made = cloud.client("iam").upload_server_certificate(
        ServerCertificateName=f"web-{next(numbers)}", CertificateBody="body", PrivateKey="key"
    )
    arn: str = made["ServerCertificateMetadata"]["Arn"]
    return arn


def listener(cloud: Cloud, region: str) -> Description:
    elb = cloud.client("elbv2", region)
    certificates = certificate(cloud), certificate(cloud)

    def look(cloud: Cloud, row: Row) -> Row | None:
        elb, arn = cloud.client("elbv2", row["region"]), row["listener_arn"]
        it = only(lambda: elb.describe_listeners(ListenerArns=[arn]))
        if it is None:
            return None
        (action,) = it["DefaultActions"]
        (group,) = action["ForwardConfig"]["TargetGroups"]
        shown = [one["CertificateArn"] for one in it.get("Certificates", [])]
        return {
            "load_balancer_name": it["LoadBalancerArn"].split("/")[2],
            "port": it["Port"],
            "listener_arn": arn,
            "protocol": it["Protocol"],
            "action_type": action["Type"],
            "target_group_name": group["TargetGroupArn"].split("/")[1],
            "ssl_policy": it.get("SslPolicy"),
            "certificate_arn": shown[0] if shown else None,
            "tags": tags_of(elb, arn),
        }

    def modify(**parameters: Any) -> Any:
        return lambda cloud, row: elb.modify_listener(
            ListenerArn=row["listener_arn"], **parameters
        )

    def arn_of(name: str) -> str:
        arn: str = elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def forward(cloud: Cloud, row: Row) -> None:
        now = elb.describe_listeners(ListenerArns=[row["listener_arn"]])["Listeners"][0]
        (action,) = now["DefaultActions"]
        action["TargetGroupArn"] = arn_of("spare")
        action["ForwardConfig"]["TargetGroups"] = [{"TargetGroupArn": arn_of("spare")}]
        elb.modify_listener(ListenerArn=row["listener_arn"], DefaultActions=[action])

    def enrich(cloud: Cloud, row: Row) -> None:
        arn = row["listener_arn"]
        sticky = {"Enabled": True, "DurationSeconds": 60}
        to = arn_of(row["target_group_name"])
        elb.modify_listener(
            ListenerArn=arn,
            DefaultActions=[
                {
                    "Type": "forward",
                    "TargetGroupArn": to,
                    "ForwardConfig": {
                        "TargetGroups": [{"TargetGroupArn": to}],
                        "TargetGroupStickinessConfig": sticky,
                    },
                }
            ],
        )
        elb.create_rule(
            ListenerArn=arn,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/old"]}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )

    def extras(cloud: Cloud, row: Row) -> object:
        arn = row["listener_arn"]
        it = elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]
        rules = elb.describe_rules(ListenerArn=arn)["Rules"]
        sticky = it["DefaultActions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"]
        return sticky, [rule["RuleArn"] for rule in rules if not rule["IsDefault"]]

    anew = ["CreateListener", "DeleteListener"]
    return Description(
        rows={
            "full": {
                "load_balancer_name": "web",
                "port": 443,
                "protocol": "HTTPS",
                "action_type": "forward",
                "target_group_name": "main",
                "ssl_policy": "ELBSecurityPolicy-TLS-1-2-2017-01",
                "certificate_arn": certificates[0],
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {
                "load_balancer_name": "web",
                "port": 80,
                "protocol": "HTTP",
                "target_group_name": "other",
            },
            "network": {
                "load_balancer_name": "network",
                "port": 5432,
                "protocol": "TCP",
                "target_group_name": "packets",
            },
        },
        changes=[
            Change({"load_balancer_name": "empty"}, anew),
            # There is no other type of action.
            Change({"port": 8443, "action_type": None}, anew),
            Change(
                {"protocol": "HTTP", "certificate_arn": None, "ssl_policy": None},
                ["ModifyListener"],
                modify(Protocol="HTTP"),
            ),
            Change({"target_group_name": "spare"}, ["ModifyListener"], forward),
            Change(
                {"ssl_policy": "ELBSecurityPolicy-TLS-1-1-2017-01"},
                ["ModifyListener"],
                modify(SslPolicy="ELBSecurityPolicy-TLS-1-1-2017-01"),
            ),
            Change(
                {"certificate_arn": certificates[1]},
                ["ModifyListener"],
                modify(Certificates=[{"CertificateArn": certificates[1]}]),
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["AddTags", "RemoveTags"],
                lambda cloud, row: retag(cloud, region, row["listener_arn"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: elb.delete_listener(ListenerArn=row["listener_arn"]),
        many=lambda number: {
            "load_balancer_name": "web",
            "port": 8000 + number,
            "protocol": "HTTP",
            "target_group_name": "main",
        },
        parents=[
            f"""INSERT INTO load_balancer
            (load_balancer_name, scheme, load_balancer_type, ip_address_type, region) VALUES
            ('web', 'internal', 'application', 'ipv4', '{region}'),
            ('empty', 'internal', 'application', 'ipv4', '{region}'),
            ('network', 'internal', 'network', 'ipv4', '{region}')""",
            f"""INSERT INTO target_group (target_group_name, target_type, protocol, port, region)
            VALUES ('main', 'ip', 'HTTP', 80, '{region}'), ('other', 'ip', 'HTTP', 81, '{region}'),
            ('spare', 'ip', 'HTTP', 82, '{region}'), ('packets', 'ip', 'TCP', 83, '{region}')""",
        ],
        enrich=enrich,
        extras=extras,
    )


TABLES = {"load_balancer": load_balancer, "target_group": target_group, "listener": listener}
PARTS = {"load_balancer_security_groups": "load_balancer"}
