"""``python -m dashboards.generate`` writes dashboards and recording rules, which nobody edits by hand."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.path_comparison import path_comparison
from dashboards.recording import written

FOLDER = Path(__file__).parent
RULES = FOLDER / "rules"


def dashboards() -> dict[Path, str]:
    """Return what the file of each dashboard has to hold."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {FOLDER / "path-comparison.json": encoder.encode(path_comparison()) + "\n"}


def generated() -> dict[Path, str]:
    """Return what each file has to hold."""
    return {**dashboards(), RULES / "eragent-recording.yml": written()}


def main() -> None:
    """Write the files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
