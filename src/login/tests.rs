//! The moves of a login and of a session, without a server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::authorization::{AuthorizationRequest, RawAuthorizationRequest};
use crate::oidc::claims::Claims;
use crate::oidc::client::{
    AuthenticatedClient, Client, ClientCredentials, ClientSecretHash, Proof,
};
use crate::oidc::issuer::Issuer;
use crate::oidc::metadata::{ClientMetadata, Offered};
use crate::oidc::parameters::Parameters;
use crate::oidc::scope::ScopeSet;
use crate::oidc::subject::PairwiseSecret;
use crate::secret::randomness;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SECRET: &str = "a-secret-of-the-tests-that-is-long-enough";
const CALLBACK: &str = "https://app.example.sg/callback";

fn pairwise() -> PairwiseSecret {
    PairwiseSecret::new([7; 32])
}

fn client(change: &[(&str, Value)]) -> Arc<Client> {
    let mut metadata = json!({
        "client_id": "app", "redirect_uris": [CALLBACK], "require_pkce": false, "require_nonce": false,
        "scope": "openid profile email offline_access",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    for (name, value) in change {
        metadata[*name] = value.clone();
    }
    let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
    let offered = Offered {
        upstreams: &["sgid".to_owned()],
        signing_algorithms: &SigningAlgorithm::ALL,
    };
    let has_secret = metadata.token_endpoint_auth_method.has_secret();
    let secrets = if has_secret {
        vec![ClientSecretHash::of(SECRET)]
    } else {
        Vec::new()
    };
    Arc::new(metadata.admit(secrets, &offered).unwrap())
}

fn authenticated(client: &Arc<Client>) -> AuthenticatedClient {
    let credentials = ClientCredentials {
        client_id: client.client_id().to_string(),
        proof: Proof::Basic(ClientSecretHash::of(SECRET), None),
    };
    client.authenticate(&credentials).unwrap()
}

fn request(client: &Client, more: &str) -> AuthorizationRequest {
    let query = format!("response_type=code&redirect_uri={CALLBACK}&scope=openid{more}");
    let parameters = Parameters::parse(query.as_bytes()).unwrap();
    let issuer = Issuer::parse("https://login.example.sg").unwrap();
    let return_to = client.return_address(Some(CALLBACK), None, None, &issuer);
    let raw = RawAuthorizationRequest::new(&parameters);
    client.admit(&raw, return_to.unwrap()).unwrap()
}

fn identity(subject: &str) -> Identity {
    let mut claims = Claims::none();
    for (name, value) in [
        ("name", "TAN"),
        ("birthdate", "1990"),
        ("email", "a@b.example"),
    ] {
        claims.add(name, value.into());
    }
    claims.add("email_verified", false.into());
    let subject = UpstreamSubject::new(subject.to_owned());
    Identity::verified("https://sgid.example/v2".to_owned(), subject, claims)
}

fn names(claims: &Claims) -> BTreeSet<&str> {
    claims.names().collect()
}

fn grant(client: &Client, more: &str) -> Grant {
    let attempt = UpstreamAttempt::generate(&mut randomness());
    let login = Login::begin(&request(client, more), "sgid", attempt, NOW);
    let terms = Terms {
        by_scope: ["name", "birthdate"].map(str::to_owned).into(),
        membership: None,
        at: NOW,
    };
    login.granted(identity("u=1"), client, &pairwise(), terms)
}

fn redeem(client: &Arc<Client>, more: &str) -> Redeemed {
    let allowed = ["name", "birthdate", "email", "email_verified"]
        .map(str::to_owned)
        .into();
    let grant = grant(client, more);
    grant
        .redeem(&authenticated(client), Some(CALLBACK), None, &allowed)
        .unwrap()
}

#[test]
fn claims_by_scope_and_by_name_go_where_they_belong() {
    let asked = "%20profile&claims=%7B%22id_token%22%3A%7B%22email%22%3Anull%7D%7D";
    let client = client(&[("claims_in", json!(["userinfo"]))]);
    let redeemed = redeem(&client, asked);
    let id_token = redeemed.id_token_claims();
    assert_eq!(names(&id_token), ["email", "email_verified"].into());
    let access = redeemed.access(NOW, NOW.after(Duration::from_mins(1)));
    assert_eq!(names(&access.claims), ["birthdate", "name"].into());
}

#[test]
fn a_refresh_brings_what_the_login_brought_and_never_more() {
    let client = client(&[]);
    let redeemed = redeem(&client, "%20profile%20offline_access");
    let refreshable = redeemed.refreshable().unwrap();
    let allowed: BTreeSet<String> = ["name".to_owned()].into();
    let refreshed = refreshable
        .clone()
        .refresh(&authenticated(&client), None, &allowed)
        .unwrap();
    assert_eq!(names(&refreshed.id_token_claims()), ["name"].into());
    assert_eq!(refreshed.auth_time(), NOW);
    assert_eq!(refreshed.nonce(), None);
    let wider = ScopeSet::parse("openid email").unwrap();
    let wider = Narrower {
        scope: wider,
        by_scope: BTreeSet::new(),
    };
    let refused = refreshable
        .clone()
        .refresh(&authenticated(&client), Some(wider), &allowed);
    assert_eq!(refused.unwrap_err(), NotRefreshable::Scope);
    let plain = self::client(&[("grant_types", json!(["authorization_code"]))]);
    let refused = refreshable.refresh(&authenticated(&plain), None, &allowed);
    assert_eq!(refused.unwrap_err(), NotRefreshable::OtherClient);
    assert!(redeem(&plain, "%20offline_access").refreshable().is_none());
    assert!(redeem(&client, "%20profile").refreshable().is_none());
}

const A_DAY: Duration = Duration::from_hours(24);

fn begin(subject: &str, upstream: &str) -> Session {
    Session::begin(&identity(subject), upstream, NOW, NOW.after(A_DAY))
}

fn session(client: &Client, scope: &str) -> Session {
    let mut session = begin("u=1", "sgid");
    let scope = ScopeSet::parse(scope).unwrap();
    session.join(client, &scope, &mut randomness());
    session
}

fn answer(
    session: &Session,
    client: &Client,
    more: &str,
    needs_data: bool,
) -> Result<(), MustInteract> {
    let secret = pairwise();
    let silence = Silence {
        needs_data,
        hinted: None,
        secret: &secret,
    };
    let now = NOW.after(Duration::from_mins(1));
    let id = LoginId::generate(&mut randomness());
    let request = request(client, more);
    session
        .answer(&request, client, silence, (id, now))
        .map(|grant| {
            assert_eq!(grant.granted.auth_time, NOW);
            assert_eq!(names(&grant.granted.claims), BTreeSet::new());
        })
}

#[test]
fn a_session_answers_for_the_same_client_and_nothing_more() {
    let app = client(&[]);
    let session = session(&app, "openid");
    assert_eq!(answer(&session, &app, "", false), Ok(()));
    assert_eq!(answer(&session, &app, "&prompt=none", false), Ok(()));
    assert_eq!(answer(&session, &app, "&max_age=60", false), Ok(()));
    assert_eq!(
        answer(&session, &app, "&max_age=59", false),
        Err(MustInteract::SignIn)
    );
    assert_eq!(
        answer(&session, &app, "&max_age=0&prompt=none", false),
        Err(MustInteract::SignIn)
    );
    for prompt in ["login", "consent", "select_account"] {
        let more = format!("&prompt={prompt}");
        assert_eq!(
            answer(&session, &app, &more, false),
            Err(MustInteract::SignIn)
        );
    }
    assert_eq!(answer(&session, &app, "", true), Err(MustInteract::Share));
    assert_eq!(
        answer(&session, &app, "%20offline_access", false),
        Err(MustInteract::Agree)
    );
    let other = client(&[("client_id", json!("other"))]);
    assert_eq!(
        answer(&session, &other, "", false),
        Err(MustInteract::Agree)
    );
}

#[test]
fn a_session_answers_no_program_that_may_be_an_impostor() {
    let native = client(&[
        ("token_endpoint_auth_method", json!("none")),
        ("application_type", json!("native")),
        ("require_pkce", json!(true)),
        (
            "redirect_uris",
            json!(["http://127.0.0.1/callback", CALLBACK]),
        ),
        ("sector_identifier", json!("app.example.sg")),
    ]);
    let session = session(&native, "openid");
    let challenge =
        "&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(
        answer(&session, &native, challenge, false),
        Ok(()),
        "https is the app's own"
    );
    let loopback = "http://127.0.0.1:50999/callback";
    let query = format!("response_type=code&redirect_uri={loopback}&scope=openid{challenge}");
    let parameters = Parameters::parse(query.as_bytes()).unwrap();
    let issuer = Issuer::parse("https://login.example.sg").unwrap();
    let return_to = native
        .return_address(Some(loopback), None, None, &issuer)
        .unwrap();
    let raw = RawAuthorizationRequest::new(&parameters);
    let request = native.admit(&raw, return_to).unwrap();
    let secret = pairwise();
    let silence = Silence {
        needs_data: false,
        hinted: None,
        secret: &secret,
    };
    let id = LoginId::generate(&mut randomness());
    let answered = session.answer(&request, &native, silence, (id, NOW));
    assert_eq!(answered.err(), Some(MustInteract::BeSeen));
}

#[test]
fn a_session_answers_for_its_person_only() {
    let app = client(&[]);
    let session = session(&app, "openid");
    let secret = pairwise();
    let own = identity("u=1").subject_for(&app, &secret);
    let another = identity("u=2").subject_for(&app, &secret);
    for (hinted, outcome) in [(&own, None), (&another, Some(MustInteract::SignIn))] {
        let silence = Silence {
            needs_data: false,
            hinted: Some(hinted),
            secret: &secret,
        };
        let id = LoginId::generate(&mut randomness());
        let answered = session.answer(&request(&app, ""), &app, silence, (id, NOW));
        assert_eq!(answered.err(), outcome);
        let ended = session.ended_for(&app, &secret).unwrap();
        for (sid, fits) in [
            (None, true),
            (Some(&*ended.sid), true),
            (Some("other"), false),
        ] {
            let is_of = session.is_of((hinted, sid), &app, &secret);
            assert_eq!(is_of, fits && outcome.is_none());
        }
        let stranger = client(&[("client_id", json!("stranger"))]);
        assert!(
            !session.is_of((hinted, None), &stranger, &secret),
            "it is not in it"
        );
    }
    let named = format!(
        "&claims=%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22{}%22%7D%7D%7D",
        another.as_str()
    );
    assert_eq!(
        answer(&session, &app, &named, false),
        Err(MustInteract::SignIn)
    );
}

#[test]
fn a_session_goes_on_under_the_names_that_its_clients_know() {
    let (app, other) = (client(&[]), client(&[("client_id", json!("other"))]));
    let former = session(&app, "openid");
    let before = former.ended_for(&app, &pairwise()).unwrap();
    let mut fresh = begin("u=1", "sgid");
    assert!(!fresh.contradicts(&former));
    assert!(begin("u=2", "sgid").contradicts(&former));
    let elsewhere = begin("u=2", "two");
    assert!(
        !elsewhere.contradicts(&former),
        "who signed in elsewhere is nobody else"
    );
    fresh.succeed(former, NOW);
    let scope = ScopeSet::parse("openid").unwrap();
    let joined = fresh.join(&other, &scope, &mut randomness());
    let after = fresh.ended_for(&app, &pairwise()).unwrap();
    assert_eq!((&before.sid, &before.subject), (&after.sid, &after.subject));
    assert_ne!(joined.sid, after.sid, "no two clients share a name for it");
    assert_eq!(fresh.memberships().count(), 2);
    let over = NOW.after(A_DAY);
    for (now, stays) in [(over, false), (over.before(Duration::from_secs(1)), true)] {
        let mut elsewhere = begin("u=2", "two");
        elsewhere.succeed(self::session(&app, "openid"), now);
        let ended = elsewhere.ended_for(&app, &pairwise());
        assert_eq!(ended.is_some(), stays, "nobody outlives the longest life");
        assert_eq!(elsewhere.client_ids().count(), usize::from(stays));
    }
}
