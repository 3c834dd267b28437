//! The relying parties: those of the configuration, and those of the database; one lookup for both.
//! Never knows: HTTP, sgID.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::future::Cache;

use crate::catalogue::Catalogue;
use crate::clock::Timestamp;
use crate::config::ConfiguredClient;
use crate::jose::Recipient;
use crate::oidc::algorithm::SigningAlgorithm;
use crate::oidc::client::{Client, ClientId, ClientKeys, ClientSecretHash};
use crate::oidc::metadata::{ClientMetadata, MetadataError, Offered};
use crate::secret::{Bearer, ClientSecret, randomness};
use crate::store::{ClientRecord, SecretRecord, Store, StoreError};

/// How long a client of the database is remembered: so long may a change take to reach this instance.
const REMEMBERED: Duration = Duration::from_secs(1);
const MAX_REMEMBERED: u64 = 10_000;

/// What every registration is checked against, whoever made it.
#[derive(Clone)]
pub struct Rules {
    /// What may cross the bridge.
    pub catalogue: Arc<Catalogue>,
    /// Names of the upstreams.
    pub upstreams: Vec<String>,
    /// Algorithms with a live key.
    pub signing_algorithms: Vec<SigningAlgorithm>,
}

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// By the standards' rules.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A scope that would bring nothing.
    #[error(
        "scope: {0} is unknown: it is neither a scope of OpenID Connect, nor one of [claims.custom], nor a scope of sgID"
    )]
    UnknownScope(String),
    /// An NRIC without a reason.
    #[error("scope: {0} carries an NRIC or FIN: say why this client needs it in nric_purpose")]
    NoPurpose(String),
}

impl RegistrationError {
    /// The same without what was written: for whoever registers by program, and for the log.
    pub fn without_input(&self) -> String {
        match self {
            Self::Metadata(error) => error.without_input(),
            Self::UnknownScope(_) => "scope: one of its values is unknown: it is neither a scope of OpenID Connect, nor one of [claims.custom], nor a scope of sgID".to_owned(),
            Self::NoPurpose(_) => "scope: one of its values carries an NRIC or FIN: say why this client needs it in nric_purpose".to_owned(),
        }
    }
}

/// Gives a client the secrets that its authentication method asks for: none, or at least one, which is then handed
/// over this once.
pub fn settle_secrets(record: &mut ClientRecord) -> Option<String> {
    if !record.metadata.token_endpoint_auth_method.has_secret() {
        record.secrets.clear();
        return None;
    }
    if !record.secrets.is_empty() {
        return None;
    }
    Some(add_secret(record))
}

/// Gives a client one more secret, which is handed over this once.
pub fn add_secret(record: &mut ClientRecord) -> String {
    let secret = Bearer::<ClientSecret>::generate(&mut randomness()).expose();
    record.secrets.push(SecretRecord {
        hash: ClientSecretHash::of(&secret),
        expires_at: None,
    });
    secret
}

impl Rules {
    /// The client that a registration describes.
    ///
    /// # Errors
    /// [`RegistrationError`] says what to mend.
    pub fn admit(
        &self,
        metadata: &ClientMetadata,
        secrets: Vec<ClientSecretHash>,
    ) -> Result<Client, RegistrationError> {
        let offered = Offered {
            upstreams: &self.upstreams,
            signing_algorithms: &self.signing_algorithms,
        };
        let client = metadata.admit(secrets, &offered)?;
        check_recipients(&client)?;
        let has_purpose = client
            .nric_purpose()
            .is_some_and(|purpose| !purpose.trim().is_empty());
        for scope in client.scope().iter() {
            if !self.catalogue.knows(scope) {
                return Err(RegistrationError::UnknownScope(scope.to_string()));
            }
            if self.catalogue.carries_identity_number(scope) && !has_purpose {
                return Err(RegistrationError::NoPurpose(scope.to_string()));
            }
        }
        Ok(client)
    }

    /// The client that the database keeps, with the secrets that are valid now.
    ///
    /// # Errors
    /// [`RegistrationError`] where the configuration has changed under it.
    pub fn admit_record(
        &self,
        record: &ClientRecord,
        now: Timestamp,
    ) -> Result<Client, RegistrationError> {
        let secrets = record
            .secrets
            .iter()
            .filter(|secret| secret.expires_at.is_none_or(|at| now < at))
            .map(|secret| secret.hash.clone())
            .collect();
        self.admit(&record.metadata, secrets)
    }
}

/// A key that is known beforehand and cannot be encrypted to would cost each login its end.
fn check_recipients(client: &Client) -> Result<(), MetadataError> {
    let ClientKeys::Inline(keys) = client.keys() else {
        return Ok(());
    };
    let protection = client.response_protection();
    for (encryption, setting) in [
        (
            protection.id_token_encryption,
            "id_token_encrypted_response_alg",
        ),
        (
            protection.userinfo_encryption,
            "userinfo_encrypted_response_alg",
        ),
    ] {
        if encryption.is_some_and(|it| Recipient::choose(it, keys).is_err()) {
            return Err(MetadataError::NoFittingKey(setting));
        }
    }
    Ok(())
}

/// All relying parties.
pub struct Clients {
    rules: ArcSwap<Rules>,
    configured: ArcSwap<HashMap<ClientId, Arc<Client>>>,
    remembered: Cache<ClientId, Option<Arc<Client>>>,
    stored_origins: ArcSwap<HashSet<String>>,
}

/// A client of the configuration that is refused, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: client {client_id}: {error}")]
pub struct Refused {
    /// File and line.
    pub origin: String,
    /// Which one.
    pub client_id: ClientId,
    /// Why.
    pub error: RegistrationError,
}

impl Clients {
    /// Checks and takes up the clients of the configuration.
    ///
    /// # Errors
    /// Every [`Refused`] client.
    pub fn new(rules: Rules, configured: &[ConfiguredClient]) -> Result<Self, Vec<Refused>> {
        let configured = admit_all(&rules, configured)?;
        Ok(Self {
            rules: ArcSwap::from_pointee(rules),
            configured: ArcSwap::from_pointee(configured),
            remembered: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(REMEMBERED)
                .build(),
            stored_origins: ArcSwap::default(),
        })
    }

    /// Replaces the catalogue and the clients of the configuration, all or nothing.
    ///
    /// # Errors
    /// Every [`Refused`] client; the former ones stay.
    pub fn reload(
        &self,
        catalogue: Arc<Catalogue>,
        configured: &[ConfiguredClient],
    ) -> Result<(), Vec<Refused>> {
        let rules = Rules {
            catalogue,
            ..self.rules().as_ref().clone()
        };
        let configured = admit_all(&rules, configured)?;
        self.rules.store(Arc::new(rules));
        self.configured.store(Arc::new(configured));
        Ok(())
    }

    /// What registrations are checked against.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The client of that name, enabled or not. One of the configuration hides one of the database.
    ///
    /// # Errors
    /// [`StoreError`] where the database is away and the client is not in the configuration.
    pub async fn find(
        &self,
        store: &Store,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.configured.load().get(id) {
            return Ok(Some(Arc::clone(client)));
        }
        if let Some(remembered) = self.remembered.get(id).await {
            return Ok(remembered);
        }
        let client = match store.find_client(id).await? {
            None => None,
            Some(record) => match self.rules().admit_record(&record, now) {
                Ok(client) => Some(Arc::new(client)),
                Err(error) => {
                    tracing::warn!(client.id = %id, %error, "a client of the database cannot be served");
                    None
                }
            },
        };
        self.remembered.insert(id.clone(), client.clone()).await;
        Ok(client)
    }

    /// Whether some client registered this origin for its browser code.
    pub fn has_web_origin(&self, origin: &str) -> bool {
        let configured = self.configured.load();
        let in_configuration = configured.values().any(|client| {
            client.is_enabled() && client.web_origins().iter().any(|own| own == origin)
        });
        in_configuration || self.stored_origins.load().contains(origin)
    }

    /// Reads the origins of the database's clients anew.
    ///
    /// # Errors
    /// [`StoreError`]; the former ones stay.
    pub async fn refresh_origins(&self, store: &Store) -> Result<(), StoreError> {
        let origins = store
            .list_clients()
            .await?
            .into_iter()
            .filter(|record| record.metadata.enabled)
            .flat_map(|record| record.metadata.web_origins)
            .collect();
        self.stored_origins.store(Arc::new(origins));
        Ok(())
    }

    /// The clients of the configuration.
    pub fn configured(&self) -> Vec<Arc<Client>> {
        self.configured.load().values().cloned().collect()
    }
}

fn admit_all(
    rules: &Rules,
    configured: &[ConfiguredClient],
) -> Result<HashMap<ClientId, Arc<Client>>, Vec<Refused>> {
    let (mut clients, mut refused) = (HashMap::new(), Vec::new());
    for entry in configured {
        let client_id = entry.metadata.client_id.clone();
        match rules.admit(&entry.metadata, entry.secret.iter().cloned().collect()) {
            Ok(client) => {
                clients.insert(client_id, Arc::new(client));
            }
            Err(error) => refused.push(Refused {
                origin: entry.origin.clone(),
                client_id,
                error,
            }),
        }
    }
    if refused.is_empty() {
        Ok(clients)
    } else {
        Err(refused)
    }
}
