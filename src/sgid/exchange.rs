//! The two calls that bring something back: the token endpoint and userinfo.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::fetch::Http;
use super::{Distrust, Sgid, SgidError, Step};
use crate::login::UpstreamAttempt;
use crate::oidc::json;

/// What the token endpoint must answer. sgID documents no `token_type` and no `expires_in`.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: Zeroizing<String>,
    pub(super) id_token: Zeroizing<String>,
}

impl Sgid {
    pub(super) async fn redeem(
        &self,
        code: &str,
        attempt: &UpstreamAttempt,
    ) -> Result<Tokens, SgidError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
            ("code_verifier", attempt.code_verifier.expose()),
        ];
        let answer = self
            .http()
            .post_form(Step::Token, &self.token_endpoint, &form)
            .await?;
        let distrust = |reason| SgidError::Untrusted {
            step: Step::Token,
            reason,
        };
        let members = json::parse_object(&answer).map_err(|_| distrust(Distrust::NotJson))?;
        let tokens: Tokens =
            serde_json::from_value(members.into()).map_err(|_| distrust(Distrust::Member))?;
        let usable = !tokens.access_token.is_empty()
            && tokens.access_token.bytes().all(|c| c.is_ascii_graphic());
        usable.then_some(tokens).ok_or(distrust(Distrust::Member))
    }

    pub(super) async fn userinfo(&self, tokens: &Tokens) -> Result<Zeroizing<Vec<u8>>, SgidError> {
        self.http()
            .get(
                Step::Userinfo,
                &self.userinfo_endpoint,
                Some(&tokens.access_token),
            )
            .await
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }
}
