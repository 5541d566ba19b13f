from __future__ import annotations

import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError
from conftest import Cloud
from resources.description import Change, Description, Row, Sql, key, tags


def statement(action: str) -> dict[str, Any]:
    one = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": [action]}
    return {"Version": "2012-10-17", "Statement": [one]}


def repository(cloud: Cloud, region: str) -> Description:
    key_1, key_2 = key(cloud, region), key(cloud, region)
    ecr = cloud.client("ecr", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ecr = cloud.client("ecr", row["region"])
        try:
            (it,) = ecr.describe_repositories(repositoryNames=[row["repository_name"]])[
                "repositories"
            ]
        except ecr.exceptions.RepositoryNotFoundException:
            return None
        arn = it["repositoryArn"]
        exclusions = it.get("imageTagMutabilityExclusionFilters", [])
        return {
            "repository_name": it["repositoryName"],
            "repository_arn": arn,
            "registry_id": it["registryId"],
            "repository_uri": it["repositoryUri"],
            "created_at": it["createdAt"],
            "image_tag_mutability": it["imageTagMutability"],
            "mutability_exclusions": [exclusion["filter"] for exclusion in exclusions],
            "scan_on_push": it["imageScanningConfiguration"]["scanOnPush"],
            "encryption_type": it["encryptionConfiguration"]["encryptionType"],
            "kms_key": it["encryptionConfiguration"].get("kmsKey"),
            "tags": tags(ecr.list_tags_for_resource(resourceArn=arn)["tags"]),
        }

    def retag(cloud: Cloud, row: Row) -> None:
        arn = row["repository_arn"]
        ecr.untag_resource(resourceArn=arn, tagKeys=["b"])
        pairs = [{"Key": "a", "Value": "other"}, {"Key": "c", "Value": "3"}]
        ecr.tag_resource(resourceArn=arn, tags=pairs)

    def mutability(cloud: Cloud, row: Row, kind: str, *exclusions: str) -> None:
        filters = [{"filterType": "WILDCARD", "filter": it} for it in exclusions]
        ecr.put_image_tag_mutability(
            repositoryName=row["repository_name"],
            imageTagMutability=kind,
            **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        )

    def enrich(cloud: Cloud, row: Row) -> None:
        rule = {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "untagged",
                "countType": "imageCountMoreThan",
                "countNumber": 5,
            },
            "action": {"type": "expire"},
        }
        name = row["repository_name"]
        ecr.put_lifecycle_policy(
            repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]})
        )
        push(cloud, region, name, "kept")

    def extras(cloud: Cloud, row: Row) -> object:
        name = row["repository_name"]
        policy = ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
        return policy, ecr.list_images(repositoryName=name)["imageIds"]

    anew = ["CreateRepository", "DeleteRepository"]
    return Description(
        rows={
            "full": {
                "repository_name": "team/full",
                "image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION",
                "mutability_exclusions": ["latest", "dev-*"],
                "scan_on_push": True,
                "encryption_type": "KMS",
                "kms_key": key_1,
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"repository_name": "bare"},
        },
        changes=[
            Change({"repository_name": "other"}, anew),
            Change({"encryption_type": "AES256", "kms_key": None}, anew),
            Change({"encryption_type": "KMS_DSSE"}, anew),
            Change({"kms_key": key_2}, anew),
            Change(
                {"image_tag_mutability": "MUTABLE", "mutability_exclusions": []},
                ["PutImageTagMutability"],
                lambda cloud, row: mutability(cloud, row, "MUTABLE"),
            ),
            Change(
                {"mutability_exclusions": ["dev-*", "test-*"]},
                ["PutImageTagMutability"],
                lambda cloud, row: mutability(
                    cloud, row, "IMMUTABLE_WITH_EXCLUSION", "dev-*", "test-*"
                ),
            ),
            Change(
                {"image_tag_mutability": "IMMUTABLE"},
                ["PutImageTagMutability"],
                lambda cloud, row: mutability(cloud, row, "IMMUTABLE"),
                of="bare",
            ),
            Change(
                {"scan_on_push": False},
                ["PutImageScanningConfiguration"],
                lambda cloud, row: ecr.put_image_scanning_configuration(
                    repositoryName=row["repository_name"],
                    imageScanningConfiguration={"scanOnPush": False},
                ),
            ),
            Change({"tags": {"a": "other", "c": "3"}}, ["TagResource", "UntagResource"], retag),
        ],
        look=look,
        remove=lambda cloud, row: ecr.delete_repository(repositoryName=row["repository_name"]),
        many=lambda number: {"repository_name": f"many/{number}", "tags": {"number": str(number)}},
        enrich=enrich,
        extras=extras,
    )


def repository_policy(cloud: Cloud, region: str) -> Description:
    ecr = cloud.client("ecr", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ecr = cloud.client("ecr", row["region"])
        try:
            it = ecr.get_repository_policy(repositoryName=row["repository_name"])
        except ClientError as error:
            assert error.response["Error"]["Code"] in (
                "RepositoryPolicyNotFoundException",
                "RepositoryNotFoundException",
            )
            return None
        return {
            "repository_name": it["repositoryName"],
            "registry_id": it["registryId"],
            "policy_text": json.loads(it["policyText"]),
        }

    names = ["web", "other", "plain", *(f"many/{number}" for number in range(10))]
    parent = "INSERT INTO repository (repository_name, region) VALUES ('{}', '{}')"
    return Description(
        rows={
            "full": {"repository_name": "web", "policy_text": statement("ecr:BatchGetImage")},
            # As a text that holds JSON, which is how some clients send it.
            "text": {
                "repository_name": "plain",
                "policy_text": Sql(f"to_jsonb('{json.dumps(statement('ecr:PutImage'))}'::text)"),
            },
        },
        changes=[
            Change({"repository_name": "other"}, ["DeleteRepositoryPolicy", "SetRepositoryPolicy"]),
            Change(
                {"policy_text": statement("ecr:PutImage")},
                ["SetRepositoryPolicy"],
                lambda cloud, row: ecr.set_repository_policy(
                    repositoryName=row["repository_name"],
                    policyText=json.dumps(statement("ecr:PutImage")),
                ),
            ),
        ],
        look=look,
        remove=lambda cloud, row: ecr.delete_repository_policy(
            repositoryName=row["repository_name"]
        ),
        many=lambda number: {
            "repository_name": f"many/{number}",
            "policy_text": statement(f"ecr:Action{number}"),
        },
        parents=[parent.format(name, region) for name in names],
    )


def public_repository(cloud: Cloud, region: str) -> Description:
    ecr = cloud.ecr_public

    def look(cloud: Cloud, row: Row) -> Row | None:
        try:
            (it,) = ecr.describe_repositories(repositoryNames=[row["repository_name"]])[
                "repositories"
            ]
        except ecr.exceptions.RepositoryNotFoundException:
            return None
        found = ecr.list_tags_for_resource(resourceArn=it["repositoryArn"])["tags"]
        return {
            "repository_name": it["repositoryName"],
            "repository_arn": it["repositoryArn"],
            "registry_id": it["registryId"],
            "repository_uri": it["repositoryUri"],
            "created_at": it["createdAt"],
            "tags": tags(found),
        }

    def retag(cloud: Cloud, row: Row) -> None:
        arn = row["repository_arn"]
        ecr.untag_resource(resourceArn=arn, tagKeys=["b"])
        pairs = [{"Key": "a", "Value": "other"}, {"Key": "c", "Value": "3"}]
        ecr.tag_resource(resourceArn=arn, tags=pairs)

    def enrich(cloud: Cloud, row: Row) -> None:
        name = row["repository_name"]
        ecr.put_repository_catalog_data(
            repositoryName=name, catalogData={"description": "about", "usageText": "use"}
        )
        ecr.set_repository_policy(
            repositoryName=name, policyText=json.dumps(statement("ecr-public:DescribeImages"))
        )

    def extras(cloud: Cloud, row: Row) -> object:
        name = row["repository_name"]
        policy = ecr.get_repository_policy(repositoryName=name)["policyText"]
        return policy, ecr.get_repository_catalog_data(repositoryName=name)["catalogData"]

    return Description(
        rows={
            "full": {"repository_name": "team/full", "tags": {"a": "1", "b": "2"}},
            "bare": {"repository_name": "bare"},
        },
        changes=[
            Change({"repository_name": "other"}, ["CreateRepository", "DeleteRepository"]),
            Change({"tags": {"a": "other", "c": "3"}}, ["TagResource", "UntagResource"], retag),
        ],
        look=look,
        remove=lambda cloud, row: ecr.delete_repository(repositoryName=row["repository_name"]),
        many=lambda number: {"repository_name": f"many/{number}", "tags": {"number": str(number)}},
        enrich=enrich,
        extras=extras,
    )


def push(cloud: Cloud, region: str, repository: str, tag: str | None, content: str = "") -> None:
    """Pushes an image of nothing. Its digest follows from its content or, without, its tag."""
    layer = hashlib.sha256((content or f"{tag}").encode()).hexdigest()
    part = {"size": 7023, "digest": f"sha256:{layer}"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **part},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **part}],
    }
    named = {"imageTag": tag} if tag else {}
    cloud.client("ecr", region).put_image(
        repositoryName=repository, imageManifest=json.dumps(manifest), **named
    )


def repository_image(cloud: Cloud, region: str) -> Description:
    def look(cloud: Cloud, row: Row) -> Row | None:
        ecr = cloud.client("ecr", row["region"])
        image = {"imageTag": row["tag"]} if row["tag"] else {"imageDigest": row["digest"]}
        try:
            found = ecr.describe_images(repositoryName=row["repository_name"], imageIds=[image])
        except ecr.exceptions.ImageNotFoundException:
            return None
        (it,) = found["imageDetails"]
        (repository,) = ecr.describe_repositories(repositoryNames=[it["repositoryName"]])[
            "repositories"
        ]
        uri = repository["repositoryUri"]
        return {
            "image_uri": f"{uri}:{row['tag']}" if row["tag"] else f"{uri}@{it['imageDigest']}",
            "repository_name": it["repositoryName"],
            "digest": it["imageDigest"],
            "tag": row["tag"],
            "pushed_at": it["imagePushedAt"],
            "size": it["imageSizeInBytes"],
        }

    def remove(cloud: Cloud, row: Row) -> None:
        image = {"imageTag": row["tag"]} if row["tag"] else {"imageDigest": row["digest"]}
        cloud.client("ecr", region).batch_delete_image(
            repositoryName=row["repository_name"], imageIds=[image]
        )

    return Description(rows={}, changes=[], look=look, remove=remove, many=lambda number: {})


TABLES = {
    "repository": repository,
    "repository_policy": repository_policy,
    "repository_image": repository_image,
    "public_repository": public_repository,
}
