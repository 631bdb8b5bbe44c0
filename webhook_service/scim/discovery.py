"""The resources by which a client discovers this server (RFC 7643, 5 to 7)."""

from webhook_service.events import Json
from webhook_service.scim.attributes import CORE, ENTERPRISE, REQUIRED, Attribute, Attributes
from webhook_service.scim.queries import MOST_RESULTS

CONFIG_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

DESCRIPTIONS = {
    "userName": "The directory's own login name of the user. It is the e-mail if the directory sends no emails.",
    "name.givenName": "The first name.",
    "name.familyName": "The last name.",
    "active": "Whether the employee works here. The login of an inactive employee is disabled. A new user is active.",
    "externalId": "The directory's own name for the user. Each directory has its own.",
    "employeeNumber": "The employee number, by which a user is matched to an employee before the e-mail.",
}
NAMES = {CORE: "User", ENTERPRISE: "EnterpriseUser"}
TEXTS = {CORE: "An employee", ENTERPRISE: "The employee's place in the company"}


def service_provider_config(base: str, most_operations: int, most_bytes: int) -> dict[str, Json]:
    """Return the features of the server. `most_operations` and `most_bytes` limit a bulk request."""
    scheme = {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "A token of `webhook-service scim-token create`, in the header Authorization.",
        "specUri": "https://www.rfc-editor.org/info/rfc6750",
        "primary": True,
    }
    return {
        "schemas": [CONFIG_URN],
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": most_operations, "maxPayloadSize": most_bytes},
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [scheme],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def resource_types(base: str) -> list[dict[str, Json]]:
    """Return the types of resources. There are only users."""
    user = {
        "schemas": [TYPE_URN],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": TEXTS[CORE],
        "schema": CORE,
        "schemaExtensions": [{"schema": ENTERPRISE, "required": False}],
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/User"},
    }
    return [user]


def schemas(attributes: Attributes, base: str) -> list[dict[str, Json]]:
    """Return the core schema of users and its enterprise extension."""
    return [
        {
            "schemas": [SCHEMA_URN],
            "id": urn,
            "name": NAMES[urn],
            "description": TEXTS[urn],
            "attributes": definitions(attributes, urn),
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{urn}"},
        }
        for urn in (CORE, ENTERPRISE)
    ]


def definitions(attributes: Attributes, urn: str) -> list[dict[str, Json]]:
    """Return the definitions of the attributes of a schema. The common attributes id, externalId and meta have none."""
    found: list[dict[str, Json]] = []
    complex_: dict[str, list[dict[str, Json]]] = {}
    for attribute in attributes.all:
        if attribute.schema != urn or not attribute.is_writable or attribute.place == "external_id":
            continue
        parent, _, sub = attribute.path.partition(".")
        if not sub:
            found.append(definition(parent, attribute))
            continue
        if parent not in complex_:
            complex_[parent] = []
            found.append(plain(parent, "complex", "The parts of the name.") | {"subAttributes": complex_[parent]})
        complex_[parent].append(definition(sub, attribute))
    return [*found, emails()] if urn == CORE else found


def definition(name: str, attribute: Attribute) -> dict[str, Json]:
    """Return the definition of an attribute without sub-attributes."""
    text = DESCRIPTIONS.get(attribute.path, "A column of the employee (SCIM_ATTRIBUTES).")
    found = plain(name, "boolean" if attribute.kind == "boolean" else "string", text)
    unique = {"uniqueness": "server"} if attribute.place in ("user_name", "employee_number") else {}
    return found | {"required": attribute.place in REQUIRED} | unique


def emails() -> dict[str, Json]:
    """Return the definition of the e-mails."""
    parts = [
        plain("value", "string", "The address.") | {"required": True},
        plain("type", "string", "The type.") | {"canonicalValues": ["work", "home", "other"]},
        plain("primary", "boolean", "Whether the address is the primary one."),
    ]
    text = (
        "The e-mail of the employee. An employee has one: the primary value, else the one of the type work, else the"
        " first. The others are ignored. A new user without any has the e-mail of the userName."
    )
    return plain("emails", "complex", text) | {"multiValued": True, "required": True, "subAttributes": parts}


def plain(name: str, kind: str, description: str) -> dict[str, Json]:
    """Return a definition with the usual characteristics."""
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": description,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }


def list_response(resources: list[dict[str, Json]], total: int, start: int = 1) -> dict[str, Json]:
    """Return a page of a list, of which `total` resources exist and the first of the page has the index `start`."""
    return {
        "schemas": [LIST_URN],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
