//! Logins, grants and accesses as the bridge makes them: through the moves of a login, from values that are easy to
//! find again.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use sgid_bridge::clock::Timestamp;
use sgid_bridge::login::{
    Access, Grant, Identity, Login, Membership, Redeemed, Refreshable, Session, Terms,
    UpstreamAttempt, UpstreamSubject,
};
use sgid_bridge::oidc::algorithm::SigningAlgorithm;
use sgid_bridge::oidc::authorization::RawAuthorizationRequest;
use sgid_bridge::oidc::claims::Claims;
use sgid_bridge::oidc::client::{Client, ClientCredentials, ClientSecretHash, Proof};
use sgid_bridge::oidc::issuer::Issuer;
use sgid_bridge::oidc::metadata::{ClientMetadata, Offered};
use sgid_bridge::oidc::parameters::Parameters;
use sgid_bridge::oidc::pkce::CodeVerifier;
use sgid_bridge::oidc::scope::ScopeSet;
use sgid_bridge::oidc::subject::PairwiseSecret;
use sgid_bridge::secret::{Bearer, BearerKind, RowId, randomness};
use sgid_bridge::store::Origin;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(super) const A_MINUTE: Duration = Duration::from_mins(1);
pub(super) const A_SECOND: Duration = Duration::from_secs(1);

/// What stands in the login, grant and access of this file, and must not be legible in a database.
pub(super) const PLANTED: [&str; 9] = [
    CLIENT_ID,
    REDIRECT_URI,
    STATE,
    NONCE,
    VERIFIER,
    UPSTREAM,
    UPSTREAM_SUBJECT,
    NRIC,
    NAME,
];

const CLIENT_ID: &str = "planted-client";
const CLIENT_SECRET: &str = "planted-client-secret";
const REDIRECT_URI: &str = "https://planted.example/callback";
const STATE: &str = "planted-state";
const NONCE: &str = "planted-nonce";
const VERIFIER: &str = "planted-verifier-planted-verifier-planted-verifier";
const UPSTREAM: &str = "planted-upstream";
const UPSTREAM_SUBJECT: &str = "planted-upstream-subject";
const NRIC: &str = "S1234567D";
const NAME: &str = "PLANTED PERSON";

/// A bearer value that nobody has held before.
pub(super) fn fresh<K: BearerKind>() -> Bearer<K> {
    Bearer::generate(&mut randomness())
}

/// A login that has begun.
pub(super) fn login() -> Login {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("scope", "openid profile offline_access")
        .append_pair("state", STATE)
        .append_pair("nonce", NONCE)
        .append_pair("code_challenge", verifier().challenge().as_str())
        .append_pair("code_challenge_method", "S256")
        .finish();
    let parameters = Parameters::parse(query.as_bytes()).unwrap();
    let raw = RawAuthorizationRequest::new(&parameters);
    let issuer = Issuer::parse("https://login.example.sg").unwrap();
    let client = client();
    let return_to = client.return_address(Some(REDIRECT_URI), None, Some(STATE), &issuer);
    let request = client.admit(&raw, return_to.unwrap()).unwrap();
    let attempt = UpstreamAttempt::generate(&mut randomness());
    Login::begin(&request, UPSTREAM, attempt, NOW)
}

/// What a person granted.
pub(super) fn grant() -> Grant {
    grant_in(None)
}

/// What a person granted in a session.
pub(super) fn grant_in(membership: Option<Membership>) -> Grant {
    let terms = Terms {
        by_scope: ["name", "sgid_nric_fin"].map(str::to_owned).into(),
        membership,
        at: NOW,
    };
    let secret = PairwiseSecret::new([7; 32]);
    login().granted(identity(), &client(), &secret, terms)
}

/// A session in which the person has logged in to the client, and how the client belongs to it.
pub(super) fn session() -> (Session, Membership) {
    let mut session = Session::begin(&identity(), UPSTREAM, NOW, NOW.after(A_MINUTE));
    let scope = ScopeSet::parse("openid profile").unwrap();
    let membership = session.join(&client(), &scope, &mut randomness());
    (session, membership)
}

/// What a refresh token keeps.
pub(super) fn refreshable() -> Refreshable {
    redeemed(grant()).refreshable().unwrap()
}

fn identity() -> Identity {
    let mut claims = Claims::none();
    claims.add("name", Value::from(NAME));
    claims.add("sgid_nric_fin", Value::from(NRIC));
    let issuer = "https://sgid.example/v2".to_owned();
    let subject = UpstreamSubject::new(UPSTREAM_SUBJECT.to_owned());
    Identity::verified(issuer, subject, claims)
}

/// What an access token opens, for a minute.
pub(super) fn access() -> Access {
    access_until(NOW.after(A_MINUTE))
}

/// What an access token opens, until then.
pub(super) fn access_until(expires_at: Timestamp) -> Access {
    redeemed(grant()).access(NOW, expires_at)
}

/// A token that came from this code, outside any session.
pub(super) fn origin(code: &RowId) -> Origin<'_> {
    Origin {
        code,
        session: None,
    }
}

/// Shows that the grant still is what its client may redeem.
pub(super) fn redeemed(grant: Grant) -> Redeemed {
    let client = std::sync::Arc::new(client());
    let credentials = ClientCredentials {
        client_id: CLIENT_ID.to_owned(),
        proof: Proof::Basic(ClientSecretHash::of(CLIENT_SECRET), None),
    };
    let authenticated = client.authenticate(&credentials).unwrap();
    let names = std::collections::BTreeSet::from(["name", "sgid_nric_fin"].map(str::to_owned));
    let redeemed = grant.redeem(
        &authenticated,
        Some(REDIRECT_URI),
        Some(&verifier()),
        &names,
    );
    redeemed.unwrap()
}

/// A registration as it is kept.
pub(super) fn metadata(client_id: &str) -> ClientMetadata {
    let registration = json!({
        "client_id": client_id,
        "client_name": "An app",
        "redirect_uris": [REDIRECT_URI],
        "upstream": UPSTREAM,
        "scope": "openid profile offline_access",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    serde_json::from_value(registration).unwrap()
}

/// Whether two values say the same: those that hold secrets cannot be compared by themselves.
pub(super) fn is_same<T: Serialize>(one: &T, other: &T) -> bool {
    serde_json::to_value(one).unwrap() == serde_json::to_value(other).unwrap()
}

fn client() -> Client {
    let offered = Offered {
        upstreams: &[UPSTREAM.to_owned()],
        signing_algorithms: &[SigningAlgorithm::Rs256],
    };
    let secrets = vec![ClientSecretHash::of(CLIENT_SECRET)];
    metadata(CLIENT_ID).admit(secrets, &offered).unwrap()
}

fn verifier() -> CodeVerifier {
    CodeVerifier::parse(VERIFIER).unwrap()
}
