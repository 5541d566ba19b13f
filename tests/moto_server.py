"""moto's server, mended where tests would suffer.

AWS's own policies are made once: there are over a thousand of them, and moto makes them anew at every
reset, which takes longer than most tests. And what an answer leaves out is its own: moto notes that for all
answers at once, so that who asks for tags gets none if somebody asks without them at that moment.
"""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import BaseResponse, never_return
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


def include(answer: BaseResponse, path: str) -> None:
    left_out = answer.RESPONSE_KEY_PATH_TO_TRANSFORMER
    rest = {other: how for other, how in left_out.items() if other != path}
    answer.RESPONSE_KEY_PATH_TO_TRANSFORMER = rest


def leave_out(answer: BaseResponse, path: str) -> None:
    left_out = answer.RESPONSE_KEY_PATH_TO_TRANSFORMER
    answer.RESPONSE_KEY_PATH_TO_TRANSFORMER = left_out | {path: never_return}


IAMBackend._init_aws_policies = policies  # type: ignore[method-assign]
BaseResponse._include_in_response = include  # type: ignore[method-assign]
BaseResponse._exclude_from_response = leave_out  # type: ignore[method-assign]
main()
