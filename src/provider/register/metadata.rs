//! What a program submits as the registration of a client. RFC 7591 section 2; OpenID Connect Registration section 2.

use serde_json::{Map, Value, json};

use super::response::RegistrationError;
use crate::oidc::algorithm::{ContentEncryption, KeyManagementAlgorithm, SigningAlgorithm};
use crate::oidc::client::{AuthenticationMethod, GrantType};
use crate::oidc::metadata::ClientMetadata;
use crate::oidc::return_address::ResponseMode;

/// Members that decide about other people's data: whoever holds an initial access token sets them to begin with (a
/// `sector_identifier` by its document alone), and afterwards the operator alone.
const THE_OPERATORS: [&str; 5] = [
    "enabled",
    "nric_purpose",
    "upstream",
    "subject_type",
    "sector_identifier",
];

/// The members of a submitted registration that mean something here.
pub(super) struct Submitted(Map<String, Value>);

impl Submitted {
    /// Unknown members are ignored, as RFC 7591 section 2 has it.
    pub(super) fn parse(mut members: Map<String, Value>) -> Result<Self, RegistrationError> {
        check_response_types(members.get("response_types"))?;
        if members.contains_key("default_max_age") {
            return Err(RegistrationError::metadata(
                "default_max_age is not offered: send max_age with each request",
            ));
        }
        let is_kept = |name: &str| ClientMetadata::MEMBERS.contains(&name);
        members.retain(|name, value| is_kept(name) && !value.is_null());
        for choice in choices() {
            choice.check(&members)?;
        }
        Ok(Self(members))
    }

    /// What may be registered to begin with: in no sector that has not said so itself.
    pub(super) fn of_a_newcomer(self) -> Result<Self, RegistrationError> {
        if self.0.contains_key("sector_identifier") {
            return Err(RegistrationError::metadata(
                "sector_identifier is the operator's to set: send sector_identifier_uri, where the sector itself says that the client is its own",
            ));
        }
        Ok(self)
    }

    /// What a client may change of its own registration: nothing that the operator decides, and no more scope.
    pub(super) fn within(mut self, own: &ClientMetadata) -> Result<Self, RegistrationError> {
        let Ok(Value::Object(current)) = serde_json::to_value(own) else {
            return Err(RegistrationError::Fault);
        };
        // Left out, it stays: its default may be more than this client has.
        if let Some(scope) = current.get("scope") {
            self.0.entry("scope").or_insert_with(|| scope.clone());
        }
        for name in THE_OPERATORS {
            match (self.0.get(name), current.get(name)) {
                (Some(new), Some(old)) if new == old => {}
                // The sector's own word takes the place of the operator's.
                (None, Some(_))
                    if name == "sector_identifier"
                        && self.0.contains_key("sector_identifier_uri") => {}
                (None, Some(old)) => {
                    self.0.insert(name.to_owned(), old.clone());
                }
                (None, None) => {}
                (Some(_), _) => {
                    let message = format!("{name} is the operator's to change, by client update");
                    return Err(RegistrationError::metadata(message));
                }
            }
        }
        Ok(self)
    }

    pub(super) fn into_metadata(
        self,
        client_id: &str,
    ) -> Result<ClientMetadata, RegistrationError> {
        let mut members = self.0;
        members.insert("client_id".to_owned(), client_id.into());
        members.entry("redirect_uris").or_insert_with(|| json!([]));
        // The library's message would repeat what was submitted.
        serde_json::from_value(Value::Object(members)).map_err(|_| {
            RegistrationError::metadata(
                "a member has another type or form than RFC 7591 or the README's table of client settings says",
            )
        })
    }
}

fn check_response_types(types: Option<&Value>) -> Result<(), RegistrationError> {
    let is_code = match types {
        None => true,
        Some(Value::Array(types)) => !types.is_empty() && types.iter().all(|it| it == "code"),
        Some(_) => false,
    };
    is_code.then_some(()).ok_or_else(|| {
        RegistrationError::metadata(
            "response_types must be [code]: the implicit and hybrid flows are not offered; choose the authorization code flow in the relying party",
        )
    })
}

/// A member with a closed list of values.
struct Choice {
    name: &'static str,
    values: Vec<&'static str>,
    advice: &'static str,
}

impl Choice {
    fn check(&self, members: &Map<String, Value>) -> Result<(), RegistrationError> {
        let is_known = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| self.values.contains(&text))
        };
        let is_fine = match members.get(self.name) {
            None => true,
            Some(Value::Array(several)) => several.iter().all(is_known),
            Some(one) => is_known(one),
        };
        is_fine.then_some(()).ok_or_else(|| {
            let Self {
                name,
                values,
                advice,
            } = self;
            let message = format!("{name} must be one of {}{advice}", values.join(", "));
            RegistrationError::metadata(message)
        })
    }
}

fn choices() -> Vec<Choice> {
    const SYMMETRIC: &str = ": HS256 and other symmetric algorithms are not offered, since secrets are kept as hashes; choose one of these in the relying party";
    let signing = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str).to_vec();
    let key: Vec<_> = KeyManagementAlgorithm::ALL
        .iter()
        .map(|it| it.as_str())
        .collect();
    let content: Vec<_> = ContentEncryption::ALL
        .iter()
        .map(|it| it.as_str())
        .collect();
    let choice = |name, values: &[&'static str], advice| Choice {
        name,
        values: values.to_vec(),
        advice,
    };
    vec![
        choice("id_token_signed_response_alg", &signing, SYMMETRIC),
        choice("userinfo_signed_response_alg", &signing, SYMMETRIC),
        choice("token_endpoint_auth_signing_alg", &signing, SYMMETRIC),
        choice("request_object_signing_alg", &signing, SYMMETRIC),
        choice("id_token_encrypted_response_alg", &key, ""),
        choice("userinfo_encrypted_response_alg", &key, ""),
        choice("id_token_encrypted_response_enc", &content, ""),
        choice("userinfo_encrypted_response_enc", &content, ""),
        choice(
            "token_endpoint_auth_method",
            &AuthenticationMethod::ALL.map(AuthenticationMethod::as_str),
            ": client_secret_jwt is not offered; private_key_jwt takes its place",
        ),
        choice(
            "grant_types",
            &GrantType::ALL.map(GrantType::as_str),
            ": the implicit grant is not offered",
        ),
        choice(
            "response_modes",
            &ResponseMode::ALL.map(ResponseMode::as_str),
            "",
        ),
        choice("subject_type", &["pairwise", "public"], ""),
        choice("application_type", &["web", "native"], ""),
        choice("claims_in", &["id_token", "userinfo"], ""),
    ]
}
