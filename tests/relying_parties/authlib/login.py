"""One login with Authlib, unchanged, in a Flask application, as a relying party
uses it. Settings come from the environment; prints one line of JSON, or fails
with the reason."""

import json
import os
import sys
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import parse_qsl, urljoin, urlsplit

import flask
import requests
from authlib.integrations.flask_client import OAuth

ISSUER = os.environ["ISSUER"]
REDIRECT_URI = os.environ["REDIRECT_URI"]


def application():
    """The relying party: Authlib does discovery, PKCE, state, nonce, the code
    exchange and the ID token's validation."""
    app = flask.Flask("relying party")
    app.secret_key = os.urandom(32)
    provider = OAuth(app).register(
        name="provider",
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ.get("CLIENT_SECRET") or None,
        server_metadata_url=ISSUER.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={
            "scope": os.environ["SCOPE"],
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": os.environ.get("CLIENT_AUTH") or "client_secret_basic",
        },
    )

    @app.get("/login")
    def login():
        extra = dict(parse_qsl(os.environ.get("EXTRA_AUTHORIZE", "")))
        return provider.authorize_redirect(REDIRECT_URI, **extra)

    @app.get("/callback")
    def callback():
        # Authlib leaves RFC 9207 to the application.
        metadata = provider.load_server_metadata()
        issuer = flask.request.args.get("iss")
        promised = metadata.get("authorization_response_iss_parameter_supported")
        if (issuer or promised) and issuer != metadata["issuer"]:
            raise ValueError(f"the answer is from {issuer}, not from {metadata['issuer']}")
        token = provider.authorize_access_token()
        claims = token["userinfo"]  # Authlib's name for the validated ID token
        userinfo = provider.userinfo(token=token)
        if userinfo["sub"] != claims["sub"]:
            raise ValueError("userinfo is about somebody else")
        return {
            "id_token_claims": claims,
            "userinfo": userinfo,
            "id_token": token["id_token"],
            "access_token": token["access_token"],
        }

    app.testing = True  # errors reach us instead of a page
    return app


def browse(url):
    """Follows redirects with cookies, as a browser does, up to the redirect URI."""
    session = requests.Session()
    session.trust_env = False
    # As browsers do on loopback.
    session.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
    for _ in range(20):
        response = session.get(url, allow_redirects=False, timeout=20)
        if not response.is_redirect:
            page = response.text[:2000]
            raise ValueError(f"the login stopped at {url} with status {response.status_code}:\n{page}")
        url = urljoin(url, response.headers["Location"])
        if urlsplit(url)[:3] == urlsplit(REDIRECT_URI)[:3]:
            return url
    raise ValueError(f"too many redirects, the last one to {url}")


def main():
    person = application().test_client()
    start = person.get("/login")
    callback = browse(start.headers["Location"])
    answer = person.get("/callback?" + urlsplit(callback).query)
    print(json.dumps(answer.get_json()))


try:
    main()
except Exception as error:
    import traceback

    traceback.print_exc()
    sys.exit(f"Authlib refused the login: {error}")
