"""``python -m dashboards.generate`` writes dashboards and recording rules, which nobody edits by hand."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.fleet import fleet
from dashboards.instrument import instrument_health
from dashboards.path_comparison import path_comparison
from dashboards.path_detail import path_detail
from dashboards.recording import written
from dashboards.throughput_load import throughput_load

FOLDER = Path(__file__).parent
RULES = FOLDER / "rules"


def dashboards() -> dict[Path, str]:
    """Return what the file of each dashboard has to hold."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    built = (path_comparison(), path_detail(), throughput_load(), fleet(), instrument_health())
    return {FOLDER / f"{str(one.uid).removeprefix('eragent-')}.json": encoder.encode(one) + "\n" for one in built}


def generated() -> dict[Path, str]:
    """Return what each file has to hold."""
    return {**dashboards(), RULES / "eragent-recording.yml": written()}


def main() -> None:
    """Write the files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
