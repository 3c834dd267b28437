//! `/register`: clients are registered by programs, as `client add` does by hand. RFC 7591; RFC 7592; OpenID Connect
//! Registration 1.0. Only for whoever holds an initial access token, which is the operator's.

mod metadata;
mod response;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path as PathSegment, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use self::metadata::Submitted;
use self::response::{Registered, RegistrationError};
use super::incoming::{self, ClientAddress, RequestId};
use crate::bridge::Bridge;
use crate::clients::settle_secrets;
use crate::clock::Timestamp;
use crate::oidc::client::{ClientId, ClientSecretHash};
use crate::secret::{Bearer, RegistrationToken, randomness};
use crate::store::{ClientRecord, RegistrationRecord};

/// As whom failed attempts are counted.
const REGISTRAR: &str = "/register";

/// Registers a client. RFC 7591 section 3.
pub async fn register(
    bridge: Data<Bridge>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match add(&bridge, &request, payload).await {
        Ok(registered) => registered.respond(StatusCode::CREATED),
        Err(error) => error.respond(&request),
    }
}

/// Reads a registration. RFC 7592 section 2.1.
pub async fn read(
    bridge: Data<Bridge>,
    request: HttpRequest,
    client_id: PathSegment<String>,
) -> HttpResponse {
    match own(&bridge, &request, &client_id).await {
        Ok(own) => Registered::of(&bridge, &own.record, &own.token, None).respond(StatusCode::OK),
        Err(error) => error.respond(&request),
    }
}

/// Replaces a registration. RFC 7592 section 2.2.
pub async fn update(
    bridge: Data<Bridge>,
    request: HttpRequest,
    client_id: PathSegment<String>,
    payload: Payload,
) -> HttpResponse {
    match replace(&bridge, &request, &client_id, payload).await {
        Ok(registered) => registered.respond(StatusCode::OK),
        Err(error) => error.respond(&request),
    }
}

/// Removes a registration. RFC 7592 section 2.3.
pub async fn remove(
    bridge: Data<Bridge>,
    request: HttpRequest,
    client_id: PathSegment<String>,
) -> HttpResponse {
    match delete(&bridge, &request, &client_id).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => error.respond(&request),
    }
}

/// Any other method than those of RFC 7592.
pub async fn wrong_method(request: HttpRequest) -> HttpResponse {
    RegistrationError::Method.respond(&request)
}

async fn add(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Registered, RegistrationError> {
    let now = bridge.clock.now();
    check_initial_access_token(bridge, request, now)?;
    let submitted = Submitted::parse(incoming::json(request, payload).await?)?.of_a_newcomer()?;
    let client_id = Uuid::new_v4().simple().to_string();
    let metadata = submitted.into_metadata(&client_id)?;
    let token = Bearer::<RegistrationToken>::generate(&mut randomness()).expose();
    let mut record = ClientRecord {
        secrets: Vec::new(),
        registration: Some(RegistrationRecord {
            token: ClientSecretHash::of(&token),
            issued_at: now,
        }),
        metadata,
        changed_at: now,
    };
    let secret = settle_secrets(&mut record);
    check(bridge, &record, now).await?;
    if !bridge.store.add_client(&record).await? {
        return Err(RegistrationError::Fault);
    }
    audit(request, "client.registered", &record.metadata.client_id);
    Ok(Registered::of(bridge, &record, &token, secret.as_deref()))
}

async fn replace(
    bridge: &Bridge,
    request: &HttpRequest,
    client_id: &str,
    payload: Payload,
) -> Result<Registered, RegistrationError> {
    let now = bridge.clock.now();
    let own = own(bridge, request, client_id).await?;
    let members = incoming::json(request, payload).await?;
    check_identity(&members, &own.record, now)?;
    let submitted = Submitted::parse(members)?.within(&own.record.metadata)?;
    let metadata = submitted.into_metadata(client_id)?;
    if !metadata.scope.is_within(&own.record.metadata.scope) {
        return Err(RegistrationError::metadata(
            "scope must not go beyond what is registered: the operator widens it, by client update",
        ));
    }
    let mut record = ClientRecord {
        metadata,
        changed_at: now,
        ..own.record.clone()
    };
    let secret = settle_secrets(&mut record);
    check(bridge, &record, now).await?;
    if !bridge.store.replace_client(&own.record, &record).await? {
        return Err(RegistrationError::Changed);
    }
    audit(request, "client.updated", &record.metadata.client_id);
    Ok(Registered::of(
        bridge,
        &record,
        &own.token,
        secret.as_deref(),
    ))
}

async fn delete(
    bridge: &Bridge,
    request: &HttpRequest,
    client_id: &str,
) -> Result<(), RegistrationError> {
    let own = own(bridge, request, client_id).await?;
    let id = &own.record.metadata.client_id;
    bridge.store.remove_client(id).await?;
    audit(request, "client.removed", id);
    Ok(())
}

fn check_initial_access_token(
    bridge: &Bridge,
    request: &HttpRequest,
    now: Timestamp,
) -> Result<(), RegistrationError> {
    let Some(tokens) = &bridge.registration else {
        return Err(RegistrationError::NotOffered);
    };
    let address = ClientAddress::of(request);
    bridge.throttle.admit_attempt(address, REGISTRAR, now)?;
    let presented = ClientSecretHash::of(incoming::bearer(request).unwrap_or_default());
    // All of them, so that the answer takes as long whichever is right.
    let known = tokens.0.iter().filter(|token| token.is(&presented)).count();
    if known == 0 {
        bridge.throttle.record_failure(address, REGISTRAR, now);
        return Err(RegistrationError::Token);
    }
    Ok(())
}

/// A client that has shown its registration access token.
struct Own {
    record: ClientRecord,
    token: String,
}

/// The registration of whoever holds its token. An unknown client and a wrong token are one answer.
async fn own(
    bridge: &Bridge,
    request: &HttpRequest,
    client_id: &str,
) -> Result<Own, RegistrationError> {
    if bridge.registration.is_none() {
        return Err(RegistrationError::NotOffered);
    }
    let now = bridge.clock.now();
    let address = ClientAddress::of(request);
    bridge.throttle.admit_attempt(address, client_id, now)?;
    let record = match ClientId::parse(client_id) {
        Some(id) => bridge.store.find_client(&id).await?,
        None => None,
    };
    let token = incoming::bearer(request).unwrap_or_default();
    let presented = ClientSecretHash::of(token);
    // One that the operator has switched off is refused here as everywhere.
    let is_theirs = |record: &ClientRecord| {
        let registration = record.registration.as_ref();
        registration.is_some_and(|registration| registration.token.is(&presented))
            && record.metadata.enabled
    };
    let Some(record) = record.filter(is_theirs) else {
        bridge.throttle.record_failure(address, client_id, now);
        return Err(RegistrationError::Token);
    };
    Ok(Own {
        record,
        token: token.to_owned(),
    })
}

/// RFC 7592 section 2.2: a client names itself, and its secret only if it knows it.
fn check_identity(
    members: &Map<String, Value>,
    record: &ClientRecord,
    now: Timestamp,
) -> Result<(), RegistrationError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("client_id") != Some(record.metadata.client_id.as_str()) {
        return Err(RegistrationError::metadata(
            "client_id must be the one of this registration",
        ));
    }
    let Some(secret) = text("client_secret") else {
        return Ok(());
    };
    let presented = ClientSecretHash::of(secret);
    let is_theirs = record
        .secrets
        .iter()
        .any(|own| own.expires_at.is_none_or(|at| now < at) && own.hash.is(&presented));
    is_theirs.then_some(()).ok_or_else(|| {
        RegistrationError::metadata("client_secret must be the current one, or be left out")
    })
}

/// The same rules as for clients that an operator writes down, and the sector's own word.
async fn check(
    bridge: &Bridge,
    record: &ClientRecord,
    now: Timestamp,
) -> Result<(), RegistrationError> {
    bridge.clients.rules().admit_record(record, now)?;
    let uri = record.metadata.sector_identifier_uri.as_deref();
    let Some(uri) = uri.and_then(|uri| Url::parse(uri).ok()) else {
        return Ok(());
    };
    let redirect_uris = &record.metadata.redirect_uris;
    bridge.outgoing.confirm_sector(&uri, redirect_uris).await?;
    Ok(())
}

fn audit(request: &HttpRequest, event: &str, id: &ClientId) {
    tracing::info!(target: "sgid_bridge::audit", event, client.id = %id, request.id = RequestId::of(request), "a client was changed by the registration endpoint");
}
