"""``python -m dashboards.generate`` writes the dashboards' JSON; Grafana loads these files, nobody edits them."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.path_comparison import path_comparison

FOLDER = Path(__file__).parent


def generated() -> dict[Path, str]:
    """Return what each file has to hold."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {FOLDER / "path-comparison.json": encoder.encode(path_comparison()) + "\n"}


def main() -> None:
    """Write the files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
