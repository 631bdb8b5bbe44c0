"""The figures as tables: on the terminal, and in docs/speed.md, where each part has a place between two markers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = """# How fast it is

`python -m benchmarks.speed` measures and writes this page. Load generator, server and PostgreSQL share one machine;
what is compared is measured in one run, in turn, and medians are shown. PostgreSQL runs with fsync and
synchronous_commit on. A rate counts only what was committed: after each run the rows of the ledger and the changed
employees are counted. Each event is an HTTP request of 1.3 kB (sign-ups 0.7 kB) with a signature and an id of its own,
sent once by wrk.

- **The limit** is what each event must at least do: pgbench calls a plain SQL function that writes one ledger row and
  updates one employee, on tables that have only their keys. It pays for no HTTP, no JSON, no decision.
- **The same function on the product's tables** pays for their indexes and triggers, too.
- **The product's own function** is called with one event per call: what merging would save.
- **Flask, one call per event** is a small application under the same gunicorn (two workers of four threads): it
  verifies the signature and calls the plain function on the bare tables. It validates nothing and writes no log.
- **The same promises behind Fastify + pg** is a small Node.js service (two workers under `cluster`, ten connections to
  PostgreSQL each): it verifies the signature, reads the event, decides, and calls the product's own SQL function once
  for each event, on the product's tables. An event answered with 200 is in the ledger, in order, as with the product.
  It knows only the events of this benchmark and has no log lines, no metrics, no relay and no pages. The difference
  between the two rates is what group commit is worth.
- **stripe-sync-engine** is `@supabase/stripe-sync-engine` from npm behind Fastify, also with two workers of ten
  connections: a well-known service of the same kind, as a peer for speed alone. It receives Stripe's `customer.updated`
  (1.1 kB, signed by Stripe's scheme), verifies it, and writes one row by one upsert, whose customer an older event does
  not overwrite. It promises less: it keeps no ledger, so that nobody sees what arrived, failed or was a duplicate;
  it does not retry; of two events within one second the second is dropped; it matches no records and drives
  nothing in another system. No call goes to Stripe.
- **The product** is the whole path, with every check, log line and metric on.
- **The product under plain gthread** is the product without its own way of serving: gunicorn's threads, one for each
  connection.

The two peers under Node.js are optional: where Node.js 20 or newer is installed, the benchmark installs them with
`npm ci --prefix benchmarks/speed/peers/fastify` and `.../stripe`; elsewhere it says that they are left out. Each gets
12,000 events before the first round, because Node.js compiles code while it runs.

CPU per event is user and system time: of the server and its workers, of PostgreSQL's processes, of wrk.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of a table. `met` says whether the goal was reached; None where there is none."""

    name: str
    value: str
    note: str = ""
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one part, and the machine and versions they were measured with."""

    name: str
    title: str
    figures: Sequence[Figure]
    measured_with: str


def rate(value: float) -> str:
    return f"{value:,.0f} events/s"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def verdict(figure: Figure) -> str:
    if figure.met is None:
        return figure.goal
    return f"{figure.goal}: {'met' if figure.met else 'not met'}"


def table(part: Part) -> str:
    rows = [f"| {f.name} | {f.value} | {verdict(f)} | {f.note} |" for f in part.figures]
    return "\n".join([f"| {part.title} | | goal | |", "|---|---|---|---|", *rows, "", part.measured_with])


def marked(part: Part) -> str:
    return f"<!-- {part.name} -->\n\n## {part.title}\n\n{table(part)}\n\n<!-- end of {part.name} -->\n"


def write(file: Path, part: Part) -> None:
    """Replaces the part's own place in the file, or adds it; what else is written there stays."""
    text = file.read_text("utf-8") if file.exists() else HEAD
    place = re.compile(rf"<!-- {part.name} -->\n.*?<!-- end of {part.name} -->\n", re.DOTALL)
    written, times = place.subn(lambda _: marked(part), text)
    file.write_text(written if times else f"{text.rstrip()}\n\n{marked(part)}", "utf-8")
