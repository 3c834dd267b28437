//! Client authentication at the token endpoint: reading what was brought. RFC 6749 section 2.3.1;
//! OpenID Connect Core section 9.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::TokenError;
use crate::oidc::client::{AuthenticationMethod, ClientCredentials, ClientSecretHash};
use crate::oidc::error::OAuthError;
use crate::oidc::parameters::{Parameters, form_decode};

/// The credentials of a request, by whichever one method it used.
pub(super) fn credentials(
    request: &HttpRequest,
    form: &Parameters,
) -> Result<ClientCredentials, TokenError> {
    let in_form = form.one("client_secret")?;
    let named = form.one("client_id")?;
    if request.headers().get_all(AUTHORIZATION).count() > 1 {
        return Err(OAuthError::invalid_request("the Authorization header occurs twice").into());
    }
    let header = request.headers().get(AUTHORIZATION);
    let (method, client_id, secret) = match (header, in_form) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request(
                "the client authenticates twice: send the secret in the Authorization header or in the form, not both",
            )
            .into());
        }
        (Some(header), None) => {
            let (id, secret) = header
                .to_str()
                .ok()
                .and_then(basic)
                .ok_or(TokenError::InvalidClient { challenge: true })?;
            if named.is_some_and(|named| named != id) {
                return Err(OAuthError::invalid_request(
                    "client_id in the form and in the Authorization header differ",
                )
                .into());
            }
            (AuthenticationMethod::ClientSecretBasic, id, Some(secret))
        }
        (None, secret) => {
            let id = named.ok_or_else(|| {
                OAuthError::invalid_request(
                    "client_id is missing: authenticate with client_secret_basic, or send client_id in the form",
                )
            })?;
            let method = match secret {
                Some(_) => AuthenticationMethod::ClientSecretPost,
                None => AuthenticationMethod::None,
            };
            (
                method,
                id.to_owned(),
                secret.map(|secret| Zeroizing::new(secret.to_owned())),
            )
        }
    };
    Ok(ClientCredentials {
        method,
        client_id,
        secret: secret.map(|secret| ClientSecretHash::of(&secret)),
    })
}

/// Identifier and secret, each form-encoded before they were joined. RFC 6749 section 2.3.1.
fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let at = joined.iter().position(|&byte| byte == b':')?;
    let id = form_decode(&joined[..at]).ok()?;
    let secret = Zeroizing::new(form_decode(&joined[at + 1..]).ok()?);
    Some((id, secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifier_and_secret_are_form_decoded() {
        let header = format!("bAsIc {}", STANDARD.encode("a%3Ab+c:s%2Fe%25"));
        let (id, secret) = basic(&header).unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("a:b c", "s/e%"));
        assert!(basic("Bearer abc").is_none());
        assert!(basic(&format!("Basic {}", STANDARD.encode("no colon"))).is_none());
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "(Basic )?.{0,80}") {
            let _ = basic(&text);
        }
    }
}
