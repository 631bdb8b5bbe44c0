"""The stand-in for Supabase Auth, with functions of Auth that only tests use."""

from uuid import UUID, uuid4

from webhook_service.auth import stand_in
from webhook_service.auth.stand_in_users import Metadata

SSO_PROVIDER = {"provider": "sso:test", "providers": ["sso:test"]}


class Auth(stand_in.Auth):
    """The stand-in with single sign-on, and with changes of app_metadata by the service role."""

    def sso_sign_up(self, email: str, *, user_metadata: Metadata | None = None, id: UUID | None = None) -> UUID:
        """The first sign-in by SAML, with the identity provider's claims. Another user may have the same e-mail."""
        user = id or uuid4()
        claims = {"sub": str(user), "email": email.lower(), "email_verified": False} | dict(user_metadata or {})
        with self._transaction():
            self.users.insert(
                user,
                email=email.lower(),
                is_sso_user=True,
                encrypted_password="",
                raw_app_meta_data=SSO_PROVIDER,
                raw_user_meta_data=claims,
            )
            self.users.update(user, role="authenticated")
            self.users.update(user, encrypted_password=None)
            self.users.merge(user, "raw_user_meta_data", claims)
            self.users.merge(user, "raw_app_meta_data", SSO_PROVIDER)
            self._confirm(user)
            self.users.start_session(user)
        return user

    def sso_sign_in(self, user: UUID, *, user_metadata: Metadata | None = None) -> None:
        """A repeated sign-in by SSO or OAuth, with the identity provider's current claims."""
        with self._transaction():
            self.users.merge(user, "raw_user_meta_data", user_metadata or {})
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def set_app_metadata(self, user: UUID, app_metadata: Metadata) -> None:
        """Merge the metadata shallowly. None deletes a key."""
        self.users.merge(user, "raw_app_meta_data", app_metadata)
