from agent.cli import main
from docs.man import pages

PAGES = dict(pages())


def test_each_command_has_a_page_of_its_own() -> None:
    commands = main.list_commands(main.make_context("eragent", ["--help"], resilient_parsing=True))
    assert set(PAGES) == {"eragent.1", *(f"eragent-{name}.1" for name in commands)}


def test_a_page_keeps_the_lines_of_examples_and_exit_codes() -> None:
    page = PAGES["eragent-probe.1"]
    assert ".nf\nExit codes:\n" in page.replace("\\-", "-")
    assert "\\-\\-max\\-loss" in page


def test_no_text_is_taken_for_a_request_to_the_formatter() -> None:
    known = {".TH", ".SH", ".TP", ".PP", ".nf", ".fi"}
    for page in PAGES.values():
        requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
        assert requests <= known
