//! Relying parties that are kept in the database.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Store, StoreError, change, on};
use crate::clock::Timestamp;
use crate::oidc::client::{ClientId, ClientSecretHash};
use crate::oidc::metadata::ClientMetadata;

/// One hashed secret; while a secret is being rotated there are two.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretRecord {
    /// The hash.
    pub hash: ClientSecretHash,
    /// Until when it counts; for ever where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How a client that registered itself changes its registration. RFC 7592.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegistrationRecord {
    /// The hash of its registration access token.
    pub token: ClientSecretHash,
    /// When it registered: `client_id_issued_at`.
    pub issued_at: Timestamp,
}

/// A client as it is kept.
#[derive(Clone, Debug)]
pub struct ClientRecord {
    /// Its registration.
    pub metadata: ClientMetadata,
    /// Its secrets.
    pub secrets: Vec<SecretRecord>,
    /// Where it registered itself.
    pub registration: Option<RegistrationRecord>,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Store {
    /// Adds a client; `false` where one of that name is there already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_client(&self, client: &ClientRecord) -> Result<bool, StoreError> {
        let Written {
            metadata,
            secrets,
            registration,
        } = Written::of(client)?;
        let added = change!(
            self,
            "insert into client (client_id, metadata, secrets, changed_at, registration) \
             values ($1, $2, $3, $4, $5) on conflict (client_id) do nothing",
            client.metadata.client_id.as_str(),
            &metadata[..],
            &secrets[..],
            client.changed_at.seconds(),
            registration.as_deref()
        )?;
        Ok(added == 1)
    }

    /// Replaces what was found by what it became; `false` where somebody changed or removed it meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_client(
        &self,
        found: &ClientRecord,
        became: &ClientRecord,
    ) -> Result<bool, StoreError> {
        let Written {
            metadata,
            secrets,
            registration,
        } = Written::of(became)?;
        // Always later than before, so that two changes within a second do not pass for one.
        let changed_at = became
            .changed_at
            .seconds()
            .max(found.changed_at.seconds() + 1);
        let replaced = change!(
            self,
            "update client set metadata = $2, secrets = $3, changed_at = $4, registration = $6 \
             where client_id = $1 and changed_at = $5",
            found.metadata.client_id.as_str(),
            &metadata[..],
            &secrets[..],
            changed_at,
            found.changed_at.seconds(),
            registration.as_deref()
        )?;
        Ok(replaced == 1)
    }

    /// The client of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let row: Option<Row> = on!(self, |pool| {
            sqlx::query_as(
            "select metadata, secrets, changed_at, registration from client where client_id = $1"
        )
        .bind(id.as_str())
        .fetch_optional(pool)
        .await
        })?;
        row.map(read).transpose()
    }

    /// All clients, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        let rows: Vec<Row> = on!(self, |pool| sqlx::query_as(
            "select metadata, secrets, changed_at, registration from client order by client_id"
        )
        .fetch_all(pool)
        .await)?;
        // One that cannot be read must not hide the others.
        let readable = |row| match read(row) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(%error, "a client of the database cannot be read");
                None
            }
        };
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    /// Removes a client; `false` where there was none of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_client(&self, id: &ClientId) -> Result<bool, StoreError> {
        let removed = change!(self, "delete from client where client_id = $1", id.as_str())?;
        Ok(removed == 1)
    }
}

/// Metadata, secrets, when it changed, and how it registered itself.
type Row = (String, String, i64, Option<String>);

/// A record as its columns hold it.
struct Written {
    metadata: String,
    secrets: String,
    registration: Option<String>,
}

impl Written {
    fn of(client: &ClientRecord) -> Result<Self, StoreError> {
        let registration = client.registration.as_ref();
        Ok(Self {
            metadata: serde_json::to_string(&client.metadata)?,
            secrets: serde_json::to_string(&client.secrets)?,
            registration: registration.map(serde_json::to_string).transpose()?,
        })
    }
}

/// Members that this version does not know are passed over: a newer one may have written them.
fn read((metadata, secrets, changed_at, registration): Row) -> Result<ClientRecord, StoreError> {
    let mut metadata: Map<String, Value> = serde_json::from_str(&metadata)?;
    metadata.retain(|name, _| ClientMetadata::MEMBERS.contains(&name.as_str()));
    Ok(ClientRecord {
        metadata: serde_json::from_value(Value::Object(metadata))?,
        secrets: serde_json::from_str(&secrets)?,
        registration: registration
            .as_deref()
            .map(serde_json::from_str)
            .transpose()?,
        changed_at: Timestamp::from_seconds(changed_at),
    })
}
