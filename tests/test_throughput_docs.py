"""The page on throughput names every way in which a test fails, and what the far side needs."""

from __future__ import annotations

from pathlib import Path

from agent.config.sections.reflector import Iperf3ReflectorSection
from agent.config.sections.throughput import Iperf3Section
from collectors.iperf3.failing import Iperf3Failure

_ROOT = Path(__file__).parent.parent
PAGE = (_ROOT / "docs" / "throughput.md").read_text(encoding="utf-8")


def test_every_failure_is_explained() -> None:
    assert {failure for failure in Iperf3Failure if f"| `{failure}` |" not in PAGE} == set()


def test_keys_and_files_of_the_far_side_exist() -> None:
    for key in ("allow", "key_file", "users_file"):
        assert f"`{key}" in PAGE
        assert key in Iperf3ReflectorSection.model_fields
    assert "`iperf3-server.conf`" in PAGE
    assert (_ROOT / "systemd" / "iperf3-server.conf").exists()


def test_keys_that_say_who_tests_exist() -> None:
    for key in ("user", "password_file", "password_credential", "public_key_file", "pkcs1_padding"):
        assert f"`{key}`" in PAGE
        assert key in Iperf3Section.model_fields
