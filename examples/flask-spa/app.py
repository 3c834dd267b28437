"""A favourite ice cream, and a login with the Singpass app: Flask and Authlib behind a page of plain JavaScript."""

import os
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, request, session
from joserfc.errors import JoseError

from sessions import Sessions

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = Path(os.environ["CLIENT_SECRET_FILE"]).read_text().strip()
APP_URL = os.environ.get("APP_URL", "http://localhost:5001")
# Where to listen; behind a reverse proxy that is not the port of APP_URL.
PORT = int(os.environ.get("PORT", "5001"))

REDIRECT_URI = APP_URL + "/api/redirect"
FLAVOURS = {"Vanilla", "Chocolate", "Strawberry", "Pandan", "Yam", "Blue pea"}

app = Flask(__name__)
app.session_interface = sessions = Sessions()
app.config["SESSION_COOKIE_SECURE"] = APP_URL.startswith("https://")
# Browsers let nobody but this very host set a cookie with this prefix, and want it on https only.
app.config["SESSION_COOKIE_NAME"] = "__Host-ice-cream" if APP_URL.startswith("https://") else "ice-cream"

bridge = OAuth(app).register(
    "bridge",
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    # The name, and nothing else: `profile` would bring date of birth and gender too.
    client_kwargs={"scope": "openid myinfo.name", "code_challenge_method": "S256", "default_timeout": 10},
)


@app.get("/")
def home():
    return app.send_static_file("index.html")


@app.get("/api/auth-url")
def auth_url():
    """Where the browser goes to log in."""
    flavour = request.args.get("icecream")
    if flavour not in FLAVOURS:
        abort(400, "icecream: not a flavour we have")
    if not sessions.has_room():
        abort(503)
    session.keep_for_login()
    # The flavour travels through the login and comes back. What nobody can guess is the random part beside it.
    state = urlencode({"icecream": flavour, "random": generate_token(32)})
    login = bridge.create_authorization_url(REDIRECT_URI, state=state)  # makes nonce and code verifier
    bridge.save_authorize_data(redirect_uri=REDIRECT_URI, **login)  # into the session, under this very state
    return {"url": login["url"]}


@app.get("/api/redirect")
def back_from_login():
    """Where the bridge sends the browser back to."""
    try:
        # RFC 9207, which Authlib leaves to us: an answer of somebody else's provider ends here.
        if request.args.get("iss") != ISSUER:
            raise AuthlibBaseError("wrong_issuer")
        # Finds the session's login by the whole state, redeems the code, and verifies the ID token: signature, issuer,
        # audience, expiry, nonce.
        tokens = bridge.authorize_access_token(
            claims_options={
                "iss": {"essential": True, "value": ISSUER},
                "aud": {"essential": True, "value": CLIENT_ID},
            }
        )
        person = bridge.userinfo(token=tokens)
        if person["sub"] != tokens["userinfo"]["sub"]:  # `userinfo` is Authlib's name for the ID token's claims
            raise AuthlibBaseError("userinfo_of_somebody_else")
    except (AuthlibBaseError, JoseError, requests.RequestException) as error:
        code = getattr(error, "error", None) or type(error).__name__
        app.logger.warning("login refused: %s", code)
        known = {"access_denied": "declined", "mismatching_state": "stale"}
        return redirect("/?problem=" + known.get(code, "failed"), 303)
    [flavour] = parse_qs(request.args["state"])["icecream"]  # ours, or the session would not have known it
    session.sign_in(
        # Kept, as the access token opens userinfo for ten minutes only and this session lasts longer.
        person={"sub": person["sub"], "name": person.get("myinfo.name"), "iceCream": flavour},
        tokens=tokens,
    )
    return redirect("/", 303)


@app.get("/api/userinfo")
def userinfo():
    """Who is logged in."""
    if "person" not in session:
        abort(401)
    return session["person"]


@app.post("/api/logout")
def logout():
    """Forgets the login. By POST, so that no link or picture on another site can do it."""
    tokens = session.get("tokens")
    session.clear()
    end_session = bridge.load_server_metadata().get("end_session_endpoint")
    if not tokens or not end_session:
        return "", 204
    # The bridge has a session of its own: the browser ends it there, and is sent back.
    hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": APP_URL + "/"}
    return {"url": end_session + "?" + urlencode(hint)}


@app.errorhandler(requests.RequestException)
def bridge_is_away(error):
    app.logger.warning("the bridge cannot be reached: %s", type(error).__name__)
    return "", 502


@app.after_request
def protect(response):
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.path.startswith("/api/"):
        response.headers["Cache-Control"] = "no-store"
    return response


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=PORT)
