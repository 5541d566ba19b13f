"""What the harness in test_resources.py needs to know of each table: one description per table, one
file per module. A table without one fails the tests."""

from resources import aws_cloudwatch, aws_ecr, aws_iam, aws_security_group, aws_vpc
from resources.description import Describe

TABLES: dict[str, Describe] = {
    **aws_cloudwatch.TABLES,
    **aws_ecr.TABLES,
    **aws_iam.TABLES,
    **aws_security_group.TABLES,
    **aws_vpc.TABLES,
}
#: Those that the account has once, not once per region.
GLOBAL = {"public_repository", "role"}
#: Those whose rows come from the cloud alone.
IMPORTED = {"repository_image"}
WRITTEN = sorted(set(TABLES) - IMPORTED)
REGIONAL = sorted(set(TABLES) - IMPORTED - GLOBAL)
