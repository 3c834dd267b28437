//! Request objects by value: an authorization request that its client has signed. RFC 9101; OpenID Connect Core
//! section 6.1.

use serde_json::{Map, Value};

use super::assertion::seconds;
use super::client::ClientId;
use super::error::{ErrorCode, OAuthError};
use super::issuer::Issuer;
use super::parameters::Parameters;

/// How far the client's clock may be from ours, in seconds.
const LEEWAY_SECONDS: i64 = 30;

/// Members that speak of the object itself and stand for no parameter.
const OF_THE_OBJECT: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

/// Values of `typ` that a request object may have. RFC 9101 section 10.8 names the first.
const TYPES: [&str; 2] = ["oauth-authz-req+jwt", "jwt"];

/// The parameters of a request object whose signature by one of the client's keys was verified. `now` in seconds
/// since 1970.
///
/// The object is the whole request: what stands beside it is not read (RFC 9101 section 6.3).
///
/// # Errors
/// `invalid_request_object` says what is wrong with it.
pub fn parameters(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    client_id: &ClientId,
    issuer: &Issuer,
    now: i64,
) -> Result<Parameters, OAuthError> {
    let refuse = |description: &'static str| {
        Err(OAuthError::new(
            ErrorCode::InvalidRequestObject,
            description,
        ))
    };
    let kind = header.get("typ").and_then(Value::as_str);
    let kind = kind.map(str::to_ascii_lowercase);
    let kind = kind
        .as_deref()
        .map(|kind| kind.trim_start_matches("application/"));
    if header.contains_key("typ") && !kind.is_some_and(|kind| TYPES.contains(&kind)) {
        return refuse("typ of the request object must be oauth-authz-req+jwt");
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("client_id") != Some(client_id.as_str()) {
        return refuse("the request object must name the same client_id as the request");
    }
    if claims.contains_key("iss") && text("iss") != Some(client_id.as_str()) {
        return refuse("iss of the request object must be the client_id");
    }
    // A client assertion must not pass as a request object (RFC 9101 section 10.8).
    if text("sub") == Some(client_id.as_str()) {
        return refuse("sub of the request object must not be the client_id");
    }
    let is_us = |value: &Value| value == issuer.as_str();
    let names_us = |audience: &Value| match audience {
        Value::Array(several) => several.iter().any(is_us),
        one => is_us(one),
    };
    if claims
        .get("aud")
        .is_some_and(|audience| !names_us(audience))
    {
        return refuse("aud of the request object must be the issuer identifier of the bridge");
    }
    let is_over = |value| seconds(value).is_none_or(|at| at <= now - LEEWAY_SECONDS);
    if claims.get("exp").is_some_and(is_over) {
        return refuse("the request object has expired");
    }
    let is_early = |value| seconds(value).is_none_or(|at| at > now + LEEWAY_SECONDS);
    if ["nbf", "iat"]
        .iter()
        .any(|name| claims.get(*name).is_some_and(is_early))
    {
        return refuse("nbf and iat of the request object must not be in the future");
    }
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return refuse("a request object must not hold another one");
    }
    Ok(Parameters::of_members(claims).without(&OF_THE_OBJECT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn read(change: &Value, kind: &Value) -> Result<Parameters, OAuthError> {
        let mut claims = json!({
            "iss": "portal", "aud": "https://login.example.sg", "exp": NOW + 60,
            "client_id": "portal", "response_type": "code", "max_age": 5,
            "claims": {"userinfo": {"name": null}},
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({ "alg": "ES256", "typ": kind });
        parameters(
            header.as_object().unwrap(),
            claims.as_object().unwrap(),
            &ClientId::parse("portal").unwrap(),
            &Issuer::parse("https://login.example.sg").unwrap(),
            NOW,
        )
    }

    #[test]
    fn members_become_parameters() {
        let parameters = read(&json!({}), &json!("oauth-authz-req+jwt")).unwrap();
        assert_eq!(parameters.one("response_type"), Ok(Some("code")));
        assert_eq!(parameters.one("max_age"), Ok(Some("5")));
        assert_eq!(
            parameters.one("claims"),
            Ok(Some(r#"{"userinfo":{"name":null}}"#))
        );
        assert_eq!(parameters.one("iss"), Ok(None));
    }

    #[test]
    fn what_is_not_for_us_or_not_for_now_is_refused() {
        for change in [
            json!({"client_id": "other"}),
            json!({"iss": "other"}),
            json!({"sub": "portal"}),
            json!({"aud": "https://other.example"}),
            json!({"aud": []}),
            json!({"exp": NOW - 30}),
            json!({"exp": "never"}),
            json!({"nbf": NOW + 31}),
            json!({"request": "x"}),
            json!({"request_uri": "x"}),
        ] {
            let error = read(&change, &json!("JWT")).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequestObject, "{change}");
        }
        assert!(
            read(
                &json!({"aud": ["x", "https://login.example.sg"]}),
                &json!("jwt")
            )
            .is_ok()
        );
        assert!(read(&json!({}), &json!("logout+jwt")).is_err());
        assert!(read(&json!({}), &json!(1)).is_err());
    }
}
