//! The relying parties of the configuration.

use std::path::PathBuf;

use figment::value::{Dict, Value};

use super::finish::Finisher;
use super::{ConfiguredClient, Problem};
use crate::oidc::client::ClientSecretHash;
use crate::oidc::metadata::ClientMetadata;

impl Finisher<'_> {
    pub(super) fn clients(&mut self, written: Vec<Dict>) -> Vec<ConfiguredClient> {
        let mut clients: Vec<ConfiguredClient> = Vec::new();
        for (index, dict) in written.into_iter().enumerate() {
            let Some(client) = self.client(&index.to_string(), dict) else {
                continue;
            };
            let id = &client.metadata.client_id;
            if clients.iter().any(|other| other.metadata.client_id == *id) {
                let message = format!("the client_id {id} occurs twice");
                self.report::<()>(&["clients", &index.to_string(), "client_id"], message);
            }
            clients.push(client);
        }
        clients
    }

    fn client(&mut self, index: &str, mut dict: Dict) -> Option<ConfiguredClient> {
        let path = ["clients", index, "client_secret"];
        let mut texts = [None, None];
        for (text, name) in texts
            .iter_mut()
            .zip(["client_secret", "client_secret_file"])
        {
            if let Some(value) = dict.remove(name) {
                let Some(found) = value.into_string() else {
                    return self.report(
                        &["clients", index, name],
                        format!("`{name}` must be a text"),
                    );
                };
                *text = Some(found);
            }
        }
        let [inline, file] = texts;
        let secret = self.secret(&path, inline, file.map(PathBuf::from))?;
        if secret
            .as_ref()
            .is_some_and(|secret| secret.expose().len() < 32)
        {
            return self.report(&path, "the client secret has fewer than 32 characters: make a random one, for instance with `openssl rand -base64 32`");
        }
        let metadata: Result<ClientMetadata, Problem> =
            self.source.read(&Value::from(dict), &path[..2]);
        match metadata {
            Ok(metadata) => Some(ConfiguredClient {
                secret: secret.map(|secret| ClientSecretHash::of(secret.expose())),
                origin: self
                    .source
                    .place(&path[..2])
                    .unwrap_or_else(|| metadata.client_id.to_string()),
                metadata,
            }),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}
