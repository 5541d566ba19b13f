"""moto's server, with AWS's own policies made once: there are over a thousand of them, and moto makes
them anew at every reset, which takes longer than most tests."""

from __future__ import annotations

import copy
from typing import Any

from moto.iam.models import IAMBackend
from moto.server import main

MADE: dict[tuple[str, str], list[Any]] = {}
make = IAMBackend._init_aws_policies


def policies(backend: IAMBackend) -> list[Any]:
    account = backend.account_id, backend.region_name
    if account not in MADE:
        MADE[account] = make(backend)
    # What is attached to what is counted in them.
    return [copy.copy(policy) for policy in MADE[account]]


IAMBackend._init_aws_policies = policies  # type: ignore[method-assign]
main()
