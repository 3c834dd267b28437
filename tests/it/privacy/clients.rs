//! The relying parties of the deployment: their registrations, their keys, and the server on which they are told of a
//! session's end.

use super::deployment::SCOPE;
use crate::support::app::App;
use crate::support::bridge::CLIENT_SECRET;
use crate::support::client_key::{ClientKey, jwks_line};
use crate::support::receiver::{Receiver, Reply};

/// Proves itself with a key and signs its requests.
pub(super) const BANK: App = App {
    id: "bank",
    redirect_uri: "https://bank.example.sg/callback",
    method: "private_key_jwt",
};
/// Gets everything encrypted.
pub(super) const SEALED: App = App {
    id: "sealed",
    redirect_uri: "https://sealed.example.sg/callback",
    method: "client_secret_basic",
};
/// Where the portal's people go who have signed out.
pub(super) const SIGNED_OUT: &str = "https://portal.example.sg/signed-out";

/// What the relying parties run.
pub(super) struct Clients {
    /// Hears of sessions that have ended.
    pub(super) receiver: Receiver,
    /// Signs what [`BANK`] says.
    pub(super) bank: ClientKey,
    /// Opens what [`SEALED`] gets.
    pub(super) sealed: ClientKey,
}

impl Clients {
    /// Keys, and a server that listens to the portal and is broken for [`SEALED`].
    pub(super) async fn start() -> Self {
        let receiver = Receiver::start().await;
        receiver.answer("/portal", Reply::Status(200));
        receiver.answer("/sealed", Reply::Status(500));
        Self {
            receiver,
            bank: ClientKey::ec("bank-key"),
            sealed: ClientKey::ec("sealed-key"),
        }
    }

    /// The `[[clients]]` tables.
    pub(super) fn tables(&self) -> String {
        let refreshing = "grant_types = [\"authorization_code\", \"refresh_token\"]";
        let told = |path| {
            let url = self.receiver.url(path);
            format!("backchannel_logout_uri = \"{url}\"")
        };
        format!(
            "[[clients]]\nclient_id = \"portal\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             redirect_uris = [\"https://portal.example.sg/callback\"]\nnric_purpose = \"tests\"\n\
             scope = \"{SCOPE} offline_access\"\n{refreshing}\n{}\n\
             post_logout_redirect_uris = [\"{SIGNED_OUT}\"]\n\
             response_modes = [\"query\", \"fragment\", \"form_post\"]\n\
             [[clients]]\nclient_id = \"spa\"\ntoken_endpoint_auth_method = \"none\"\n\
             redirect_uris = [\"https://spa.example.sg/callback\"]\nscope = \"openid profile\"\n\
             web_origins = [\"https://spa.example.sg\"]\n\
             [[clients]]\nclient_id = \"bank\"\nredirect_uris = [\"{}\"]\n\
             scope = \"openid profile offline_access\"\n{refreshing}\n\
             token_endpoint_auth_method = \"private_key_jwt\"\nrequest_object_signing_alg = \"ES256\"\n{}\
             [[clients]]\nclient_id = \"sealed\"\nclient_secret = \"{CLIENT_SECRET}\"\n\
             redirect_uris = [\"{}\"]\nscope = \"openid profile\"\n{}\n\
             id_token_encrypted_response_alg = \"ECDH-ES\"\nuserinfo_signed_response_alg = \"ES256\"\n\
             userinfo_encrypted_response_alg = \"ECDH-ES\"\n{}",
            told("/portal"),
            BANK.redirect_uri,
            jwks_line(&[self.bank.public()]),
            SEALED.redirect_uri,
            told("/sealed"),
            jwks_line(&[self.sealed.public()]),
        )
    }
}
