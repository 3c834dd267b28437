//! The session of a browser: its cookie, and what becomes of it at a sign-in. OpenID Connect Core section 3.1.2.3.

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;

use super::cookies;
use crate::bridge::Bridge;
use crate::clock::Timestamp;
use crate::config::SessionLimits;
use crate::login::{Identity, Login, Membership, Session};
use crate::oidc::client::Client;
use crate::secret::{Bearer, SessionCookie, randomness};
use crate::store::StoreError;

/// A session that this browser has shown the cookie of.
pub(super) struct Found {
    pub(super) session: Session,
    pub(super) cookie: Bearer<SessionCookie>,
    limits: SessionLimits,
    ends_at: Timestamp,
}

/// The session of this browser, where sessions are on and it has one.
pub(super) async fn find(
    bridge: &Bridge,
    request: &HttpRequest,
    now: Timestamp,
) -> Result<Option<Found>, StoreError> {
    let cookie = cookies::session(&bridge.issuer, request);
    let (Some(limits), Some(cookie)) = (bridge.session, cookie) else {
        return Ok(None);
    };
    let found = match bridge.store.find_session(&cookie, now).await {
        // A row that does not open is no session of ours.
        Err(StoreError::DoesNotOpen(_)) => None,
        other => other?,
    };
    Ok(found.map(|(session, ends_at)| Found {
        session,
        cookie,
        limits,
        ends_at,
    }))
}

impl Found {
    /// The session was used: it lives on, within its longest life.
    pub(super) async fn prolong(&self, bridge: &Bridge, now: Timestamp) -> Result<(), StoreError> {
        let until = now.after(self.limits.idle).min(self.ends_at);
        bridge.store.prolong_session(&self.cookie, until).await
    }
}

/// A session that begins with this sign-in.
pub(super) struct Begun {
    /// How the login belongs to it.
    pub(super) membership: Membership,
    cookie: Bearer<SessionCookie>,
    limits: SessionLimits,
}

impl Begun {
    /// The cookie that the browser is to keep.
    pub(super) fn cookie(&self, bridge: &Bridge) -> Cookie<'static> {
        cookies::set_session(&bridge.issuer, &self.cookie, self.limits.absolute)
    }
}

/// Begins a session, under a handle that nobody knew before. A former one of the same person goes on in it; one of
/// another person ends, as by logout.
pub(super) async fn begin(
    bridge: &Bridge,
    request: &HttpRequest,
    (login, identity): (&Login, &Identity),
    client: &Client,
    now: Timestamp,
) -> Result<Option<Begun>, StoreError> {
    let Some(limits) = bridge.session else {
        return Ok(None);
    };
    let mut session = Session::begin(identity, login.upstream(), now);
    let mut replaced = None;
    if let Some(former) = find(bridge, request, now).await? {
        if session.is_of_the_same_person(&former.session) {
            session.succeed(former.session);
            replaced = Some(former.cookie);
        } else {
            bridge
                .end_session(&former.cookie, &former.session, now)
                .await?;
        }
    }
    let scope = login.scope_for(client);
    let membership = session.join(client.client_id(), &scope, &mut randomness());
    let cookie = Bearer::generate(&mut randomness());
    let (expires_at, ends_at) = (now.after(limits.idle), now.after(limits.absolute));
    bridge
        .store
        .put_session(&cookie, &session, (expires_at, ends_at))
        .await?;
    if let Some(former) = replaced {
        bridge.store.remove_session(&former).await?;
    }
    Ok(Some(Begun {
        membership,
        cookie,
        limits,
    }))
}
