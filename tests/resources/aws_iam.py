from __future__ import annotations

import json
from typing import Any

from conftest import Cloud
from resources.description import Change, Description, Row, tags

AWS = "arn:aws:iam::aws:policy"
READ, POWER = f"{AWS}/ReadOnlyAccess", f"{AWS}/PowerUserAccess"
TASKS = f"{AWS}/service-role/AmazonECSTaskExecutionRolePolicy"


def trust(service: str) -> dict[str, Any]:
    one = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [one]}


def allow(*actions: str) -> dict[str, Any]:
    # With signs that a URL does not take as they are.
    one = {"Sid": "a", "Effect": "Allow", "Action": list(actions), "Resource": "arn:aws:s3:::a+b/*"}
    return {"Version": "2012-10-17", "Statement": [one]}


def role(cloud: Cloud, region: str) -> Description:
    iam = cloud.client("iam")

    def names(it: Row) -> dict[str, Any]:
        return {"RoleName": it["role_name"]}

    def look(cloud: Cloud, row: Row) -> Row | None:
        try:
            it = iam.get_role(**names(row))["Role"]
        except iam.exceptions.NoSuchEntityException:
            return None
        attached = iam.list_attached_role_policies(**names(row))["AttachedPolicies"]
        inline = iam.list_role_policies(**names(row))["PolicyNames"]
        return {
            "role_name": it["RoleName"],
            "arn": it["Arn"],
            "role_id": it["RoleId"],
            "create_date": it["CreateDate"],
            "assume_role_policy_document": it["AssumeRolePolicyDocument"],
            "description": it.get("Description") or None,
            "attached_policies_arns": [each["PolicyArn"] for each in attached],
            "inline_policies": {
                name: iam.get_role_policy(**names(row), PolicyName=name)["PolicyDocument"]
                for name in inline
            },
            "path": it["Path"],
            "max_session_duration": it["MaxSessionDuration"],
            "permissions_boundary": it.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": tags(it.get("Tags")),
        }

    def retag(cloud: Cloud, row: Row) -> None:
        iam.untag_role(**names(row), TagKeys=["b"])
        pairs = [{"Key": "a", "Value": "other"}, {"Key": "c", "Value": "3"}]
        iam.tag_role(**names(row), Tags=pairs)

    def attach(cloud: Cloud, row: Row) -> None:
        iam.attach_role_policy(**names(row), PolicyArn=TASKS)
        iam.detach_role_policy(**names(row), PolicyArn=POWER)

    def embed(cloud: Cloud, row: Row) -> None:
        put(row, "logs", "logs:PutLogEvents")
        put(row, "queues", "sqs:SendMessage")
        iam.delete_role_policy(**names(row), PolicyName="files")

    def put(row: Row, name: str, *actions: str) -> None:
        document = json.dumps(allow(*actions))
        iam.put_role_policy(**names(row), PolicyName=name, PolicyDocument=document)

    def describe(row: Row, text: str, seconds: int) -> None:
        iam.update_role(**names(row), Description=text, MaxSessionDuration=seconds)

    def remove(cloud: Cloud, row: Row) -> None:
        for policy in iam.list_attached_role_policies(**names(row))["AttachedPolicies"]:
            iam.detach_role_policy(**names(row), PolicyArn=policy["PolicyArn"])
        for name in iam.list_role_policies(**names(row))["PolicyNames"]:
            iam.delete_role_policy(**names(row), PolicyName=name)
        iam.delete_role(**names(row))

    def enrich(cloud: Cloud, row: Row) -> None:
        iam.create_instance_profile(InstanceProfileName="machines")
        iam.add_role_to_instance_profile(**names(row), InstanceProfileName="machines")

    def extras(cloud: Cloud, row: Row) -> object:
        profiles = iam.list_instance_profiles_for_role(**names(row))["InstanceProfiles"]
        return [profile["InstanceProfileName"] for profile in profiles]

    full = {
        "role_name": "full",
        "assume_role_policy_document": trust("ecs-tasks.amazonaws.com"),
        "description": "runs tasks",
        "attached_policies_arns": [READ, POWER],
        "inline_policies": {"logs": allow("logs:*"), "files": allow("s3:GetObject", "s3:Put*")},
        "path": "/team/",
        "max_session_duration": 7200,
        "permissions_boundary": POWER,
        "tags": {"a": "1", "b": "2"},
    }
    # What AWS deletes a role without, and makes one with.
    held = ["DetachRolePolicy"] * 2 + ["DeleteRolePolicy"] * 2 + ["DeleteRole"] * 2
    anew = ["CreateRole"] + ["AttachRolePolicy"] * 2 + ["PutRolePolicy"] * 2 + held
    return Description(
        rows={
            "full": full,
            "bare": {
                "role_name": "bare",
                "assume_role_policy_document": trust("ec2.amazonaws.com"),
            },
        },
        changes=[
            Change({"role_name": "other"}, anew),
            Change({"path": "/other/"}, anew),
            Change(
                {"assume_role_policy_document": trust("lambda.amazonaws.com")},
                ["UpdateAssumeRolePolicy"],
                lambda cloud, row: iam.update_assume_role_policy(
                    **names(row), PolicyDocument=json.dumps(trust("lambda.amazonaws.com"))
                ),
            ),
            Change(
                {"description": "ran tasks"},
                ["UpdateRole"],
                lambda cloud, row: describe(row, "ran tasks", 7200),
            ),
            Change(
                {"description": None, "max_session_duration": 43200},
                ["UpdateRole"],
                lambda cloud, row: describe(row, "", 43200),
            ),
            Change(
                {"attached_policies_arns": [TASKS, READ]},
                ["AttachRolePolicy", "DetachRolePolicy"],
                attach,
            ),
            Change(
                {
                    "inline_policies": {
                        "logs": allow("logs:PutLogEvents"),
                        "queues": allow("sqs:SendMessage"),
                    }
                },
                ["DeleteRolePolicy", "PutRolePolicy", "PutRolePolicy"],
                embed,
            ),
            Change(
                {"permissions_boundary": READ},
                ["PutRolePermissionsBoundary"],
                lambda cloud, row: iam.put_role_permissions_boundary(
                    **names(row), PermissionsBoundary=READ
                ),
            ),
            Change(
                {"permissions_boundary": None},
                ["DeleteRolePermissionsBoundary"],
                lambda cloud, row: iam.delete_role_permissions_boundary(**names(row)),
            ),
            Change({"tags": {"a": "other", "c": "3"}}, ["TagRole", "UntagRole"], retag),
        ],
        look=look,
        remove=remove,
        many=lambda number: {
            "role_name": f"many-{number}",
            "assume_role_policy_document": trust("ec2.amazonaws.com"),
            "inline_policies": {"logs": allow("logs:*")} if number % 2 else {},
            "tags": {"number": str(number)},
        },
        enrich=enrich,
        extras=extras,
    )


TABLES = {"role": role}
