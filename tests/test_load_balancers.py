"""What is peculiar to load balancers, target groups and listeners. What they have in common with
every other table is in test_resources.py."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Cloud, Database
from test_nerves import changes, no_holes
from test_resources import NOTHING, apply, install
from testbed import Emulator

__all__ = ["no_holes"]  # A fixture for every test here, too.

BALANCER = """INSERT INTO load_balancer
(load_balancer_name, scheme, load_balancer_type, ip_address_type)
VALUES ('web', 'internet-facing', 'application', 'ipv4')"""
GROUP = """INSERT INTO target_group (target_group_name, target_type, protocol, port)
VALUES ('main', 'ip', 'HTTP', 8080)"""
LISTENER = """INSERT INTO listener (load_balancer_name, port, protocol, target_group_name)
VALUES ('web', 80, 'HTTP', 'main')"""


@pytest.fixture
def site(db: Database) -> Database:
    install(db)
    return db


def balancer(cloud: Cloud, name: str = "web") -> Any:
    return cloud.client("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"][0]


def test_without_security_groups_it_is_in_the_default_one(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    site.sql(BALANCER)
    apply(site)
    default = site.one("SELECT group_id FROM security_group WHERE group_name = 'default'")
    assert balancer(cloud)["SecurityGroups"] == [default]
    row = "SELECT group_name FROM load_balancer_security_groups JOIN security_group s "
    row += "ON s.id = security_group_id"
    assert site.one(row) == "default"
    assert site.sql("SELECT * FROM iasql_drift()") == NOTHING
    assert site.sql("SELECT * FROM iasql_sync()") == NOTHING
    # AWS does not take a load balancer without any, and so that is no change.
    since = emulator.mark()
    site.sql("DELETE FROM load_balancer_security_groups")
    assert apply(site) == NOTHING
    assert changes(emulator, since) == []
    assert site.one(row) == "default"
    # Another in its place.
    site.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    site.sql("UPDATE load_balancer_security_groups SET security_group_id = (SELECT id FROM "
             "security_group WHERE group_name = 'web')")
    apply(site)
    web = site.one("SELECT group_id FROM security_group WHERE group_name = 'web'")
    assert balancer(cloud)["SecurityGroups"] == [web]
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_subnets_are_one_in_each_zone(site: Database, cloud: Cloud) -> None:
    site.sql("INSERT INTO subnet (vpc_id, cidr_block, availability_zone) "
             "SELECT id, '172.31.200.0/24', 'us-east-1a' FROM vpc")
    apply(site)
    site.sql(BALANCER)
    apply(site)
    zones = [zone["ZoneName"] for zone in balancer(cloud)["AvailabilityZones"]]
    assert len(zones) == len(set(zones)) == 6
    # And those of another VPC, if that is named.
    site.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    site.sql("INSERT INTO subnet (vpc_id, cidr_block, availability_zone) SELECT id, "
             "'10.1.' || n || '.0/24', 'us-east-1' || chr(96 + n) FROM vpc, generate_series(1, 2) n "
             "WHERE NOT is_default")
    apply(site)
    site.sql("INSERT INTO load_balancer (load_balancer_name, scheme, load_balancer_type, "
             "ip_address_type, vpc) SELECT 'inner', 'internal', 'application', 'ipv4', id "
             "FROM vpc WHERE NOT is_default")
    apply(site)
    zones = [zone["ZoneName"] for zone in balancer(cloud, "inner")["AvailabilityZones"]]
    assert sorted(zones) == ["us-east-1a", "us-east-1b"]


def test_subnets_of_another_vpc_than_its_own_are_refused(site: Database, cloud: Cloud) -> None:
    site.sql("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    apply(site)
    site.sql("INSERT INTO load_balancer (load_balancer_name, scheme, load_balancer_type, "
             "ip_address_type, vpc, subnets) SELECT 'web', 'internal', 'application', 'ipv4', "
             "(SELECT id FROM vpc WHERE NOT is_default), ARRAY(SELECT subnet_id FROM subnet)")
    error = site.error("SELECT * FROM iasql_apply()")
    assert error.message and "not all of them are in vpc-" in error.message
    assert cloud.client("elbv2").describe_load_balancers()["LoadBalancers"] == []


def test_what_is_protected_stays_and_the_error_says_what_to_do(
    site: Database, cloud: Cloud
) -> None:
    site.sql(BALANCER)
    site.sql("UPDATE load_balancer SET deletion_protection = true")
    apply(site)
    site.sql("DELETE FROM load_balancer")
    error = site.error("SELECT * FROM iasql_apply()")
    assert error.message and "SET deletion_protection = false" in error.message
    site.sql("SELECT * FROM iasql_sync()")
    site.sql("UPDATE load_balancer SET deletion_protection = false")
    apply(site)
    site.sql("DELETE FROM load_balancer")
    apply(site)
    assert cloud.client("elbv2").describe_load_balancers()["LoadBalancers"] == []


def test_one_that_takes_its_time_is_waited_for(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    emulator.settings({"pending_ms": 1500})
    for sql in BALANCER, GROUP, LISTENER:
        site.sql(sql)
    apply(site)
    assert site.one("SELECT state FROM load_balancer") == "active"
    calls = [call["operation"] for call in emulator.calls()]
    # The listener needs no load balancer that is ready.
    last = len(calls) - 1 - calls[::-1].index("DescribeLoadBalancers")
    assert calls.index("CreateListener") < last


@pytest.mark.parametrize("change", ["port = 9090", "target_group_name = 'renamed'"])
def test_a_target_group_in_use_is_replaced(
    site: Database, cloud: Cloud, emulator: Emulator, change: str
) -> None:
    for sql in BALANCER, GROUP, LISTENER:
        site.sql(sql)
    apply(site)
    site.sql(f"UPDATE target_group SET {change}")
    apply(site)
    elb = cloud.client("elbv2")
    (group,) = elb.describe_target_groups()["TargetGroups"]
    name = "renamed" if "renamed" in change else "main"
    assert (group["TargetGroupName"], group["Port"]) == (name, 8080 if "renamed" in change else 9090)
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer(cloud)["LoadBalancerArn"])[
        "Listeners"
    ]
    assert listener["DefaultActions"][0]["TargetGroupArn"] == group["TargetGroupArn"]
    assert site.one("SELECT target_group_name FROM listener") == name
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_a_new_name_takes_along_what_belongs_to_it(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    for sql in BALANCER, GROUP, LISTENER:
        site.sql(sql)
    apply(site)
    site.sql("UPDATE load_balancer SET load_balancer_name = 'renamed'")
    apply(site)
    elb = cloud.client("elbv2")
    (it,) = elb.describe_load_balancers()["LoadBalancers"]
    assert it["LoadBalancerName"] == "renamed"
    assert len(elb.describe_listeners(LoadBalancerArn=it["LoadBalancerArn"])["Listeners"]) == 1
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_all_of_it_goes_at_once(site: Database, cloud: Cloud, emulator: Emulator) -> None:
    site.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    for sql in BALANCER, GROUP, LISTENER:
        site.sql(sql)
    site.sql("INSERT INTO load_balancer_security_groups (load_balancer_name, security_group_id) "
             "SELECT 'web', id FROM security_group WHERE group_name = 'web'")
    apply(site)
    site.sql("DELETE FROM listener")
    site.sql("DELETE FROM load_balancer")
    site.sql("DELETE FROM target_group")
    site.sql("DELETE FROM security_group WHERE group_name = 'web'")
    apply(site)
    elb = cloud.client("elbv2")
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
    assert [call for call in emulator.calls() if call["refused"]] == []


def test_what_the_table_cannot_hold_is_left_alone(
    site: Database, cloud: Cloud, emulator: Emulator
) -> None:
    elb = cloud.client("elbv2")
    for sql in BALANCER, GROUP, GROUP.replace("main", "spare"):
        site.sql(sql)
    apply(site)
    arn = balancer(cloud)["LoadBalancerArn"]
    groups = [it["TargetGroupArn"] for it in elb.describe_target_groups()["TargetGroups"]]
    to_both = {"TargetGroups": [{"TargetGroupArn": group, "Weight": 1} for group in groups]}
    elsewhere = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    made = {}
    for port, why, action in [
        (1, "it forwards to several target groups", {"Type": "forward", "ForwardConfig": to_both}),
        (
            2,
            "what it does by default is not to forward",
            {"Type": "redirect", "RedirectConfig": elsewhere},
        ),
    ]:
        listener = elb.create_listener(
            LoadBalancerArn=arn, Port=port, Protocol="HTTP", DefaultActions=[action]
        )
        made[listener["Listeners"][0]["ListenerArn"]] = why
    site.sql("SELECT * FROM iasql_sync()")
    found = site.sql("SELECT cloud_id, reason FROM iasql_unrepresented WHERE table_name = 'listener'")
    assert {line["cloud_id"]: line["reason"] for line in found} == made
    assert site.sql("SELECT * FROM listener") == NOTHING
    since = emulator.mark()
    assert apply(site) == NOTHING
    assert changes(emulator, since) == []


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (BALANCER.replace("web", "w" * 33), "1 to 32 letters, digits and hyphens"),
        (BALANCER.replace("web", "w_b"), "1 to 32 letters, digits and hyphens"),
        (BALANCER.replace("web", "internal-web"), "begins with internal-"),
        (GROUP.replace("8080", "70000"), "port of a target group is not from 1 to 65535"),
        (GROUP.replace("8080", "NULL"), "a target group needs a protocol and a port"),
        (GROUP.replace("main", "m_n"), "target_group_name is no name for a target group"),
        (LISTENER.replace("80", "0"), "port of a listener is not from 1 to 65535"),
        (LISTENER.replace("'HTTP'", "'HTTPS'"), "certificate_arn"),
        (LISTENER.replace("'main'", "NULL"), "nowhere to send what comes in"),
    ],
)
def test_bad_input_is_refused_in_words(site: Database, sql: str, words: str) -> None:
    if "listener" in sql:
        site.sql(BALANCER)
        site.sql(GROUP)
    error = site.error(sql)
    assert error.message and words in error.message


def test_a_subnet_that_is_not_there_yet_is_refused_in_words(site: Database) -> None:
    site.sql("INSERT INTO subnet (vpc_id, cidr_block, availability_zone) "
             "SELECT id, '172.31.200.0/24', 'us-east-1a' FROM vpc")
    site.sql(BALANCER)
    error = site.error("UPDATE load_balancer SET subnets = ARRAY(SELECT subnet_id FROM subnet)")
    assert error.message == "subnets holds a NULL"
    assert error.hint and "subnet_id after SELECT iasql_apply()" in error.hint
