//! Client authentication at the endpoints that only programs call. RFC 6749 section 2.3.1; RFC 7523 section 2.2;
//! OpenID Connect Core section 9.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::TokenError;
use super::incoming::{ClientAddress, RequestId};
use crate::bridge::{Bridge, NotByClient};
use crate::clock::Timestamp;
use crate::jose::claims_unverified;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::assertion::{self, AssertionError, ClientAssertion, JWT_BEARER};
use crate::oidc::client::{
    AuthenticatedClient, AuthenticationMethod, Client, ClientCredentials, ClientId,
    ClientSecretHash, InvalidClient, Proof,
};
use crate::oidc::error::OAuthError;
use crate::oidc::parameters::{Parameters, form_decode};

/// The client that sends a request, once it has proven itself by its one registered method.
pub(super) async fn authenticate(
    bridge: &Bridge,
    request: &HttpRequest,
    form: &Parameters,
    now: Timestamp,
) -> Result<AuthenticatedClient, TokenError> {
    let address = ClientAddress::of(request);
    let brought = match Brought::read(request, form) {
        Ok(brought) => brought,
        Err(error) => {
            // Credentials that cannot even be read count as a failure of nobody in particular.
            if matches!(error, TokenError::InvalidClient { .. }) {
                bridge.throttle.record_failure(address, "", now);
            }
            return Err(error);
        }
    };
    bridge
        .throttle
        .admit_attempt(address, &brought.client_id, now)?;
    let client = match ClientId::parse(&brought.client_id) {
        Some(id) => bridge.clients.find(&bridge.store, &id, now).await?,
        None => None,
    };
    let challenge = matches!(brought.evidence, Evidence::Proof(Proof::Basic(..)));
    let claimed = brought.client_id.clone();
    let reason = match prove(bridge, brought, client.as_ref(), now).await? {
        Ok(client) => return Ok(client),
        Err(reason) => reason,
    };
    bridge.throttle.record_failure(address, &claimed, now);
    // A name that no client has is a stranger's text, which the log does not repeat.
    let known = client.as_ref().map(|client| client.client_id().as_str());
    tracing::info!(target: "sgid_bridge::audit", event = "client_authentication", outcome = "refused", client.id = known, request.id = RequestId::of(request), "a client did not prove who it is");
    Err(TokenError::InvalidClient { challenge, reason })
}

async fn prove(
    bridge: &Bridge,
    brought: Brought,
    client: Option<&Arc<Client>>,
    now: Timestamp,
) -> Result<Result<AuthenticatedClient, InvalidClient>, TokenError> {
    let proof = match (brought.evidence, client) {
        (Evidence::Proof(proof), _) => proof,
        (Evidence::Assertion(assertion), Some(client)) => {
            match check_assertion(bridge, client, &assertion, now).await? {
                Ok(assertion) => Proof::Assertion(assertion),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        (Evidence::Assertion(_), None) => return Ok(Err(InvalidClient::Unproven)),
    };
    let credentials = ClientCredentials {
        client_id: brought.client_id,
        proof,
    };
    Ok(match client {
        Some(client) => client.authenticate(&credentials),
        None => Err(credentials.compare_with_nothing()),
    })
}

/// An assertion that this client signed, that is for us and for now, and that nobody has used. Until the signature is
/// known to be right, what is wrong is for the log alone.
async fn check_assertion(
    bridge: &Bridge,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<Result<ClientAssertion, InvalidClient>, TokenError> {
    let is_served = client.is_enabled() && client.method() == AuthenticationMethod::PrivateKeyJwt;
    let refused = |reason: &dyn std::fmt::Display| {
        tracing::info!(client.id = %client.client_id(), %reason, "a client assertion is not acceptable");
        Ok(Err(InvalidClient::Unproven))
    };
    if !is_served {
        return refused(&"this client is not registered for private_key_jwt");
    }
    let registered = client.token_endpoint_auth_signing_alg();
    let algorithms = registered.map_or(SigningAlgorithm::ALL.to_vec(), |only| vec![only]);
    let verified = match bridge.verify_by(client, assertion, &algorithms, now).await {
        Ok(verified) => verified,
        // Not the client's fault, and no failure that may bar it.
        Err(outage @ NotByClient::Keys(_)) => return Err(outage.into()),
        Err(reason) => return refused(&reason),
    };
    if !assertion::may_be_one(&verified.header) {
        return refused(&"its typ says that it is something else");
    }
    let checked = ClientAssertion::check(&verified.claims, &bridge.issuer, now.seconds());
    Ok(match checked {
        Err(reason) => Err(reason.into()),
        Ok(checked) if *checked.client_id() != *client.client_id() => {
            Err(AssertionError::Client.into())
        }
        Ok(checked) if bridge.store.use_assertion(&checked).await? => Ok(checked),
        Ok(_) => Err(AssertionError::Used.into()),
    })
}

/// What a request brings to prove who sends it, by whichever one method.
struct Brought {
    client_id: String,
    evidence: Evidence,
}

enum Evidence {
    Proof(Proof),
    /// Still to be verified.
    Assertion(String),
}

impl Brought {
    fn read(request: &HttpRequest, form: &Parameters) -> Result<Self, TokenError> {
        let secret = form.one("client_secret")?;
        let assertion = form.one("client_assertion")?;
        let kind = form.one("client_assertion_type")?;
        let named = form.one("client_id")?;
        if request.headers().get_all(AUTHORIZATION).count() > 1 {
            return Err(
                OAuthError::invalid_request("the Authorization header occurs twice").into(),
            );
        }
        let header = request.headers().get(AUTHORIZATION);
        let ways = [header.is_some(), secret.is_some(), assertion.is_some()];
        if ways.into_iter().filter(|is_used| *is_used).count() > 1 {
            return Err(OAuthError::invalid_request(
                "the client authenticates twice: use the Authorization header, the secret in the form, or an assertion, and only one of them",
            )
            .into());
        }
        if let Some(header) = header {
            return Self::by_header(header.to_str().unwrap_or_default(), named);
        }
        if let Some(assertion) = assertion {
            return Self::by_assertion(assertion, kind, named);
        }
        let client_id = named.ok_or(TokenError::NoCredentials)?;
        let proof = match secret {
            Some(secret) => Proof::Post(ClientSecretHash::of(secret)),
            None => Proof::Nothing,
        };
        Ok(Self {
            client_id: client_id.to_owned(),
            evidence: Evidence::Proof(proof),
        })
    }

    fn by_header(header: &str, named: Option<&str>) -> Result<Self, TokenError> {
        let unreadable = TokenError::InvalidClient {
            challenge: true,
            reason: InvalidClient::Unproven,
        };
        let basic = Basic::read(header).ok_or(unreadable)?;
        if named.is_some_and(|named| named != basic.client_id) {
            return Err(OAuthError::invalid_request(
                "client_id in the form and in the Authorization header differ",
            )
            .into());
        }
        let literal =
            (*basic.literal != *basic.secret).then(|| ClientSecretHash::of(&basic.literal));
        let proof = Proof::Basic(ClientSecretHash::of(&basic.secret), literal);
        Ok(Self {
            client_id: basic.client_id,
            evidence: Evidence::Proof(proof),
        })
    }

    /// Who signed an assertion stands in it, and only what it says there finds the keys that may believe it.
    fn by_assertion(
        assertion: &str,
        kind: Option<&str>,
        named: Option<&str>,
    ) -> Result<Self, TokenError> {
        if kind != Some(JWT_BEARER) {
            let expected = format!("client_assertion_type must be {JWT_BEARER}");
            return Err(OAuthError::invalid_request(expected).into());
        }
        let claims = claims_unverified(assertion)
            .ok_or_else(|| OAuthError::invalid_request("client_assertion must be a signed JWT"))?;
        let client_id = claims.get("sub").and_then(Value::as_str);
        let client_id = client_id.ok_or_else(|| {
            OAuthError::invalid_request("sub of the client_assertion must be the client_id")
        })?;
        if named.is_some_and(|named| named != client_id) {
            return Err(OAuthError::invalid_request(
                "client_id in the form and sub of the client_assertion differ",
            )
            .into());
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            evidence: Evidence::Assertion(assertion.to_owned()),
        })
    }
}

/// Identifier and secret of HTTP Basic.
struct Basic {
    client_id: String,
    /// Form-decoded, as RFC 6749 section 2.3.1 has clients encode it.
    secret: Zeroizing<String>,
    /// As it stands, for the many clients that do not: a secret with a plus sign would be another one.
    literal: Zeroizing<String>,
}

impl Basic {
    fn read(header: &str) -> Option<Self> {
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let joined = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
        let at = joined.iter().position(|&byte| byte == b':')?;
        let (id, secret) = (&joined[..at], &joined[at + 1..]);
        let literal = Zeroizing::new(std::str::from_utf8(secret).ok()?.to_owned());
        // What does not decode was not encoded.
        let decoded = form_decode(secret).map(Zeroizing::new);
        Some(Self {
            client_id: form_decode(id).ok()?,
            secret: decoded.unwrap_or_else(|_| literal.clone()),
            literal,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifier_and_secret_are_form_decoded_and_the_secret_kept_as_it_stands() {
        let header = format!("bAsIc {}", STANDARD.encode("a%3Ab+c:s%2Fe%25+"));
        let basic = Basic::read(&header).unwrap();
        assert_eq!((&*basic.client_id, &**basic.secret), ("a:b c", "s/e% "));
        assert_eq!(&**basic.literal, "s%2Fe%25+");
        let odd = Basic::read(&format!("Basic {}", STANDARD.encode("a:percent%ff"))).unwrap();
        assert_eq!(&**odd.secret, "percent%ff");
        assert!(Basic::read("Bearer abc").is_none());
        assert!(Basic::read(&format!("Basic {}", STANDARD.encode("no colon"))).is_none());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "(Basic )?.{0,80}") {
            let _ = Basic::read(&text);
        }
    }
}
