//! A login, from the button to the claims, as every relying party should do it.
//! Standards: OpenID Connect Core 1.0 section 3.1.2 and 3.1.3; RFC 7636 section 4; RFC 9207 section 2.4.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Playground, chance,
    id_token::{Expected, Inspection},
    journey::{Failure, Journey, Parameter, Step},
    provider::{Answer, Provider},
};

/// A login while the browser is away. Each value is used for this one login only.
pub(super) struct Attempt {
    pub(super) state: String,
    nonce: String,
    verifier: String,
    provider: Provider,
    /// Where the browser is sent.
    pub(super) authorization_url: Url,
}

impl Attempt {
    /// Asks the bridge for its addresses, and writes the authorization request.
    pub(super) async fn begin(playground: &Playground, scopes: &[&str]) -> Result<Self, Failure> {
        let provider = Provider::discover(&playground.http, &playground.settings.issuer).await?;
        let (state, nonce, verifier) = (
            chance::unguessable(),
            chance::unguessable(),
            chance::unguessable(),
        );
        let mut authorization_url = provider.authorization_endpoint.clone();
        authorization_url
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &playground.settings.client_id)
            .append_pair("redirect_uri", playground.redirect_uri.as_str())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(Self {
            state,
            nonce,
            verifier,
            provider,
            authorization_url,
        })
    }

    /// Goes from the callback, whose `state` was found right, as far as it gets.
    pub(super) async fn finish(
        self,
        playground: &Playground,
        callback: &[(String, String)],
    ) -> Journey {
        let mut endpoint = self.authorization_url.clone();
        endpoint.set_query(None);
        let pairs = self.authorization_url.query_pairs();
        let mut journey = Journey {
            authorization_endpoint: endpoint.into(),
            authorization: pairs
                .map(|(name, value)| Parameter::front(&name, &value))
                .collect(),
            callback: callback
                .iter()
                .map(|(name, value)| Parameter::front(name, value))
                .collect(),
            token: None,
            id_token: None,
            userinfo: None,
            outcome: Ok(Map::new()),
        };
        journey.outcome = self.walk(playground, callback, &mut journey).await;
        journey
    }

    async fn walk(
        &self,
        playground: &Playground,
        callback: &[(String, String)],
        journey: &mut Journey,
    ) -> Result<Map<String, Value>, Failure> {
        let code = code(callback, &self.provider)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", playground.redirect_uri.as_str()),
            ("code_verifier", &self.verifier),
        ];
        let (exchange, answer) = self
            .provider
            .exchange(&playground.http, &playground.settings, &form)
            .await?;
        journey.token = Some(exchange);
        let (access_token, id_token) = tokens(&answer)?;

        let keys = self.provider.keys(&playground.http).await?;
        let inspection = Inspection::of(
            &id_token,
            &keys,
            &Expected {
                issuer: &self.provider.issuer,
                client_id: &playground.settings.client_id,
                nonce: &self.nonce,
                access_token: &access_token,
                now: chance::now(),
            },
        );
        let inspection = journey.id_token.insert(inspection);
        if let Some((check, reason)) = inspection.first_failure() {
            let explanation =
                format!("{check}: {reason}. An app must refuse such a token, so we did.");
            return Err(Failure::ours(
                Step::IdToken,
                "The ID token cannot be trusted",
                explanation,
            ));
        }
        let mut claims = inspection.claims.clone();

        let (exchange, answer) = self
            .provider
            .userinfo(&playground.http, &access_token)
            .await?;
        journey.userinfo = Some(exchange);
        claims.extend(userinfo_claims(&answer, claims.get("sub"))?);
        Ok(claims)
    }
}

/// RFC 7636 section 4.2.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// A value of the callback; `None` also when it was said twice, for then it means nothing.
pub(super) fn single<'a>(callback: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = callback.iter().filter(|(found, _)| found == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        (Some(_) | None, Some(_)) | (None, None) => None,
    }
}

/// Who answers is asked before what is answered, or a mix-up could pass as an error. RFC 9207 section 2.4.
fn code<'a>(callback: &'a [(String, String)], provider: &Provider) -> Result<&'a str, Failure> {
    let says = |name: &str| callback.iter().any(|(found, _)| found == name);
    let stop = |explanation: &str| {
        Failure::ours(Step::Callback, "The answer cannot be trusted", explanation)
    };
    match single(callback, "iss") {
        Some(issuer) if issuer == provider.issuer => {}
        None if !says("iss") && !provider.names_itself => {}
        Some(_) => {
            return Err(stop(
                "It came from another provider than the one that we asked.",
            ));
        }
        None => {
            return Err(stop(
                "It does not say who answers, though this provider always does.",
            ));
        }
    }
    if says("error") {
        let error = single(callback, "error").unwrap_or("invalid_request");
        return Err(Failure::theirs(
            Step::Callback,
            error,
            single(callback, "error_description"),
        ));
    }
    single(callback, "code").ok_or_else(|| stop("It holds neither one code nor an error."))
}

/// The access token and the ID token. RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3.
fn tokens(answer: &Answer) -> Result<(String, String), Failure> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(error) = member("error") {
        return Err(Failure::theirs(
            Step::Token,
            error,
            member("error_description"),
        ));
    }
    let bearer = member("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    match (answer.status, member("access_token"), member("id_token")) {
        (200, Some(access), Some(id)) if bearer => Ok((access.to_owned(), id.to_owned())),
        (status, _, _) => Err(Failure::ours(
            Step::Token,
            "There were no tokens",
            format!(
                "The token endpoint answered {status}, without a bearer access token and an ID token."
            ),
        )),
    }
}

/// Claims about somebody else are worse than none. OpenID Connect Core section 5.3.2.
fn userinfo_claims(answer: &Answer, sub: Option<&Value>) -> Result<Map<String, Value>, Failure> {
    let stop = |explanation: String| {
        Failure::ours(
            Step::Userinfo,
            "The claims could not be fetched",
            explanation,
        )
    };
    match (answer.status, serde_json::from_str(&answer.body)) {
        (200, Ok(Value::Object(claims))) if claims.get("sub") == sub => Ok(claims),
        (200, Ok(_)) => Err(stop(
            "They belong to another person than the ID token (sub).".to_owned(),
        )),
        (status, _) => Err(stop(format!(
            "The userinfo endpoint answered {status}, or not with JSON."
        ))),
    }
}
