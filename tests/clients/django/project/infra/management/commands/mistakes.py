"""What the commonest mistakes look like from here: prints the message of each."""

import json

from django.core.management.base import BaseCommand
from django.db import Error, connection, transaction

from infra import cloud, models



def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


def without_a_default_region():
    with transaction.atomic():
        models.AwsRegions.objects.update(is_default=False)
        models.LogGroup.objects.create(log_group_name="app")


def partly():
    models.LogGroup.objects.create(log_group_name="partly")
    models.Repository.objects.create(repository_name="partly", image_tag_mutability="MUTABLE")
    cloud.apply()


MISTAKES = {
    "wrong credentials": cloud.plan,
    "a module there is not": lambda: run("SELECT * FROM iasql_install('aws_ec3')"),
    "no default region": without_a_default_region,
    "a row there is not": lambda: models.Subnet.objects.create(
        vpc_id=999, cidr_block="10.0.0.0/24"
    ),
    "an apply that fails in part": partly,
    "a column of AWS": lambda: models.LogGroup.objects.create(
        log_group_name="app", log_group_arn="arn:aws:logs:mine"
    ),
    "a range with host bits": lambda: models.Vpc.objects.create(cidr_block="10.0.0.1/16"),
    "a region that is not enabled": lambda: models.LogGroup.objects.create(
        log_group_name="app", region_id="eu-west-1"
    ),
    "a region that does not exist": lambda: models.LogGroup.objects.create(
        log_group_name="app", region_id="eu-wets-1"
    ),
    "a name AWS refuses": lambda: models.Repository.objects.create(
        repository_name="My Repository", image_tag_mutability="MUTABLE"
    ),
    "a label there is not": lambda: models.Repository.objects.create(
        repository_name="app", image_tag_mutability="SOMETIMES"
    ),
    "something AWS refuses": lambda: (
        models.Subnet.objects.create(
            vpc=models.Vpc.objects.get(is_default=True), cidr_block="10.9.0.0/24"
        ),
        cloud.apply(),
    ),
}


class Command(BaseCommand):
    def handle(self, **options):
        told = {}
        for name, attempt in MISTAKES.items():
            try:
                attempt()
                told[name] = "no error"
            except Error as error:
                told[name] = str(error)
        self.stdout.write(json.dumps(told))
