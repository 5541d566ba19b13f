from __future__ import annotations

from datetime import UTC, datetime

from conftest import Cloud
from resources.description import Change, Description, Row, key


def log_group(cloud: Cloud, region: str) -> Description:
    key_1, key_2 = key(cloud, region), key(cloud, region)
    logs = cloud.client("logs", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        logs = cloud.client("logs", row["region"])
        found = logs.describe_log_groups(logGroupNamePrefix=row["log_group_name"])["logGroups"]
        for group in found:
            if group["logGroupName"] == row["log_group_name"]:
                # With `:*` or without: AWS shows both, and only the shorter one takes tags.
                arn = group.get("logGroupArn", group["arn"].removesuffix(":*"))
                return {
                    "log_group_name": group["logGroupName"],
                    "log_group_arn": arn,
                    "creation_time": datetime.fromtimestamp(group["creationTime"] / 1e3, UTC),
                    "retention_in_days": group.get("retentionInDays"),
                    "kms_key_id": group.get("kmsKeyId"),
                    "log_group_class": group.get("logGroupClass", "STANDARD"),
                    "tags": logs.list_tags_for_resource(resourceArn=arn)["tags"],
                }
        return None

    def retag(cloud: Cloud, row: Row) -> None:
        arn = row["log_group_arn"]
        logs.untag_resource(resourceArn=arn, tagKeys=["b"])
        logs.tag_resource(resourceArn=arn, tags={"a": "other", "c": "3"})

    def enrich(cloud: Cloud, row: Row) -> None:
        name = row["log_group_name"]
        metric = {"metricName": "errors", "metricNamespace": "web", "metricValue": "1"}
        logs.put_metric_filter(
            logGroupName=name,
            filterName="errors",
            filterPattern="ERROR",
            metricTransformations=[metric],
        )
        logs.create_log_stream(logGroupName=name, logStreamName="stream")

    def extras(cloud: Cloud, row: Row) -> object:
        name = row["log_group_name"]
        filters = logs.describe_metric_filters(logGroupName=name)["metricFilters"]
        streams = logs.describe_log_streams(logGroupName=name)["logStreams"]
        return filters, [stream["logStreamName"] for stream in streams]

    anew = ["CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy"]
    return Description(
        rows={
            "full": {
                "log_group_name": "full",
                "retention_in_days": 14,
                "kms_key_id": key_1,
                "log_group_class": "INFREQUENT_ACCESS",
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"log_group_name": "bare"},
        },
        changes=[
            Change({"log_group_name": "other"}, anew),
            Change({"log_group_class": "STANDARD"}, anew),
            Change(
                {"retention_in_days": 30},
                ["PutRetentionPolicy"],
                lambda cloud, row: logs.put_retention_policy(
                    logGroupName=row["log_group_name"], retentionInDays=30
                ),
            ),
            Change(
                {"retention_in_days": None},
                ["DeleteRetentionPolicy"],
                lambda cloud, row: logs.delete_retention_policy(logGroupName=row["log_group_name"]),
            ),
            Change({"tags": {"a": "other", "c": "3"}}, ["TagResource", "UntagResource"], retag),
            Change(
                {"kms_key_id": key_2},
                ["AssociateKmsKey"],
                lambda cloud, row: logs.associate_kms_key(
                    logGroupName=row["log_group_name"], kmsKeyId=key_2
                ),
            ),
            Change(
                {"kms_key_id": None},
                ["DisassociateKmsKey"],
                lambda cloud, row: logs.disassociate_kms_key(logGroupName=row["log_group_name"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: logs.delete_log_group(logGroupName=row["log_group_name"]),
        many=lambda number: {"log_group_name": f"many/{number}", "tags": {"number": str(number)}},
        enrich=enrich,
        extras=extras,
    )


TABLES = {"log_group": log_group}
