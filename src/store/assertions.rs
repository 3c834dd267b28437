//! Client assertions that were accepted: each once, on whichever instance. RFC 7523 section 3, `jti`.

use sha2::{Digest, Sha256};

use super::{Store, StoreError, change};
use crate::oidc::assertion::ClientAssertion;

impl Store {
    /// Remembers an assertion until it expires; `false` where it was accepted before.
    ///
    /// # Errors
    /// [`StoreError`]; it may or may not be remembered then.
    pub async fn use_assertion(&self, assertion: &ClientAssertion) -> Result<bool, StoreError> {
        // No keyed hash: instances that seal under different master keys must come to the same row.
        let mut id = Sha256::new_with_prefix(assertion.client_id().as_str());
        id.update([0]);
        id.update(assertion.jti());
        let id = id.finalize();
        let entered = change!(
            self,
            "insert into used_assertion (id, expires_at) values ($1, $2) on conflict (id) do nothing",
            &id[..],
            assertion.expires_at()
        )?;
        Ok(entered == 1)
    }
}
