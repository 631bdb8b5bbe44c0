"""The page with the benchmark's figures."""

from pathlib import Path

from benchmarks.speed.report import Figure, Part, write


def part(value: str, *, met: bool | None = None) -> Part:
    return Part("rates", "Events a second", [Figure("the product", value, goal="> 1", met=met)], "2 cores")


def test_a_part_that_is_measured_again_replaces_only_itself(tmp_path: Path) -> None:
    """A part that is measured again replaces only its old table. Other parts and remarks stay."""
    page = tmp_path / "speed.md"
    other = Part("start", "Import", [Figure("import wsgi", "1 s")], "4 cores")
    write(page, part("2,000 events/s"))
    write(page, other)
    page.write_text(page.read_text("utf-8") + "\nA remark.\n", "utf-8")

    write(page, part(r"3,000 \1 events/s", met=True))

    text = page.read_text("utf-8")
    assert "2,000" not in text
    assert text.count(r"| the product | 3,000 \1 events/s | > 1: met |") == 1
    assert "| import wsgi | 1 s |" in text
    assert text.startswith("# How fast it is")
    assert text.endswith("\nA remark.\n")
