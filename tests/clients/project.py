"""A user's project, copied to where a test may run it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What the commonest mistakes, in examples/, are answered with.
MISTAKES = {
    "misspelt": 'there is no module "aws_cloudwach". Did you mean "aws_cloudwatch"?',
    "guessed": 'column "repository_uri" of table "repository" is filled by AWS',
    "regionless": "no default region is set yet: install a module, or run SELECT default_aws_region(",
    "dangling": 'insert or update on table "subnet" violates foreign key constraint "subnet_vpc_id_fkey"',
    "mislabelled": 'invalid input value for enum repository_image_tag_mutability_enum: "SOMETIMES"',
    "refused": "1 of 2 changes failed: create log_group /api/requests in us-east-1: ",
}
#: What the last of them is answered with when the server's AWS key is wrong.
WRONG = (
    "sts GetCallerIdentity refused: "
    "InvalidClientTokenId: The security token included in the request is invalid"
)


class Project:
    """A copy of the directory `source`, and the environment its commands get: no more of the
    developer's own than what finds programs and certificates."""

    #: What every command begins with.
    command: Sequence[str] = ()

    def __init__(
        self, source: Path, directory: Path, path: list[Path], environment: Mapping[str, str]
    ) -> None:
        self.directory = directory / source.name
        shutil.copytree(source, self.directory)
        kept = {name: value for name, value in os.environ.items() if "CERT" in name}
        self.environment = kept | {
            "PATH": ":".join([*map(str, path), os.environ["PATH"]]),
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            **environment,
        }

    def put(self, **links: Path) -> None:
        """Links of these names to what is installed elsewhere."""
        for name, target in links.items():
            (self.directory / name).symlink_to(target)

    def run(self, *command: str, **environment: str) -> str:
        """What a command says; it must succeed."""
        code, said = self._run(command, environment)
        assert code == 0, said
        return said

    def fails(self, *command: str, **environment: str) -> str:
        """What a command says that must fail."""
        code, said = self._run(command, environment)
        assert code != 0, said
        return said

    def _run(self, command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, str]:
        done = subprocess.run(
            [*self.command, *command],
            cwd=self.directory,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        return done.returncode, done.stdout
