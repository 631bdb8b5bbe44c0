"""Cycles of chaos. People and HR write, processes are killed and restarted, and then all conditions must hold."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.conftest import wait_for
from tests.chaos.checks import Checks
from tests.chaos.world import RELAYS, World, world
from tests.debian_postgres import Cluster

DROP = 0.3
DUPLICATE = 0.3
ACTIONS = 30
"""The least number of actions in each cycle."""
POINTS = ("after claim", "mid-apply", "before settle")
KILLABLE = ("web", *RELAYS, "pg_net", "postgres")


@dataclass(frozen=True, slots=True)
class Plan:
    """The victims of a kill, and the point at which a process of this kind (web or relay) waits during the kill.

    Without a point, the kill happens at any moment.
    """

    victims: tuple[str, ...]
    point: str = ""
    kind: str = ""

    def names(self) -> list[str]:
        """Return the names for the statistics. Both relays are one kind of victim."""
        return [f"{self.point or 'at random'}: {victim.split('-')[0]}" for victim in self.victims]


@dataclass(slots=True)
class Tally:
    """The readable statistics of a run. `wrong` is empty if all conditions hold."""

    seed: int
    cycles: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    actions: int = 0
    sign_ups: int = 0
    interrupted: int = 0
    applied: int = 0
    deliveries: Counter[str] = field(default_factory=Counter)
    via: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kills = "\n".join(f"  {count:>7} {name}" for name, count in sorted(self.kills.items()))
        return (
            f"seed {self.seed}: {self.cycles} cycles, {self.kills.total()} kills\n{kills}\n"
            f"{self.actions} actions ({self.interrupted} cut off by a kill of PostgreSQL), {self.sign_ups} sign-ups\n"
            f"webhooks: {dict(self.deliveries)}\n"
            f"{self.applied} events applied, each once: {dict(self.via)}\n"
            + ("\n".join(["WRONG", *self.wrong]) if self.wrong else "employees equal the auth users")
        )


def plans(dice: random.Random) -> Callable[[], Plan]:
    """Return a function that draws plans.

    Each combination of a point and a victim is drawn once before any is repeated.
    """
    waiting: list[Plan] = []

    def draw() -> Plan:
        if not waiting:
            at_points = [
                ("after claim", "relay"),
                *((point, kind) for point in POINTS[1:] for kind in ("web", "relay")),
            ]
            waiting.extend(Plan((victim,), point, kind) for point, kind in at_points for victim in (kind, "postgres"))
            waiting.extend(Plan(tuple(dice.sample(KILLABLE, dice.randint(1, 3)))) for _ in range(5))
            dice.shuffle(waiting)
        return waiting.pop()

    return draw


def run(
    cluster: Cluster,
    url: str,
    folder: Path,
    *,
    cycles: int,
    seed: int,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Run this number of cycles, or until a condition does not hold.

    A seed repeats the random choices, but not their timing.
    """
    dice = random.Random(f"{seed}-kills")
    draw = plans(dice)
    tally = Tally(seed)
    with world(cluster, url, folder, seed=seed, drop=DROP, duplicate=DUPLICATE) as there:
        checks = Checks(url)
        try:
            for _ in range(cycles):
                plan = draw()
                cycle(there, plan, dice)
                checks.settled(there)
                tally.wrong = checks.differences(there)
                tally.cycles += 1
                tally.kills.update(plan.names())
                tally.applied = checks.applied
                progress(tally)
                if tally.wrong:
                    break
            summarise(there, tally)
        finally:
            checks.close()
    return tally


def cycle(there: World, plan: Plan, dice: random.Random) -> None:
    """Let the writer write, kill and restart the plan's victims, and pause the writer."""
    writer = there.writer
    before = writer.actions
    writer.go()
    victims = plan.victims
    if plan.point:
        victims = (there.kill_at(plan.point, plan.kind, *victims),)
    else:
        moment = before + dice.randint(1, ACTIONS)
        wait_for("some actions", lambda: writer.actions >= moment, seconds=60)
        for victim in victims:
            there.kill(victim)
    for name in sorted(victims, key=lambda name: name != "postgres"):
        there.start(name)
    there.open_gates()
    wait_for("the outer world", lambda: writer.actions >= before + ACTIONS, seconds=60)
    writer.pause()
    there.end_leases()


def summarise(there: World, tally: Tally) -> None:
    writer = there.writer
    tally.actions, tally.interrupted, tally.sign_ups = writer.actions, writer.interrupted, len(writer.signed_up)
    with there.connect() as connection:
        query = "select via, count(*) as n from public.integration_sync_log where direction = 'inbound' group by via"
        tally.via = Counter({row["via"]: row["n"] for row in connection.execute(query)})
        posted = connection.execute("select count(*) as n from chaos.posted").fetchone()
    assert posted is not None
    log = there.processes["web"].log_file.read_text("utf-8", "replace").splitlines()
    lines = [json.loads(line) for line in log if '"delivery"' in line and line.endswith("}")]
    tally.deliveries = Counter(posted=posted["n"], arrived=len(lines))
    tally.deliveries.update(str(line.get("outcome", line.get("reason"))) for line in lines)
    arrived = {line.get("event_id") for line in lines}
    tally.deliveries["never arrived"] = posted["n"] - len(arrived)
