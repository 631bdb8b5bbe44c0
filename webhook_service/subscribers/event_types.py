"""The types of the events that subscribers get. `auth_sync_event_types_v1` (deliveries.sql) decides them."""

from enum import StrEnum


class EventType(StrEnum):
    """The type of an event, which its payload has."""

    EMPLOYEE_LINKED = "employee.linked"
    EMPLOYEE_SYNCED = "employee.synced"
    EMPLOYEE_ORPHANED = "employee.orphaned"
    EMPLOYEE_DEACTIVATED = "employee.deactivated"
    EMPLOYEE_ACTIVATED = "employee.activated"
    EMPLOYEE_CREATED = "employee.created"
    LOGIN_DISABLED = "login.disabled"
    LOGIN_ENABLED = "login.enabled"
    LOGIN_EMAIL_UPDATED = "login.email_updated"
    LOGIN_CREATED = "login.created"


TEST = "subscriber.test"
"""The type of the event that `webhook-service subscribers test` sends. Every subscriber gets it."""

VERSION = 1
"""The version of the payload's format. A new key does not change it."""

MEANINGS = {
    EventType.EMPLOYEE_LINKED: "an employee got a login",
    EventType.EMPLOYEE_SYNCED: "values of the login were copied to the employee",
    EventType.EMPLOYEE_ORPHANED: "the login of an employee was deleted",
    EventType.EMPLOYEE_DEACTIVATED: "an employee who has a login was deactivated or deleted; the ban follows",
    EventType.EMPLOYEE_ACTIVATED: "an employee who has a login was activated",
    EventType.EMPLOYEE_CREATED: "an employee was created together with a login, by this service",
    EventType.LOGIN_DISABLED: "Auth confirmed the ban of a login",
    EventType.LOGIN_ENABLED: "Auth confirmed that a login is no longer banned",
    EventType.LOGIN_EMAIL_UPDATED: "Auth confirmed the new e-mail of a login",
    EventType.LOGIN_CREATED: "Auth created a login for an employee",
}
