//! Every way in which the simulated sgID can be odd or wrong, by name.
//!
//! One table: variant, name on the wire, whether it is legal, what it does.

/// Makes the enum and its names from one table.
macro_rules! misbehaviours {
    ($($group:literal { $($variant:ident $name:literal $kind:ident $what:literal,)* })*) => {
        /// One oddity or fault of the simulated sgID; see [`Misbehaviour::is_legal`] for which is which.
        #[expect(clippy::doc_markdown, reason = "the sentences are shown to people as they are")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Misbehaviour { $($(#[doc = $what] $variant,)*)* }

        impl Misbehaviour {
            /// All of them, grouped by the message they touch; the first is [`Misbehaviour::None`].
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The kebab-case name, as forms and command lines use it.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// One sentence on what happens.
            pub fn description(self) -> &'static str {
                match self { $($(Self::$variant => $what,)*)* }
            }

            /// The message that it touches, as a heading for lists.
            pub fn group(self) -> &'static str {
                match self { $($(Self::$variant => $group,)*)* }
            }

            /// Whether a good client must still complete the login: sgID may do this, or nothing
            /// that was asked for is harmed by it. What is not legal must make the login fail.
            pub fn is_legal(self) -> bool {
                match self { $($(Self::$variant => misbehaviours!(@$kind),)*)* }
            }
        }
    };
    (@legal) => { true };
    (@wrong) => { false };
}

misbehaviours! {
    "Polite" {
        None "none" legal "Behaves as the fact sheet says.",
    }
    "Back to the client" {
        CallbackErrorAccessDenied "callback-error-access-denied" wrong "Returns error=access_denied.",
        CallbackErrorTemporarilyUnavailable "callback-error-temporarily-unavailable" wrong "Returns error=temporarily_unavailable.",
        CallbackErrorInvalidScope "callback-error-invalid-scope" wrong "Returns error=invalid_scope.",
        CallbackErrorServerError "callback-error-server-error" wrong "Returns error=server_error.",
        CallbackErrorUnknown "callback-error-unknown" wrong "Returns an error code that nobody registered, with a hostile description.",
        CallbackDuplicateState "callback-duplicate-state" wrong "Returns state twice.",
        CallbackDuplicateCode "callback-duplicate-code" wrong "Returns two codes.",
        CallbackCodeAndError "callback-code-and-error" wrong "Returns a code and an error together.",
        CallbackNoCode "callback-no-code" wrong "Returns state alone.",
        CallbackNoState "callback-no-state" wrong "Returns a code without state.",
        CallbackWrongState "callback-wrong-state" wrong "Returns a state that nobody sent.",
        CallbackWrongIss "callback-wrong-iss" wrong "Returns the iss of another issuer.",
        CallbackRightIss "callback-right-iss" legal "Returns its own iss, as RFC 9207 would have it.",
    }
    "Token answer" {
        TokenExtraMembers "token-extra-members" legal "Adds token_type, expires_in, scope and a useless refresh_token, as MockPass does.",
        TokenNotJson "token-not-json" wrong "Answers 200 with HTML.",
        TokenOversized "token-oversized" wrong "Answers with valid JSON of 32 MiB.",
        TokenGzipBomb "token-gzip-bomb" wrong "Answers with a small gzip body that grows to 16 MiB, asked or not.",
        TokenSlow "token-slow" wrong "Does not answer for ten minutes.",
        TokenTrickles "token-trickles" wrong "Answers at once, then one byte every 200 ms for ten minutes.",
        TokenStatus400 "token-status-400" wrong "Answers 400 with a hostile message.",
        TokenStatus401 "token-status-401" wrong "Answers 401 invalid_client, as if our secret were wrong.",
        TokenStatus429 "token-status-429" wrong "Answers 429 with Retry-After.",
        TokenStatus500 "token-status-500" wrong "Answers 500 with an HTML stack trace.",
        TokenRedirect "token-redirect" wrong "Answers 302 to a place that gives the right answer.",
        TokenDropsConnection "token-drops-connection" wrong "Closes the connection without an answer.",
        TokenCutOff "token-cut-off" wrong "Closes the connection in the middle of the body.",
        TokenDuplicateMember "token-duplicate-member" wrong "Names access_token twice.",
        TokenDeepJson "token-deep-json" wrong "Adds a member nested 100 deep.",
        TokenNoAccessToken "token-no-access-token" wrong "Leaves access_token out.",
        TokenNoIdToken "token-no-id-token" wrong "Leaves id_token out.",
    }
    "ID token" {
        IdTokenNoKid "id-token-no-kid" legal "Leaves kid out of the header.",
        IdTokenAudienceArray "id-token-audience-array" legal "Gives aud as an array of one.",
        IdTokenRightAzp "id-token-right-azp" legal "Adds azp, rightly.",
        IdTokenRightAtHash "id-token-right-at-hash" legal "Adds at_hash, rightly.",
        IdTokenTypeJwt "id-token-type-jwt" legal "Adds typ: JWT to the header.",
        IdTokenWrongSignature "id-token-wrong-signature" wrong "Signed with a key that is not in the JWKS, under a kid that is.",
        IdTokenAlgNone "id-token-alg-none" wrong "alg: none and an empty signature.",
        IdTokenAlgHs256 "id-token-alg-hs256" wrong "HS256 under the public key's PEM.",
        IdTokenAlgHs256Secret "id-token-alg-hs256-secret" wrong "HS256 under the client secret.",
        IdTokenAlgEs256 "id-token-alg-es256" wrong "ES256, with its key in the JWKS from now on.",
        IdTokenAlgPs256 "id-token-alg-ps256" wrong "PS256 under the right key.",
        IdTokenUnknownKid "id-token-unknown-kid" wrong "A kid that is in no JWKS, over a right signature.",
        IdTokenCrit "id-token-crit" wrong "A critical header extension.",
        IdTokenEmbeddedJwk "id-token-embedded-jwk" wrong "Brings its own key in the header.",
        IdTokenRemoteKey "id-token-remote-key" wrong "Names a key URL in the header.",
        IdTokenDuplicateHeader "id-token-duplicate-header" wrong "Names alg twice in the header.",
        IdTokenWrongType "id-token-wrong-type" wrong "typ: logout+jwt.",
        IdTokenTwoParts "id-token-two-parts" wrong "Leaves the signature part out.",
        IdTokenWrongIssuer "id-token-wrong-issuer" wrong "Another iss.",
        IdTokenNoIssuer "id-token-no-issuer" wrong "No iss.",
        IdTokenWrongAudience "id-token-wrong-audience" wrong "Made for another client.",
        IdTokenNoAudience "id-token-no-audience" wrong "No aud.",
        IdTokenTwoAudiences "id-token-two-audiences" wrong "Made for us and for another client.",
        IdTokenWrongAzp "id-token-wrong-azp" wrong "azp names another client.",
        IdTokenWrongNonce "id-token-wrong-nonce" wrong "Another nonce.",
        IdTokenNoNonce "id-token-no-nonce" wrong "No nonce.",
        IdTokenExpired "id-token-expired" wrong "Expired an hour ago.",
        IdTokenNoExpiry "id-token-no-expiry" wrong "No exp.",
        IdTokenNoIssuedAt "id-token-no-issued-at" wrong "No iat.",
        IdTokenTextTimes "id-token-text-times" wrong "exp and iat as strings.",
        IdTokenIssuedInFuture "id-token-issued-in-future" wrong "iat is an hour ahead.",
        IdTokenIssuedLongAgo "id-token-issued-long-ago" wrong "iat is a week old, exp still ahead.",
        IdTokenNotYetValid "id-token-not-yet-valid" wrong "nbf is an hour ahead.",
        IdTokenNoSubject "id-token-no-subject" wrong "No sub.",
        IdTokenEmptySubject "id-token-empty-subject" wrong "An empty sub, here and in userinfo.",
        IdTokenLongSubject "id-token-long-subject" wrong "A sub of 256 characters, here and in userinfo.",
        IdTokenNumberSubject "id-token-number-subject" wrong "A sub that is a number.",
        IdTokenWrongAtHash "id-token-wrong-at-hash" wrong "at_hash of another access token.",
        IdTokenDuplicateClaim "id-token-duplicate-claim" wrong "Names sub twice.",
    }
    "Keys" {
        JwksForeignKeys "jwks-foreign-keys" legal "Lists keys of other kinds beside the right one.",
        JwksNotJson "jwks-not-json" wrong "The JWKS is HTML.",
        JwksEmpty "jwks-empty" wrong "The JWKS holds no key.",
        JwksWeakKey "jwks-weak-key" wrong "Signs with an RSA key of 1024 bits, and publishes it.",
        JwksEncryptionKey "jwks-encryption-key" wrong "The signing key says use: enc.",
        JwksDuplicateMember "jwks-duplicate-member" wrong "Names keys twice.",
        JwksOversized "jwks-oversized" wrong "The JWKS is 32 MiB.",
        JwksSlow "jwks-slow" wrong "The JWKS does not come for ten minutes.",
        JwksStatus500 "jwks-status-500" wrong "The JWKS answers 500.",
        JwksRedirect "jwks-redirect" wrong "The JWKS is a 302 to the right one.",
        JwksDropsConnection "jwks-drops-connection" wrong "The JWKS connection is closed without an answer.",
    }
    "Userinfo answer" {
        UserinfoExtraFields "userinfo-extra-fields" legal "Sends the whole catalogue, NRIC included, whatever was asked for.",
        UserinfoMissingField "userinfo-missing-field" legal "Leaves the last field out.",
        UserinfoBlankField "userinfo-blank-field" legal "The last field is an empty text.",
        UserinfoWithoutData "userinfo-without-data" legal "Leaves key and data out although fields were asked for.",
        UserinfoNullData "userinfo-null-data" legal "key and data are null.",
        UserinfoWrongSubject "userinfo-wrong-subject" wrong "Another person's sub.",
        UserinfoNoSubject "userinfo-no-subject" wrong "No sub.",
        UserinfoPlainData "userinfo-plain-data" wrong "Fields as plain text, not encrypted.",
        UserinfoTooManyFields "userinfo-too-many-fields" wrong "Adds 200 fields.",
        UserinfoDuplicateMember "userinfo-duplicate-member" wrong "Names sub twice.",
        UserinfoDuplicateField "userinfo-duplicate-field" wrong "Names the last field twice inside data.",
        UserinfoDeepJson "userinfo-deep-json" wrong "Adds a member nested 100 deep.",
        UserinfoNotJson "userinfo-not-json" wrong "Answers 200 with HTML.",
        UserinfoOversized "userinfo-oversized" wrong "Answers with valid JSON of 32 MiB.",
        UserinfoSlow "userinfo-slow" wrong "Does not answer for ten minutes.",
        UserinfoTrickles "userinfo-trickles" wrong "Answers at once, then one byte every 200 ms for ten minutes.",
        UserinfoStatus429 "userinfo-status-429" wrong "Answers 429 with Retry-After.",
        UserinfoStatus500 "userinfo-status-500" wrong "Answers 500 with an HTML stack trace.",
        UserinfoStatus401Challenge "userinfo-status-401-challenge" wrong "401 with a proper Bearer challenge.",
        UserinfoStatus401BareError "userinfo-status-401-bare-error" wrong "401 with WWW-Authenticate: error=..., without a scheme.",
        UserinfoStatus401BareText "userinfo-status-401-bare-text" wrong "401 with WWW-Authenticate holding only prose.",
        UserinfoRedirect "userinfo-redirect" wrong "Answers 302 to a place that gives the right answer.",
        UserinfoDropsConnection "userinfo-drops-connection" wrong "Closes the connection without an answer.",
        UserinfoCutOff "userinfo-cut-off" wrong "Closes the connection in the middle of the body.",
    }
    "Block key" {
        BlockKeyRsaOaepSha1 "block-key-rsa-oaep-sha1" legal "Wrapped with RSA-OAEP and SHA-1, as MockPass does.",
        BlockKeyPythonQuoted "block-key-python-quoted" legal "The JWK has single quotes, as a Python dictionary prints.",
        BlockKey256Dir "block-key-256-dir" legal "256 bits, fields dir + A256GCM: MockPass' form.",
        BlockKeyDir128 "block-key-dir-128" legal "128 bits, fields dir + A128GCM.",
        BlockKeyCbc "block-key-cbc" legal "Wrapped with A128CBC-HS256 content encryption.",
        BlockKeyForOtherRsaKey "block-key-for-other-rsa-key" wrong "Encrypted to somebody else's RSA key.",
        BlockKeyRsa15 "block-key-rsa15" wrong "Wrapped with RSA1_5.",
        BlockKeyWithZip "block-key-with-zip" wrong "Compressed before encryption.",
        BlockKeyWrongLength "block-key-wrong-length" wrong "24 bytes, of which the fields use 16.",
        BlockKeyNotOct "block-key-not-oct" wrong "Says kty: RSA, with a right k.",
        BlockKeyNotJwk "block-key-not-jwk" wrong "Not a JWK, but its bare bytes.",
    }
    "Fields" {
        FieldAltered "field-altered" wrong "One bit of the last field's ciphertext is flipped.",
        FieldTruncatedTag "field-truncated-tag" wrong "The last field's tag is cut to 4 bytes.",
        FieldShortIv "field-short-iv" wrong "The last field has an 8 byte IV, rightly used.",
        FieldWithZip "field-with-zip" wrong "The last field is compressed (zip: DEF).",
        FieldWithCrit "field-with-crit" wrong "The last field has a critical header extension.",
        FieldFourParts "field-four-parts" wrong "The last field has four parts.",
        FieldAlgPbes2 "field-alg-pbes2" wrong "The last field asks for two thousand million PBES2 rounds.",
        FieldAlgEcdhEs "field-alg-ecdh-es" wrong "The last field says ECDH-ES.",
        FieldAlgRsaOaep "field-alg-rsa-oaep" wrong "The last field is encrypted straight to the client's RSA key.",
        FieldWrongKey "field-wrong-key" wrong "The last field is under another block key.",
        FieldNotUtf8 "field-not-utf8" wrong "The last field's plaintext is not UTF-8.",
        FieldSwapped "field-swapped" wrong "The first two fields' ciphertexts are exchanged: nothing in sgID's format shows it.",
        FieldNotText "field-not-text" wrong "The last field is a JSON object instead of a string.",
    }
}

impl Misbehaviour {
    /// The one with this [`name`](Self::name).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }

    /// Whether it can be chosen for one login. The JWKS is fetched for all logins at once, so what
    /// touches it can only be set for the whole simulator.
    pub(super) fn fits_one_login(self) -> bool {
        self.group() != "Keys"
    }
}

#[cfg(test)]
mod tests {
    use super::Misbehaviour;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_kebab_case_and_parse_back() {
        let mut seen = HashSet::new();
        for one in Misbehaviour::ALL {
            let name = one.name();
            assert!(seen.insert(name), "{name} twice");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert_eq!(name.replace('-', ""), format!("{one:?}").to_lowercase());
            assert_eq!(Misbehaviour::parse(name), Some(*one));
        }
        assert_eq!(Misbehaviour::parse("polite"), None);
    }
}
