"""The words about replays of many events: a preview, and the progress of a job."""

from typing import NamedTuple

from webhook_service.wording.counts import counted


class Job(NamedTuple):
    """The status of a job in words, the kind of its tag (a key of KINDS), and its progress."""

    label: str
    kind: str
    progress: str


JOBS = {
    "RUNNING": Job("In progress", "waiting", "{replayed} of {matched} replayed. Employees changed: {changed}."),
    "DONE": Job("Done", "done", "Done: {replayed} of {matched} replayed. Employees changed: {changed}."),
    "CANCELLED": Job("Cancelled", "same", "Cancelled after {replayed} of {matched}. Employees changed: {changed}."),
    "FAILED": Job("Failed", "failed", "Failed after {replayed} of {matched}. Employees changed: {changed}."),
}


def matched(count: int) -> str:
    return counted(count, "{count} event matches.", "{count} events match.")


def actions(count: int) -> str:
    return counted(count, "Includes {count} change in Supabase Auth.", "Includes {count} changes in Supabase Auth.")


def preview(changed: int, tried: int, *, is_whole: bool) -> str:
    """Return the result of a preview. `is_whole` says whether all events were tried, not only the first `tried`."""
    if is_whole and not changed:
        return "Preview: nothing would change."
    if is_whole:
        return counted(
            changed,
            "Preview: {count} event would change an employee.",
            "Preview: {count} events would change an employee.",
        )
    return counted(
        changed,
        "Preview of the first {tried} events: {count} would change an employee.",
        "Preview of the first {tried} events: {count} would change an employee.",
        tried=f"{tried:,}",
    )


def begun(count: int) -> str:
    return counted(count, "{count} event is being replayed.", "{count} events are being replayed.")


def button(count: int) -> str:
    return counted(count, "Replay {count} event", "Replay {count} events")


def question(count: int) -> str:
    return counted(count, "Replay {count} event?", "Replay {count} events?")


def working(count: int) -> str:
    return counted(count, "Replaying {count} event…", "Replaying {count} events…")


def result(done: int, count: int) -> str:
    return counted(count, "{done} of {count} event replayed", "{done} of {count} events replayed", done=done)
