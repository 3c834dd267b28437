//! What a registration says of keys and of what is encrypted to them.

use super::{ClientMetadata, MetadataError, callable};
use crate::oidc::algorithm::{
    ContentEncryption, Encryption, KeyManagementAlgorithm, SigningAlgorithm,
};
use crate::oidc::client::{AuthenticationMethod, ClientKeys, ResponseProtection};
use crate::oidc::jwk_set::JwkSet;

impl ClientMetadata {
    /// The client's public keys, where something needs them or they are there.
    pub(super) fn check_keys(&self) -> Result<ClientKeys, MetadataError> {
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => return Err(MetadataError::TwoKeySets),
            (Some(document), None) => {
                ClientKeys::Inline(JwkSet::parse(document).map_err(MetadataError::Keys)?)
            }
            (None, Some(uri)) => ClientKeys::At(callable("jwks_uri", uri)?),
            (None, None) => ClientKeys::None,
        };
        let needs = [
            (
                self.token_endpoint_auth_method == AuthenticationMethod::PrivateKeyJwt,
                "private_key_jwt",
            ),
            (
                self.request_object_signing_alg.is_some(),
                "request_object_signing_alg",
            ),
            (
                self.id_token_encrypted_response_alg.is_some(),
                "id_token_encrypted_response_alg",
            ),
            (
                self.userinfo_encrypted_response_alg.is_some(),
                "userinfo_encrypted_response_alg",
            ),
        ];
        let unmet = needs
            .into_iter()
            .find(|(is_needed, _)| *is_needed && keys == ClientKeys::None);
        if let Some((_, setting)) = unmet {
            return Err(MetadataError::NoKeys(setting));
        }
        if let ClientKeys::Inline(set) = &keys {
            self.check_fit(set)?;
        }
        Ok(keys)
    }

    /// Keys that are known beforehand must be of use for what is registered.
    fn check_fit(&self, keys: &JwkSet) -> Result<(), MetadataError> {
        let signs = |algorithm| keys.for_signature(algorithm, None).next().is_some();
        let assertion = self.token_endpoint_auth_signing_alg;
        let authenticates = self.token_endpoint_auth_method != AuthenticationMethod::PrivateKeyJwt
            || assertion.map_or_else(|| SigningAlgorithm::ALL.into_iter().any(signs), signs);
        let encrypts = |alg: Option<KeyManagementAlgorithm>| {
            alg.is_none_or(|alg| keys.for_encryption(alg).is_some())
        };
        let fits = [
            (authenticates, "private_key_jwt"),
            (
                self.request_object_signing_alg.is_none_or(signs),
                "request_object_signing_alg",
            ),
            (
                encrypts(self.id_token_encrypted_response_alg),
                "id_token_encrypted_response_alg",
            ),
            (
                encrypts(self.userinfo_encrypted_response_alg),
                "userinfo_encrypted_response_alg",
            ),
        ];
        match fits.into_iter().find(|(fits, _)| !fits) {
            Some((_, setting)) => Err(MetadataError::NoFittingKey(setting)),
            None => Ok(()),
        }
    }

    pub(super) fn check_encryption(&self) -> Result<ResponseProtection, MetadataError> {
        Ok(ResponseProtection {
            userinfo_signature: self.userinfo_signed_response_alg,
            userinfo_encryption: encryption(
                self.userinfo_encrypted_response_alg,
                self.userinfo_encrypted_response_enc,
                "userinfo_encrypted_response_enc",
            )?,
            id_token_encryption: encryption(
                self.id_token_encrypted_response_alg,
                self.id_token_encrypted_response_enc,
                "id_token_encrypted_response_enc",
            )?,
        })
    }
}

/// `enc` is A128CBC-HS256 where only `alg` is named. OpenID Connect Registration section 2.
fn encryption(
    alg: Option<KeyManagementAlgorithm>,
    enc: Option<ContentEncryption>,
    setting: &'static str,
) -> Result<Option<Encryption>, MetadataError> {
    match (alg, enc) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(MetadataError::EncryptionWithoutKey(setting)),
        (Some(alg), enc) => Ok(Some(Encryption {
            alg,
            enc: enc.unwrap_or(ContentEncryption::A128CbcHs256),
        })),
    }
}
