//! What a relying party asks for, from wherever its parameters come: the request itself, a request object, or a pushed
//! request. RFC 6749 section 4.1.1; RFC 9101; RFC 9126 section 4.

use std::sync::Arc;

use super::error::{AuthorizeError, PageFault};
use crate::bridge::{Bridge, NotByClient};
use crate::clock::Timestamp;
use crate::oidc::authorization::{AuthorizationRequest, RawAuthorizationRequest};
use crate::oidc::client::{Client, ClientId};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::parameters::Parameters;
use crate::oidc::request_object;
use crate::oidc::return_address::ReturnAddress;
use crate::secret::{Bearer, PushedRequest, RowId};
use crate::store::StoreError;

/// What a `request_uri` of ours begins with. RFC 9126 section 2.2.
pub(super) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// An admitted authorization request, and whose it is.
pub(super) struct Asked {
    pub(super) client: Arc<Client>,
    pub(super) request: AuthorizationRequest,
    /// The pushed request that it stands in, to be used up when a code is issued.
    pub(super) pushed: Option<RowId>,
}

/// Reads and admits what came to the authorization endpoint.
pub(super) async fn asked(
    bridge: &Bridge,
    parameters: Parameters,
    now: Timestamp,
) -> Result<Asked, AuthorizeError> {
    let raw = RawAuthorizationRequest::new(&parameters);
    let client = client(bridge, &raw, now).await?;
    let request_uri = raw.request_uri()?;
    if let Some(handle) = request_uri.and_then(|uri| uri.strip_prefix(REQUEST_URI)) {
        let found = pushed(bridge, &client, handle, now).await?;
        let (parameters, row) = found.ok_or_else(|| request_uri_over(bridge, &client, &raw))?;
        let request = admit(bridge, &client, &parameters)?;
        let pushed = Some(row);
        return Ok(Asked {
            client,
            request,
            pushed,
        });
    }
    if client.requires_pushed_requests() {
        let return_to = return_address(bridge, &client, &raw)?;
        return Err(AuthorizeError::to(
            return_to,
            OAuthError::invalid_request(
                "this client must push its authorization requests (RFC 9126): send request_uri, or set require_pushed_authorization_requests = false for it",
            ),
        ));
    }
    let unwrapped = unwrap_request_object(bridge, &client, &parameters, now).await;
    let unwrapped = unwrapped.map_err(|error| match return_address(bridge, &client, &raw) {
        Ok(return_to) => AuthorizeError::to(return_to, error),
        Err(page) => page,
    })?;
    let request = admit(bridge, &client, unwrapped.as_ref().unwrap_or(&parameters))?;
    Ok(Asked {
        client,
        request,
        pushed: None,
    })
}

/// The client that a request names. Until its redirect URI is good too, every failure is a page.
async fn client(
    bridge: &Bridge,
    raw: &RawAuthorizationRequest<'_>,
    now: Timestamp,
) -> Result<Arc<Client>, AuthorizeError> {
    let Some(id) = raw.client_id()?.and_then(ClientId::parse) else {
        return Err(AuthorizeError::page(PageFault::UnknownClient));
    };
    let client = bridge.clients.find(&bridge.store, &id, now).await?;
    client
        .filter(|client| client.is_enabled())
        .ok_or(AuthorizeError::page(PageFault::UnknownClient))
}

/// The way back that these parameters name.
fn return_address(
    bridge: &Bridge,
    client: &Client,
    raw: &RawAuthorizationRequest<'_>,
) -> Result<ReturnAddress, AuthorizeError> {
    let state = raw.state();
    let return_to = client
        .return_address(
            raw.redirect_uri()?,
            raw.response_mode()?,
            state.unwrap_or_default(),
            &bridge.issuer,
        )
        .map_err(AuthorizeError::page)?;
    match state {
        Ok(_) => Ok(return_to),
        Err(repeated) => Err(AuthorizeError::to(return_to, repeated.into())),
    }
}

/// Checks the parameters of a request, once it is known where they come from.
pub(super) fn admit(
    bridge: &Bridge,
    client: &Client,
    parameters: &Parameters,
) -> Result<AuthorizationRequest, AuthorizeError> {
    let raw = RawAuthorizationRequest::new(parameters);
    let return_to = return_address(bridge, client, &raw)?;
    let allowed = bridge.catalogue().claim_names(client.scope());
    client
        .admit(&raw, return_to.clone())
        .map(|request| request.limited_to(&allowed))
        .map_err(|error| AuthorizeError::to(return_to, error))
}

/// The parameters in the request object of a client that is registered for one; nothing where there is none, or where
/// `Client::admit` is to refuse it.
pub(super) async fn unwrap_request_object(
    bridge: &Bridge,
    client: &Client,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Option<Parameters>, OAuthError> {
    let object = parameters.one("request")?;
    let (Some(object), Some(algorithm)) = (object, client.request_object_signing_alg()) else {
        return Ok(None);
    };
    if parameters.one("request_uri")?.is_some() {
        return Err(OAuthError::invalid_request(
            "request and request_uri must not be sent together",
        ));
    }
    let verified = bridge.verify_by(client, object, &[algorithm], now).await;
    let verified = verified.map_err(|reason| {
        if let NotByClient::Keys(reason) = reason {
            tracing::warn!(client.id = %client.client_id(), %reason, "the keys of a client are not to be had");
        }
        let description = format!("the request object is not acceptable: {reason}");
        OAuthError::new(ErrorCode::InvalidRequestObject, description)
    })?;
    let inside = request_object::parameters(
        &verified.header,
        &verified.claims,
        client.client_id(),
        &bridge.issuer,
        now.seconds(),
    )?;
    Ok(Some(inside))
}

/// The pushed request behind a handle, if it is this client's.
async fn pushed(
    bridge: &Bridge,
    client: &Client,
    handle: &str,
    now: Timestamp,
) -> Result<Option<(Parameters, RowId)>, StoreError> {
    let Some(handle) = Bearer::<PushedRequest>::parse(handle) else {
        return Ok(None);
    };
    let found = bridge.store.find_pushed_request(&handle, now).await?;
    Ok(found
        .filter(|(request, _)| request.client_id == *client.client_id())
        .map(|(request, row)| (request.parameters, row)))
}

/// The way back stands in the request that is gone; only one beside it can still be used.
fn request_uri_over(
    bridge: &Bridge,
    client: &Client,
    raw: &RawAuthorizationRequest<'_>,
) -> AuthorizeError {
    match return_address(bridge, client, raw) {
        Ok(return_to) => AuthorizeError::to(
            return_to,
            OAuthError::new(
                ErrorCode::InvalidRequestUri,
                "request_uri is unknown, used or expired: push the request anew",
            ),
        ),
        Err(_) => AuthorizeError::page(PageFault::RequestUri),
    }
}
