"""The resources by which a client discovers this server (RFC 7643, 5 to 7)."""

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    External,
    Filter,
    Meta,
    Patch,
    Reference,
    Required,
    ResourceType,
    Schema,
    ServiceProviderConfig,
    Sort,
)

from webhook_service.scim.attributes import Attributes
from webhook_service.scim.models import models_of
from webhook_service.scim.queries import MOST_RESULTS


def service_provider_config(base: str, most_operations: int, most_bytes: int) -> ServiceProviderConfig:
    """Return the features of the server. `most_operations` and `most_bytes` limit a bulk request."""
    scheme = AuthenticationScheme(
        type=AuthenticationScheme.Type.oauthbearertoken,
        name="Bearer token",
        description="A token of `webhook-service scim-token create`, in the header Authorization.",
        spec_uri=Reference[External]("https://www.rfc-editor.org/info/rfc6750"),
        primary=True,
    )
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=most_operations, max_payload_size=most_bytes),
        filter=Filter(supported=True, max_results=MOST_RESULTS),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[scheme],
        meta=Meta(resource_type="ServiceProviderConfig", location=f"{base}/ServiceProviderConfig"),
    )


def resource_types(attributes: Attributes, base: str) -> list[ResourceType]:
    """Return the types of resources. There are only users."""
    user = models_of(attributes.extra)[0]
    found = ResourceType.from_resource(user)
    found.description = user.to_schema().description
    found.meta = Meta(resource_type="ResourceType", location=f"{base}/ResourceTypes/{found.id}")
    return [found]


def schemas(attributes: Attributes, base: str) -> list[Schema]:
    """Return the core schema of users and its enterprise extension."""
    found = [model.to_schema() for model in models_of(attributes.extra)]
    for schema in found:
        schema.meta = Meta(resource_type="Schema", location=f"{base}/Schemas/{schema.id}")
    found[0].attributes = [
        each for each in found[0].attributes or () if each.name != "externalId"
    ]  # a common attribute
    emails = found[0]["emails"]
    emails.required = emails["value"].required = Required.true  # a PATCH that removes them has no effect
    return found
