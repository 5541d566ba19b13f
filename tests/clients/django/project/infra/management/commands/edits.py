"""Saves objects as they are, and edits one: prints what would be, and what was, done in AWS."""

import json

from django.core.management.base import BaseCommand

from infra import cloud, models


class Command(BaseCommand):
    def handle(self, **options):
        # [edits]
        group = models.LogGroup.objects.create(log_group_name="web")
        repository = models.Repository.objects.create(
            repository_name="web", image_tag_mutability="MUTABLE", mutability_exclusions=[]
        )
        created = cloud.apply()
        # AWS and iasql have filled columns that the objects don't know of yet.
        group.refresh_from_db()
        repository.refresh_from_db()

        group.save()
        repository.save()
        untouched = cloud.plan()

        group.retention_in_days = 7
        group.save()
        edited = cloud.apply()
        # [/edits]
        stale = models.LogGroup(id=group.id, log_group_name="web", retention_in_days=7)
        stale.save()
        answer = {
            "created": created,
            "defaults": [
                group.log_group_class,
                group.tags,
                group.region_id,
                repository.image_tag_mutability,
                repository.mutability_exclusions,
                repository.scan_on_push,
            ],
            "untouched": untouched,
            "edited": edited,
            "stale": cloud.plan(),
        }
        self.stdout.write(json.dumps(answer))
