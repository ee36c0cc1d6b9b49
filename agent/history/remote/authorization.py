"""How a request of remote write says who sends it: from files that are read each time, since tokens are renewed."""

from __future__ import annotations

import base64
from pathlib import Path

from agent.keys import KeyFileError, read_secret
from agent.plan import RemoteWritePlan


def authorization(plan: RemoteWritePlan) -> dict[str, str]:
    """Return the field of a request that says who sends it, none where nothing is to be said.

    Raise :class:`agent.keys.KeyFileError` where a file does not serve; its message never shows what it holds.
    """
    if plan.token_file is not None:
        token = _content(plan.token_file, "token")
        if not token.isascii() or not token.decode("latin-1").isprintable() or b" " in token:
            raise KeyFileError(f"{plan.token_file} holds no bearer token: one line of ASCII without spaces is one")
        return {"Authorization": f"Bearer {token.decode('ascii')}"}
    if plan.username is not None and plan.password_file is not None:
        pair = plan.username.encode() + b":" + _content(plan.password_file, "password")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _content(file: Path, what: str) -> bytes:
    try:
        content = read_secret(file, what).strip()
    except KeyFileError as error:
        if isinstance(error.__cause__, PermissionError):
            remedy = "give it a group of the agent's user and chmod 0640"
            raise KeyFileError(f"{file} cannot be read by the agent: {remedy}") from error
        raise
    if not content:
        raise KeyFileError(f"{file} is empty: write the {what} into it")
    return content
