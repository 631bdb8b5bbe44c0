"""The stand-in for Supabase Auth, with those of Auth's actions that only tests ask for."""

from uuid import UUID, uuid4

from webhook_service.auth import stand_in
from webhook_service.auth.stand_in_users import Metadata

SSO_PROVIDER = {"provider": "sso:test", "providers": ["sso:test"]}


class Auth(stand_in.Auth):
    """Single sign-on, and what the service role writes into app_metadata."""

    def sso_sign_up(self, email: str, *, user_metadata: Metadata | None = None, id: UUID | None = None) -> UUID:
        """The first sign-in by SAML, with what the identity provider says. The e-mail may be another user's too."""
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
        """A repeated sign-in by SSO or OAuth, with what the identity provider says now."""
        with self._transaction():
            self.users.merge(user, "raw_user_meta_data", user_metadata or {})
            self.users.merge(user, "raw_app_meta_data", {})
            self.users.start_session(user)

    def set_app_metadata(self, user: UUID, app_metadata: Metadata) -> None:
        """Merges shallowly; None deletes a key."""
        self.users.merge(user, "raw_app_meta_data", app_metadata)
