"""The text of a plan: what a reconcile run would do, and the confirmation of its bans."""

import sys
from collections.abc import Callable, Mapping

import click

from webhook_service.cli import output
from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.ledger import plan
from webhook_service.ledger.plan import MAX_SHOWN, Plan
from webhook_service.policy import NAME_COLUMNS
from webhook_service.wording.counts import counted

Item = Mapping[str, Json]


def changed(item: Item) -> str:
    """Return the changes of names and e-mail, for example `employee 7: first_name "Jane" -> "Jo"`."""
    texts = [
        f'{column} "{change["from"] or ""}" -> "{change["to"] or ""}"'
        for column, change in sorted(item["changes"].items())
        if column in ("email", *NAME_COLUMNS)
    ]
    return f"employee {item['employee_id']}: {', '.join(texts)}"


def person(item: Item) -> str:
    """Return the employee and the login of an action."""
    name = item["name"] or (f"employee {item['employee_id']}" if item["employee_id"] is not None else "nobody")
    return f"{name} ({item['email'] or item['auth_user_id']})"


def undecided(item: Item) -> str:
    return f"{item.get('email') or item['auth_user_id']}: {item['outcome']}"


SECTIONS: tuple[tuple[str, str, Callable[[Item], str]], ...] = (
    (plan.LINK, "links", lambda item: f"{item['email'] or item['auth_user_id']} to employee {item['employee_id']}"),
    (plan.NAME, "renamed employees", changed),
    (plan.EMAIL, "employees with another e-mail", changed),
    (plan.ORPHAN, "orphans", lambda item: f"employee {item['employee_id']}: the login was deleted"),
    (plan.BAN, "logins banned", person),
    (plan.UNBAN, "logins unbanned", person),
    (plan.AUTH_EMAIL, "logins with another e-mail", person),
    (plan.UNDECIDED, "need a decision", undecided),
)


def show(planned: Plan) -> None:
    """Print the number of each kind of change, then the first of each."""
    click.echo("a run would cause")
    for kind, title, _ in SECTIONS:
        click.echo(f"  {planned.counts.get(kind, 0):>8} {title}")
    if planned.left:
        click.echo(f"  {planned.left:>8} not known: another transaction has locked their rows")
    for kind, _, _ in SECTIONS:
        show_items(planned, kind)


def show_items(planned: Plan, kind: str) -> None:
    """Print the first items of one kind."""
    [(title, text)] = [(title, text) for name, title, text in SECTIONS if name == kind]
    items = planned.items.get(kind, ())
    if items:
        click.echo(title)
    for item in items:
        click.echo(f"  {text(item)}")
    if planned.counts.get(kind, 0) > len(items):
        click.echo(f"  ... and more; only the first {MAX_SHOWN} are shown")


def confirm_bans(planned: Plan, *, yes: bool, max_bans: int | None) -> None:
    """Ask before a run that bans logins. Without a terminal, `yes` is needed.

    Raises NotPossible if there are more bans than the limit (`too_many_bans`), or if there is no terminal
    (`not_confirmed`).
    """
    if not planned.bans:
        return
    limit = planned.most_bans if max_bans is None else max_bans
    if planned.bans > limit:
        detail = (
            f"Logins that the run would ban: {planned.bans}. The limit is {limit}. Nothing was changed. See the names"
            f" with --dry-run. If all of these people have left, run again with --max-bans {planned.bans}."
        )
        raise NotPossible("too_many_bans", detail)
    if yes:
        return
    if not sys.stdin.isatty():
        detail = (
            f"Logins that the run would ban: {planned.bans}. There is no terminal to ask for a confirmation. Nothing"
            " was changed. See the names with --dry-run, and run again with --yes."
        )
        raise NotPossible("not_confirmed", detail)
    if not output.is_json():
        show_items(planned, plan.BAN)
    output.ask(counted(planned.bans, "Ban {count} login?", "Ban {count} logins?"))
