"""``eragent export`` and ``eragent probe --record``, whose samples it writes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet  # type: ignore[import-untyped]  # it has no stubs

from agent.cli import main
from agent.cli.export import parse_moment
from agent.history.export import FIELDS
from agent.history.files import Lock
from agent.history.rows import Row
from agent.history.store import MINUTE_NS, Store, connect
from agent.history.summary import Extras
from collectors.sample import Outcome
from tests.agent.conftest import ERAGENT
from tests.agent.history.generated import BEGIN_NS, INTERVAL_NS, KEY, MINUTE, on_a_path, rows_of
from tests.dashboards.programs import debian_program

REFUSED = Row(slot=1200, sent_at_ns=BEGIN_NS + 2 * MINUTE_NS, outcome=Outcome.NOT_SENT, reason="unreachable")
ROWS = [*on_a_path(1200), REFUSED]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two minutes of samples, and one of a third that is not over."""
    directory = tmp_path / "history"
    directory.mkdir()
    with closing(Store(connect(directory))) as store:
        store.run_began("dc1", BEGIN_NS)
        stream = store.stream(KEY, INTERVAL_NS)
        for minute in range(3):
            rows = rows_of(ROWS[600 * minute : 600 * minute + 600])
            store.append(stream, MINUTE + minute, rows, Extras(late=1), interval_ns=INTERVAL_NS)
            if minute < 2:
                store.complete(stream, MINUTE + minute)
    return directory


def export(history: Path, *options: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", "--history", str(history), *map(str, options)])


def expected(row: Row) -> dict[str, object]:
    stream = {"probe": "stamp", "kind": "stamp", "target": "hub", "path": "vpn"}
    return stream | {name: getattr(row, name) for name in FIELDS[4:]}


def test_every_sample_is_a_line_of_json_without_what_is_not_known(history: Path) -> None:
    lines = [json.loads(line) for line in export(history).stdout.splitlines()]
    assert lines == [{name: value for name, value in expected(row).items() if value is not None} for row in ROWS]


def test_csv_has_a_column_for_each_field(history: Path, tmp_path: Path) -> None:
    file = tmp_path / "samples.csv"
    assert export(history, "--format", "csv", "--output", file).exit_code == 0
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == FIELDS
    assert [row["rtt_ns"] for row in rows] == ["" if row.rtt_ns is None else str(row.rtt_ns) for row in ROWS]
    assert [row["noisy"] for row in rows] == [str(int(row.noisy)) for row in ROWS]
    assert rows[-1]["reason"] == "unreachable"


def test_parquet_has_the_same_rows(history: Path, tmp_path: Path) -> None:
    file = tmp_path / "samples.parquet"
    assert export(history, "--format", "parquet", "--output", file).exit_code == 0
    assert parquet.read_table(file).to_pylist() == [expected(row) for row in ROWS]


def test_parquet_goes_to_a_file(history: Path) -> None:
    result = export(history, "--format", "parquet")
    assert result.exit_code == 2
    assert "--format parquet needs --output FILE" in result.stderr


def test_without_pyarrow_it_says_how_to_get_it(history: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "pyarrow"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError")
    program = f"import sys; sys.path.insert(0, {str(hidden.parent)!r}); from agent.cli import main; main()"
    options = ("export", "--history", history, "--format", "parquet", "--output", tmp_path / "out")
    result = subprocess.run([sys.executable, "-c", program, *options], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'eragent[parquet]'" in result.stderr


def test_a_span_of_time_is_chosen_by_moments(history: Path) -> None:
    begin = datetime.fromtimestamp(BEGIN_NS / 1e9, UTC)
    span = ("--since", (begin + timedelta(seconds=30)).isoformat(), "--until", f"{begin + timedelta(seconds=61):%FT%T}")
    slots = [json.loads(line)["slot"] for line in export(history, *span).stdout.splitlines()]
    assert slots == list(range(300, 610))


def test_a_moment_is_so_long_ago_or_a_date() -> None:
    assert parse_moment("2023-03-28T10:40:00+00:00") == parse_moment("2023-03-28T10:40") == 1_680_000_000_000_000_000
    assert parse_moment("1h") - parse_moment("2h") == pytest.approx(3600e9, rel=0.01)
    with pytest.raises(ValueError, match="write for example 7d"):
        parse_moment("yesterday")


@pytest.mark.parametrize(
    ("options", "found"), [(("--path", "vpn", "--path", "lte"), 1201), (("--target", "hub", "--probe", "stamp"), 1201)]
)
def test_streams_are_chosen_by_name(history: Path, options: Sequence[str], found: int) -> None:
    assert len(export(history, *options).stdout.splitlines()) == found


def test_no_such_stream_is_told_with_those_that_there_are(history: Path) -> None:
    result = export(history, "--path", "lte")
    assert result.exit_code == 3
    assert "has no such stream; it has: stamp to hub on vpn" in result.stderr


def test_no_history_is_told_with_what_to_do(tmp_path: Path) -> None:
    result = export(tmp_path)
    assert result.exit_code == 3
    assert "has no history.db: name the directory" in result.stderr


def test_the_configuration_names_the_directory(history: Path, tmp_path: Path) -> None:
    config = tmp_path / "eragent.yaml"
    config.write_text("agent: {name: dc1}\nhistory: {directory: history}\n")
    result = CliRunner().invoke(main, ["export", "--config", str(config)])
    assert len(result.stdout.splitlines()) == 1201
    config.write_text("agent: {name: dc1}\n")
    result = CliRunner().invoke(main, ["export", "--config", str(config)])
    assert (result.exit_code, "has no section `history`" in result.stderr) == (2, True)


def test_promtool_makes_blocks_of_the_minutes(history: Path, tmp_path: Path) -> None:
    minutes, blocks = tmp_path / "minutes.txt", tmp_path / "blocks"
    assert export(history, "--format", "openmetrics", "--output", minutes).exit_code == 0
    promtool = debian_program("promtool")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", minutes, blocks], check=True, capture_output=True
    )
    (blocks / "wal").mkdir()  # promtool reads whole databases alone
    dumped = subprocess.run([promtool, "tsdb", "dump", blocks], check=True, capture_output=True, text=True).stdout
    sent = [line for line in dumped.splitlines() if '__name__="eragent_minute_packets_sent"' in line]
    ended_ms = [(MINUTE + number) * 60_000 for number in (1, 2)]
    assert [line.rpartition("}")[2].split() for line in sent] == [["600", str(moment)] for moment in ended_ms]
    assert 'agent="dc1"' in sent[0]
    longest_s = max(row.rtt_ns for row in ROWS[:600] if row.rtt_ns is not None) / 1e9
    [most] = [line for line in dumped.splitlines() if 'quantile="1"' in line and line.endswith(str(ended_ms[0]))]
    assert float(most.rpartition("}")[2].split()[0]) == pytest.approx(longest_s)


def test_a_minute_counts_to_the_span_if_all_of_it_lies_there(history: Path) -> None:
    begin = datetime.fromtimestamp(BEGIN_NS / 1e9 + 1, UTC).isoformat()
    lines = export(history, "--format", "openmetrics", "--since", begin).stdout.splitlines()
    sent = [line for line in lines if line.startswith("eragent_minute_packets_sent{")]
    assert len(sent) == 1
    assert lines[-1] == "# EOF"


def test_no_moment_is_too_early(history: Path) -> None:
    lines = export(history, "--format", "openmetrics", "--since", "90000d", "--path", "vpn").stdout.splitlines()
    assert len([line for line in lines if line.startswith("eragent_minute_packets_sent{")]) == 2


def test_a_moment_is_read_to_the_microsecond() -> None:
    assert parse_moment("2026-11-23T12:00:00.000001+01:00") == 1_795_431_600_000_001_000


def test_hours_are_lines_of_csv(history: Path) -> None:
    result = export(history, "--every", "1h", "--format", "csv")
    [hour] = csv.DictReader(result.stdout.splitlines())
    assert (hour["path"], hour["minutes"], hour["sent"], hour["late"]) == ("vpn", "2", "1200", "2")


def test_tests_of_throughput_and_gaps_are_lines_of_json(history: Path) -> None:
    with closing(Store(connect(history))) as store:
        for path in ("vpn", "lte"):
            store.measured(BEGIN_NS, "throughput", "hub", path, {"probe": "t", "target": "hub", "path": path, "v": 5})
        store.gap(BEGIN_NS - 9, BEGIN_NS + 1, "killed")
    found = export(history, "--what", "throughput", "--path", "lte", "--probe", "t").stdout
    assert json.loads(found) == {"at_ns": BEGIN_NS, "probe": "t", "target": "hub", "path": "lte", "v": 5}
    gap = export(history, "--what", "gaps", "--since", "2023-03-28").stdout
    assert gap == f'{{"from_ns":{BEGIN_NS - 9},"until_ns":{BEGIN_NS + 1},"reason":"killed","samples":0}}\n'
    assert export(history, "--what", "gaps", "--until", "2023-03-01").stdout == ""


def throughput_test(path: str, **more: object) -> dict[str, object]:
    """Return some of what a test of throughput is kept with."""
    failed = {"probe": "t", "target": "hub", "path": path, "streams": 4, "direction": "both", "outcome": "failed"}
    return failed | {"reason": "refused", "directions": []} | more


@pytest.fixture
def eventful(history: Path) -> Path:
    """The history with all that there can be beside samples."""
    up = {
        "direction": "up",
        "bits_per_second": 2.5e8,
        "retransmits": 3,
        "streams": [{}],
        "limited_by": {"limit": "rate"},
    }
    down = {"direction": "down", "bits_per_second": 1e8, "limited_by": None}
    complete = {"outcome": "complete", "reason": None, "directions": [up, down]}
    block = {"probe": "stamp", "baseline": "vpn", "block_ns": 9, "differences": {"loss": 0.25, "rtt_p99": 1500.0}}
    hops = {"probe": "stamp", "kind": "stamp", "answer_ttl": 61, "before": 62}
    with closing(Store(connect(history))) as store:
        store.measured(BEGIN_NS, "throughput", "hub", "vpn", throughput_test("vpn", **complete))
        store.measured(BEGIN_NS + 1, "throughput", "hub", "lte", throughput_test("lte"))
        store.measured(BEGIN_NS + 2, "comparison", "hub", "lte", block)
        store.address(store.stream(KEY, INTERVAL_NS), BEGIN_NS + 3, "10.1.0.4")
        store.measured(BEGIN_NS + 4, "hops", "hub", "vpn", hops)
        store.gap(BEGIN_NS - 9, BEGIN_NS + 1, "killed")
    return history


EVENTS = [
    (
        "throughput",
        [
            {"at_ns": BEGIN_NS, "path": "vpn", "direction": "up", "bits_per_second": 2.5e8, "retransmits": 3}
            | {"streams": 4, "limited_by": "rate", "outcome": "complete"},
            {"at_ns": BEGIN_NS, "path": "vpn", "direction": "down", "bits_per_second": 1e8, "limited_by": None},
            {"at_ns": BEGIN_NS + 1, "path": "lte", "direction": "both", "bits_per_second": None, "reason": "refused"},
        ],
    ),
    (
        "comparisons",
        [
            {"at_ns": BEGIN_NS + 2, "baseline": "vpn", "candidate": "lte", "figure": "loss", "difference": 0.25},
            {"at_ns": BEGIN_NS + 2, "block_ns": 9, "target": "hub", "figure": "rtt_p99", "difference": 1500.0},
        ],
    ),
    (
        "paths",
        [
            {"at_ns": BEGIN_NS + 3, "path": "vpn", "address": "10.1.0.4", "answer_ttl": None},
            {"at_ns": BEGIN_NS + 4, "path": "vpn", "address": None, "answer_ttl": 61, "before": 62},
        ],
    ),
    ("gaps", [{"from_ns": BEGIN_NS - 9, "until_ns": BEGIN_NS + 1, "reason": "killed", "samples": 0}]),
]


@pytest.mark.parametrize(("what", "rows"), EVENTS)
def test_what_there_is_beside_samples_is_rows_of_parquet_and_lines_of_csv(
    eventful: Path, tmp_path: Path, what: str, rows: list[dict[str, object]]
) -> None:
    file = tmp_path / "events"
    assert export(eventful, "--what", what, "--format", "parquet", "--output", file).exit_code == 0
    table = parquet.read_table(file).to_pylist()
    assert [{name: row[name] for name in wanted} for row, wanted in zip(table, rows, strict=True)] == rows
    lines = list(csv.DictReader(export(eventful, "--what", what, "--format", "csv").stdout.splitlines()))
    assert lines == [{name: "" if value is None else str(value) for name, value in row.items()} for row in table]


def test_what_there_is_beside_samples_is_an_object_with_everything(eventful: Path) -> None:
    [test, _] = [json.loads(line) for line in export(eventful, "--what", "throughput").stdout.splitlines()]
    assert (test["at_ns"], test["directions"][0]["streams"]) == (BEGIN_NS, [{}])
    [block] = [json.loads(line) for line in export(eventful, "--what", "comparisons").stdout.splitlines()]
    with closing(Store(connect(eventful))) as store:
        store.measured(BEGIN_NS + 5, "hops", "hub", "lte", {"probe": "stamp", "answer_ttl": 64, "before": None})
    line = export(eventful, "--what", "paths", "--path", "lte").stdout
    assert json.loads(line).keys() == {"at_ns", "target", "path", "probe", "answer_ttl"}
    assert (block["candidate"], block["differences"]) == ("lte", {"loss": 0.25, "rtt_p99": 1500.0})


@pytest.mark.parametrize(
    ("what", "path", "found"),
    [
        ("comparisons", "vpn", 1),
        ("comparisons", "lte", 1),
        ("comparisons", "x", 0),
        ("paths", "vpn", 2),
        ("gaps", "x", 1),
    ],
)
def test_what_there_is_beside_samples_is_chosen_by_its_paths(eventful: Path, what: str, path: str, found: int) -> None:
    assert len(export(eventful, "--what", what, "--path", path).stdout.splitlines()) == found


def test_a_measurement_that_is_damaged_is_left_out_and_told(eventful: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(connect(eventful)) as connection:
        connection.execute("UPDATE measurements SET data = '{' WHERE kind = 'comparison'")
        connection.execute("UPDATE measurements SET data = '5' WHERE kind = 'hops'")
    assert export(eventful, "--what", "comparisons").stdout == ""
    assert len(export(eventful, "--what", "paths").stdout.splitlines()) == 1
    assert f"a measurement of comparison at {BEGIN_NS + 2} ns is damaged, and left out" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--every", "90s"), "write for example 1m, 1h or 1d"),
        (("--every", "1h", "--format", "openmetrics"), "--every is for samples, as jsonl or csv"),
        (("--every", "1h", "--what", "gaps"), "--every is for samples, as jsonl or csv"),
        (("--what", "throughput", "--format", "openmetrics"), "has the minutes of samples alone: leave out --what"),
    ],
)
def test_what_does_not_go_together_is_told(history: Path, options: Sequence[str], message: str) -> None:
    result = export(history, *options)
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_who_reads_on_no_longer_ends_it_without_a_word(history: Path) -> None:
    program = [*ERAGENT, "export", "--history", str(history)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""


def probe(directory: Path, port: int) -> subprocess.CompletedProcess[str]:
    options = ("--type", "stamp", "--port", str(port), "--target", "127.0.0.1", "--count", "20", "--interval", "10ms")
    return subprocess.run(
        [*ERAGENT, "probe", *options, "--json", "--samples", "--record", directory],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_recorded_run_is_exported_as_it_was_seen(tmp_path: Path, reflector_port: int) -> None:
    result = probe(tmp_path / "run", reflector_port)
    assert result.returncode == 0, result.stderr
    [stream] = json.loads(result.stdout)["streams"]
    lines = [json.loads(line) for line in export(tmp_path / "run").stdout.splitlines()]
    assert [line["rtt_ns"] for line in lines] == [sample["rtt_ns"] for sample in stream["samples"]]
    assert [line["path"] for line in lines] == ["default"] * 20


def test_a_run_that_could_not_be_recorded_says_so_and_is_measured_all_the_same(
    tmp_path: Path, reflector_port: int
) -> None:
    lock = Lock(tmp_path, "dc1")
    result = probe(tmp_path, reflector_port)
    lock.release()
    assert result.returncode == 4
    assert "is written by agent dc1" in result.stderr
    assert json.loads(result.stdout)["streams"][0]["received"] == 20
