"""What the commonest mistakes look like from here: prints the message of each."""

import json

from django.core.management.base import BaseCommand
from django.db import Error

from infra import cloud, models

MISTAKES = {
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
    "a name AWS refuses": lambda: models.Repository.objects.create(repository_name="My Repository"),
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
