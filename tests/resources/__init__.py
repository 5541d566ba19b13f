"""What the harness in test_resources.py needs to know of each table: one description per table, one
file per module. A table without one fails the tests."""

from resources import (
    aws_cloudwatch,
    aws_ecr,
    aws_ecs_fargate,
    aws_elb,
    aws_iam,
    aws_security_group,
    aws_vpc,
)
from resources.description import Describe

TABLES: dict[str, Describe] = {
    **aws_cloudwatch.TABLES,
    **aws_ecr.TABLES,
    **aws_ecs_fargate.TABLES,
    **aws_elb.TABLES,
    **aws_iam.TABLES,
    **aws_security_group.TABLES,
    **aws_vpc.TABLES,
}
#: Tables whose rows are parts of another's. They have no description of their own: the rows and
#: changes of their owner's have a list of parts under their name.
PARTS: dict[str, str] = {**aws_ecs_fargate.PARTS, **aws_elb.PARTS}
#: Those that the account has once, not once per region.
GLOBAL = {"public_repository", "role"}
#: Those whose rows come from the cloud alone.
IMPORTED = {"repository_image"}
WRITTEN = sorted(set(TABLES) - IMPORTED)
REGIONAL = sorted(set(TABLES) - IMPORTED - GLOBAL)


def primary_key(table: str) -> str:
    """The column that tells rows of a table apart."""
    return {"role": "role_name"}.get(table, "id")
