//! The session of a browser: its cookie, and what becomes of it at a sign-in. OpenID Connect Core section 3.1.2.3.

use actix_web::HttpRequest;
use actix_web::cookie::Cookie;

use super::cookies;
use super::incoming::RequestId;
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
        // A row that does not open, or that another version wrote in another form, is no session.
        Err(StoreError::DoesNotOpen(_) | StoreError::Form(_)) => None,
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
    /// The session was used: it lives on, within its longest life. `false` where it has ended meanwhile.
    pub(super) async fn prolong(
        &self,
        bridge: &Bridge,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let until = now.after(self.limits.idle).min(self.ends_at);
        bridge.store.prolong_session(&self.cookie, until, now).await
    }
}

/// A session that begins with this sign-in.
pub(super) struct Begun {
    /// How the login belongs to it.
    pub(super) membership: Membership,
    cookie: Bearer<SessionCookie>,
    limits: SessionLimits,
    /// The session whose clients go on in this one.
    replaced: Option<Bearer<SessionCookie>>,
}

impl Begun {
    /// The cookie that the browser is to keep, once the login has come to its end. Until then a former session of the
    /// same person is the browser's, and a login that fails leaves it so.
    ///
    /// None where the former session was ended or replaced during this login, by a logout or by another login: what
    /// had ended must not go on in this one.
    pub(super) async fn settle(
        self,
        bridge: &Bridge,
    ) -> Result<Option<Cookie<'static>>, StoreError> {
        if let Some(former) = &self.replaced
            && !bridge.store.remove_session(former).await?
        {
            bridge.store.remove_session(&self.cookie).await?;
            return Ok(None);
        }
        let life = self.limits.absolute;
        let cookie = cookies::set_session(&bridge.issuer, &self.cookie, life);
        Ok(Some(cookie))
    }
}

/// Begins a session, under a handle that nobody knew before. The browser's former one goes on in it where it is of the
/// same person; one of another person at the same upstream ends, as by logout.
pub(super) async fn begin(
    bridge: &Bridge,
    (former, request): (Option<Found>, &HttpRequest),
    (login, identity): (&Login, &Identity),
    client: &Client,
    now: Timestamp,
) -> Result<Option<Begun>, StoreError> {
    let Some(limits) = bridge.session else {
        return Ok(None);
    };
    let (expires_at, ends_at) = (now.after(limits.idle), now.after(limits.absolute));
    let mut session = Session::begin(identity, login.upstream(), now, ends_at);
    let mut replaced = None;
    if let Some(former) = former {
        if session.contradicts(&former.session) {
            bridge
                .end_session(&former.cookie, &former.session, &RequestId::of(request))
                .await?;
        } else {
            session.succeed(former.session, now);
            replaced = Some(former.cookie);
        }
    }
    let scope = login.scope_for(client);
    let membership = session.join(client, &scope, &mut randomness());
    let cookie = Bearer::generate(&mut randomness());
    bridge
        .store
        .put_session(&cookie, &session, (expires_at, ends_at))
        .await?;
    Ok(Some(Begun {
        membership,
        cookie,
        limits,
        replaced,
    }))
}
