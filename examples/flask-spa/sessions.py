"""Sessions that stay on the server: the browser holds a random name of one, and nothing else.

Flask's own sessions are signed and travel in the cookie, where whoever has the browser can read them. The code verifier
and the tokens of a login should not be there. A real app would keep this table in its database.
"""

import secrets
import time

from flask.sessions import SessionInterface, SessionMixin

SIGNING_IN = 10 * 60  # seconds that a login may take; the bridge's own limit is the same
SIGNED_IN = 8 * 60 * 60
MOST = 10_000  # sessions at once, so that strangers cannot fill the memory


class Session(dict, SessionMixin):
    """What the server remembers of one browser."""

    def __init__(self):
        super().__init__()
        self.name = None  # until it is kept
        self.former_name = None  # until that is forgotten
        self.expires_at = 0

    def keep_for_login(self):
        """Lasts until a login that begins now has ended, one way or another."""
        self.expires_at = max(self.expires_at, time.time() + SIGNING_IN)

    def sign_in(self, **content):
        """Starts afresh under another name: whoever planted the old one in this browser is left with nothing."""
        self.clear()
        self.update(content)
        self.former_name, self.name = self.name, None
        self.expires_at = time.time() + SIGNED_IN


class Sessions(SessionInterface):
    """The table of sessions, and the cookie that names one."""

    def __init__(self):
        self._kept = {}

    def has_room(self):
        now = time.time()
        for name, session in list(self._kept.items()):
            if session.expires_at < now:
                self._kept.pop(name, None)
        return len(self._kept) < MOST

    def open_session(self, app, request):
        session = self._kept.get(request.cookies.get(self.get_cookie_name(app)))
        if session is None or session.expires_at < time.time():
            return Session()
        return session

    def save_session(self, app, session, response):
        if session.former_name:
            self._kept.pop(session.former_name, None)
            session.former_name = None
        if not session:
            if session.name:
                self._kept.pop(session.name, None)
                response.delete_cookie(**self._cookie(app))
        elif session.name is None:
            session.name = secrets.token_urlsafe(32)
            self._kept[session.name] = session
            response.set_cookie(value=session.name, **self._cookie(app))

    def _cookie(self, app):
        return {
            "key": self.get_cookie_name(app),
            "httponly": True,
            "secure": self.get_cookie_secure(app),
            # Lax, not Strict: the person comes back from another site, and must be recognised.
            "samesite": "Lax",
        }
