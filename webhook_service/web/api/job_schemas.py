"""The schemas of the admin API's responses about bulk replays, the audit, reconcile and provision."""

from typing import Any

from marshmallow import fields

from webhook_service.ledger.plan import AUTH_EMAIL, BAN, EMAIL, LINK, NAME, ORPHAN, UNBAN, UNDECIDED
from webhook_service.web.api import provision
from webhook_service.web.api.described import JANE, described, moment, number, one_of, text
from webhook_service.web.api.schemas import Answer, ReplayedEvent

JOB_STATUS = "RUNNING: relays replay the events. DONE, CANCELLED, FAILED: it has ended."
KINDS = f"Kinds: {', '.join((LINK, NAME, EMAIL, ORPHAN, BAN, UNBAN, AUTH_EMAIL, UNDECIDED))}."


def counts(description: str, example: dict[str, int], **options: Any) -> fields.Dict:
    """Return a field with {name: count}."""
    return fields.Dict(
        keys=fields.String(),
        values=number("The count."),
        metadata=described(description, example),
        required=True,
        **options,
    )


class BulkReplayPreview(Answer):
    matched = number("The events and failed actions that match.", 1, required=True)
    actions = number("The failed actions among them, which would be due again.", 0, required=True)
    tried = number("The first events, which were replayed and rolled back.", 1, required=True)
    changed = number("The tried events that would change an employee.", 1, required=True)
    outcomes = counts("The number of tried events by outcome.", {"linked": 1})
    changes = fields.List(
        fields.Nested(ReplayedEvent), required=True, metadata=described("The first 100 that would change an employee.")
    )


class BulkReplayJob(Answer):
    id = number("The number of the bulk replay.", 3, required=True)
    filter = fields.Dict(keys=fields.String(), required=True, metadata=described("The filter.", {"status": "FAILED"}))
    requested_by = text("The admin who requested it.", "api:Ann", required=True)
    requested_at = moment("The time of the request.")
    status = one_of(("RUNNING", "DONE", "CANCELLED", "FAILED"), JOB_STATUS, "RUNNING", required=True)
    matched = number("The events and failed actions that matched at the start.", 400, required=True)
    up_to = number("The ledger id of the last of them.", 900, required=True)
    position = number("The ledger id up to which the rows are replayed.", 500, required=True)
    replayed = number("The number of replayed rows so far.", 200, required=True)
    changed = number("The replayed events that changed an employee.", 12, required=True)
    outcomes = counts("The number of replayed rows by outcome.", {"linked": 12})
    error_message = text("The reason of a failure as a sentence.", required=True, allow_none=True)
    cancelled_by = text("The admin who cancelled it.", required=True, allow_none=True)
    updated_at = moment("When its row last changed.")
    ended_at = moment("When it ended.", None, allow_none=True)


class BegunBulkReplay(Answer):
    dry_run = fields.Boolean(required=True, metadata=described("Whether this is only a preview.", False))
    matched = number("The events and failed actions that match.", 400, required=True)
    preview = fields.Nested(
        BulkReplayPreview, required=True, allow_none=True, metadata=described("The effects, if `dry_run`.")
    )
    bulk_replay = fields.Nested(
        BulkReplayJob, required=True, allow_none=True, metadata=described("The bulk replay, unless `dry_run`.")
    )


class BulkReplays(Answer):
    bulk_replays = fields.List(
        fields.Nested(BulkReplayJob), required=True, metadata=described("Bulk replays, newest first.")
    )
    next_cursor = text("The `cursor` of the next page; null on the last page.", "3", required=True, allow_none=True)


class AuditEntry(Answer):
    id = number("The number of the entry; newer entries have higher numbers.", 17, required=True)
    at = moment("The time of the act.")
    who = text(
        "The admin: an e-mail, `admin key`, or a name from the API or the command line. A directory: `directory NAME`.",
        "api:Ann",
        required=True,
    )
    action = text("The act, in the imperative.", "link a login", required=True)
    target = text(
        "The object: event:ID, employee:ID, replay:ID or subscriber:NAME.", "employee:7", required=True, allow_none=True
    )
    details = fields.Dict(
        keys=fields.String(), required=True, metadata=described("Details of the act.", {"auth_user_id": JANE})
    )
    result = one_of(
        ("pending", "done", "refused", "unknown"),
        "pending: not ended yet. refused: nothing was changed. unknown: the act may have been done.",
        "done",
        required=True,
    )
    reason = text("Why it was refused, or its outcome.", required=True, allow_none=True)
    is_request = fields.Boolean(
        required=True, metadata=described("Whether it is a request of a directory that changed nothing.", False)
    )


class Audit(Answer):
    entries = fields.List(fields.Nested(AuditEntry), required=True, metadata=described("Entries, newest first."))
    next_cursor = text("The `cursor` of the next page; null on the last page.", "17", required=True, allow_none=True)


class PlannedChanges(Answer):
    counts = counts(f"The number of changes by kind. {KINDS}", {LINK: 1})
    items = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Dict(keys=fields.String(), metadata=described("A change."))),
        required=True,
        metadata=described(
            "The first 100 changes of each kind.",
            {LINK: [{"auth_user_id": JANE, "employee_id": 7, "email": "jane.doe@example.com", "changes": {}}]},
        ),
    )
    left = number(
        "Events whose effect is unknown, because another transaction has locked their rows.", 0, required=True
    )
    most_bans = number("The limit of bans without `max_bans`.", 20, required=True)


class Reconciled(Answer):
    dry_run = fields.Boolean(required=True, metadata=described("Whether nothing was changed.", True))
    users = number("The auth users that were compared.", 120, required=True)
    known = number("The last known states that were compared.", 120, required=True)
    failed = number("Events that had failed before. They are not differences.", 0, required=True)
    differences = counts("The number of differences by kind.", {"unknown": 1})
    planned = fields.Nested(PlannedChanges, required=True, metadata=described("The changes that a run makes."))
    outcomes = counts("The number of applied events by outcome.", {})
    left = number("Events that the relay applies later.", 0, required=True)


class Comparison(Answer):
    at = moment("The time of the comparison.")
    seconds = fields.Float(required=True, metadata=described("Its age.", 60.5))
    who = text("The admin or the process that compared.", "relay", required=True)
    is_dry = fields.Boolean(required=True, metadata=described("Whether the differences were only found.", False))
    users = number("The auth users that were compared.", 120, required=True)
    differences = counts("The number of differences by kind.", {"unknown": 1})
    planned = counts("The number of changes that a run would make, by kind.", {LINK: 1}, allow_none=True)
    shown = fields.List(
        fields.Dict(keys=fields.String(), metadata=described("A person, with the kind.")),
        required=True,
        metadata=described("The first differences, or people that a run would change."),
    )


class ReconcileRun(Answer):
    event_id = text("The run in the ledger.", "reconcile-17-9", required=True)
    status = one_of(("RUNNING", "DONE", "FAILED"), "The status of the run.", "DONE", required=True)
    requested_by = text("The admin or the process that began it.", "relay", required=True, allow_none=True)
    began_at = moment("The time of its start.")
    ended_at = moment("When it ended with success.", None, allow_none=True)
    error_message = text("The reason of a failure as a sentence.", required=True, allow_none=True)


class LastComparison(Answer):
    can_compare = fields.Boolean(required=True, metadata=described("Whether the database has auth.users.", True))
    comparison = fields.Nested(
        Comparison, required=True, allow_none=True, metadata=described("The last complete comparison.")
    )
    run = fields.Nested(
        ReconcileRun, required=True, allow_none=True, metadata=described("The newest run that corrects differences.")
    )


class ProvisionedEmployee(Answer):
    employee_id = number("The employee.", 7, required=True)
    email = text("The e-mail of the login.", "jane.doe@example.com", required=True, allow_none=True)
    status = one_of(
        provision.STATUSES,
        "would_create: only with `dry_run`. has_login: an existing auth user was linked, or another process created "
        "the login. refused: see `reason`. under_way: the relay finishes or undoes the login.",
        "created",
        required=True,
    )
    reason = text("The reason of a refusal.", required=True, allow_none=True)
    temporary_password = text("The password, without `invite`.", required=True, allow_none=True)


class Provisioned(Answer):
    dry_run = fields.Boolean(required=True, metadata=described("Whether nothing was created.", False))
    counts = counts("The number of employees by `status`.", {"created": 1})
    employees = fields.List(
        fields.Nested(ProvisionedEmployee), required=True, metadata=described("The employees, by `employee_id`.")
    )
    password_was_shown = fields.Boolean(
        required=True,
        metadata=described("Whether an earlier answer to the same `Idempotency-Key` had the passwords.", False),
    )
    ended_by = text(
        "The reason of the error that ended the request early, such as `auth_throttled`.",
        required=True,
        allow_none=True,
    )
    next_cursor = text(
        "The `cursor` of the next request; null if no employee is left.", "7", required=True, allow_none=True
    )


class LinkedLogin(Answer):
    employee_id = number("The employee.", 7, required=True)
    auth_user_id = fields.UUID(required=True, metadata=described("The login.", JANE))


class ChosenLogin(LinkedLogin):
    is_replayed = fields.Boolean(
        required=True, metadata=described("Whether the failed events of the login were replayed too.", True)
    )


class NewPassword(LinkedLogin):
    temporary_password = text("The password, which is never returned again.", required=True, allow_none=True)
    password_was_shown = fields.Boolean(
        required=True,
        metadata=described("Whether an earlier answer to the same `Idempotency-Key` had the password.", False),
    )
