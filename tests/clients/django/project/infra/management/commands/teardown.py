import json

from django.core.management.base import BaseCommand

from infra import cloud


class Command(BaseCommand):
    help = "Deletes every row, and then in AWS all that the rows stood for."

    def handle(self, **options):
        cloud.delete_all()
        self.stdout.write(json.dumps(cloud.apply()))
