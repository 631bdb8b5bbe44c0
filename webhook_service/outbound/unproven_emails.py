"""Reads Auth's setting `mailer_autoconfirm`, with which Auth confirms e-mails without proof.

The database keeps the setting, because it links auth users to employees.
"""

import logging

from webhook_service.errors import AuthRefused, AuthThrottled, AuthUnavailable
from webhook_service.loops import PassResult
from webhook_service.policy import Policy
from webhook_service.ports import AuthSettings, Database

log = logging.getLogger(__name__)

POLL_SECONDS = 300.0
KEY_REFUSED = "auth_key_refused"


def run_once(database: Database, auth: AuthSettings | None, policy: Policy) -> PassResult:
    """Store Auth's setting and this service's, and whether Auth answered.

    If Auth cannot be read, the database keeps the last known setting.

    `auth` is None if Auth is not configured. Raises Unavailable, DatabaseError.
    """
    autoconfirm = None
    if auth is not None:
        failure = None
        try:
            autoconfirm = auth.confirms_without_proof()
        except (AuthUnavailable, AuthRefused) as error:
            is_answer = isinstance(error, AuthThrottled | AuthRefused) and error.reason != KEY_REFUSED
            failure = None if is_answer else error.reason
            log.warning("the settings of Auth cannot be read", extra={"reason": error.reason})
        database.call("auth_sync_note_auth_v1", p_error=failure)
    if autoconfirm and not policy.link_unproven_emails:
        log.warning("Auth confirms e-mails without proof: auth users are linked by employee number only")
    database.call(
        "auth_sync_note_autoconfirm_v1", p_autoconfirm=autoconfirm, p_link_unproven=policy.link_unproven_emails
    )
    return PassResult()
