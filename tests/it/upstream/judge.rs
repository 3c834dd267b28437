//! One login under one misbehaviour, and everything that must be true of it afterwards.

use std::time::Duration;

use serde_json::{Map, Value};
use sgid_bridge::simulator::Misbehaviour;

use crate::support::app::{NONCE, PORTAL, STATE};
use crate::support::bridge::TestBridge;
use crate::support::tables::Tables;
use crate::support::visitor::{Returned, Visitor, Walk};

/// What most tests of this family ask for.
pub(super) const SCOPE: &str = "openid profile email myinfo.vehicles";
/// Longer than the breaker's pause.
pub(super) const A_PAUSE: Duration = Duration::from_secs(20);
/// No login may take longer than this, whatever sgID does.
const LIMIT: Duration = Duration::from_secs(10);
/// What only the simulated sgID says, and what an impostor of it says.
const UPSTREAM_TEXT: [&str; 6] = [
    "SIMULATED",
    "impostor.example",
    "x_simulated_error",
    "<script>",
    "TypeError",
    "somebody-else",
];
/// Claims of the protocol; the others are the person's.
const PROTOCOL_CLAIMS: [&str; 11] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "acr",
    "nonce",
    "at_hash",
    "jti",
];

/// How a login must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With the claims that were asked for, less these.
    Claims {
        /// Names of claims that the misbehaviour takes away.
        but_not: &'static [&'static str],
    },
    /// At the relying party, with this error.
    Error(&'static str),
    /// On our page, as no login can be told from the callback.
    Page(u16),
}

/// Every claim that was asked for.
pub(super) const ALL_CLAIMS: Outcome = Outcome::Claims { but_not: &[] };
/// Nobody can be trusted; trying again does not help.
pub(super) const UNTRUSTED: Outcome = Outcome::Error("server_error");
/// sgID is away; trying again may help.
pub(super) const UNAVAILABLE: Outcome = Outcome::Error("temporarily_unavailable");

/// Logs in while sgID does this, and says what was not as it must be.
pub(super) async fn judge(
    bridge: &TestBridge,
    misbehaviour: Misbehaviour,
    expected: Outcome,
) -> Result<(), String> {
    bridge.advance(A_PAUSE);
    bridge.sgid.behave(misbehaviour);
    let before = Sight::of(bridge).await;
    let url = PORTAL.authorization_url(bridge, SCOPE);
    let mut visitor = Visitor::new();
    let walk = tokio::time::timeout(LIMIT, visitor.walk(&url)).await;
    let after = Sight::of(bridge).await;
    bridge.sgid.behave(Misbehaviour::None);
    let walk = walk.map_err(|_| format!("took longer than {LIMIT:?}"))?;
    check(after.moved == 0, "a redirect of sgID was followed")?;
    check(
        after.token - before.token <= 1,
        "sgID's code was sent more than once",
    )?;
    check(
        after.userinfo - before.userinfo <= 1,
        "userinfo was asked more than once",
    )?;
    if matches!(walk, Walk::RelyingParty(_)) {
        check(after.waiting == before.waiting, "the login still waits")?;
        check(visitor.cookies.is_empty(), "the cookie stays")?;
    }
    match (walk, expected) {
        (Walk::RelyingParty(returned), Outcome::Claims { but_not }) => {
            check(returned.get("error").is_none(), &returned.url)?;
            judge_claims(bridge, &returned, but_not).await
        }
        (Walk::RelyingParty(returned), Outcome::Error(code)) => {
            check(after.rows == before.rows, "something was stored")?;
            judge_error(bridge, &returned, code)
        }
        (Walk::Page(page), Outcome::Page(status)) => {
            check(page.status == status, &format!("status {}", page.status))?;
            check(after.rows == before.rows, "something was stored")?;
            check(after.token == before.token, "the code was sent to sgID")?;
            check_is_ours(&page.body)
        }
        (Walk::RelyingParty(returned), Outcome::Page(_)) => {
            Err(format!("returned to {}", returned.url))
        }
        (Walk::Page(page), _) => Err(format!("a page, {}: {}", page.status, page.body)),
    }
}

fn judge_error(bridge: &TestBridge, returned: &Returned, code: &str) -> Result<(), String> {
    check(returned.url.starts_with(PORTAL.redirect_uri), &returned.url)?;
    check(returned.get("error") == Some(code), &returned.url)?;
    check(returned.get("code").is_none(), &returned.url)?;
    check(returned.get("state") == Some(STATE), &returned.url)?;
    check(returned.get("iss") == Some(&bridge.issuer), &returned.url)?;
    let description = returned.get("error_description").unwrap_or_default();
    check(!description.is_empty(), "nothing is explained")?;
    check_is_ours(&returned.url)?;
    check_is_ours(description)
}

async fn judge_claims(
    bridge: &TestBridge,
    returned: &Returned,
    but_not: &[&str],
) -> Result<(), String> {
    check(returned.get("state") == Some(STATE), &returned.url)?;
    check(returned.get("iss") == Some(&bridge.issuer), &returned.url)?;
    let tokens = PORTAL.redeem(bridge, returned.code()).await;
    check(tokens.status == 200, &tokens.body)?;
    let response = tokens.json();
    let id_token = response["id_token"].as_str().unwrap();
    let claims = PORTAL.verify(bridge, id_token, Some(NONCE)).await;
    let claims = of_the_person(&claims);
    let mut expected = of_the_citizen();
    expected.retain(|name, _| !but_not.contains(&name.as_str()));
    check(claims == expected, &format!("claims {claims:?}"))
}

/// What [`SCOPE`] gives of the persona `citizen`.
fn of_the_citizen() -> Map<String, Value> {
    let claims = serde_json::json!({
        "name": "SAMPLE TAN MEI LING",
        "birthdate": "1990-02-03",
        "gender": "female",
        "email": "mei.ling@citizen.example",
        "email_verified": false,
        "myinfo.vehicles": [{ "vehicle_number": "SXX0001A" }],
    });
    claims.as_object().unwrap().clone()
}

/// The claims of an ID token or userinfo answer that are about the person.
pub(super) fn of_the_person(claims: &Value) -> Map<String, Value> {
    let mut claims = claims.as_object().unwrap().clone();
    claims.retain(|name, _| !PROTOCOL_CLAIMS.contains(&name.as_str()));
    claims
}

/// What can be seen from outside before and after a login.
struct Sight {
    waiting: i64,
    rows: i64,
    token: u64,
    userinfo: u64,
    moved: u64,
}

impl Sight {
    async fn of(bridge: &TestBridge) -> Self {
        let mut tables = Tables::open(&bridge.database_url).await;
        let rows = tables.count("authorization_code").await + tables.count("access_token").await;
        let requests = bridge.sgid.requests();
        Self {
            waiting: tables.count("login").await,
            rows,
            token: requests.token,
            userinfo: requests.userinfo,
            moved: requests.moved,
        }
    }
}

fn check_is_ours(text: &str) -> Result<(), String> {
    let foreign = UPSTREAM_TEXT
        .iter()
        .find(|foreign| text.contains(**foreign));
    foreign.map_or(Ok(()), |foreign| {
        Err(format!("{foreign:?} stands in {text}"))
    })
}

fn check(holds: bool, otherwise: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| otherwise.to_owned())
}
