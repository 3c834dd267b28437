//! The one conversion from what went wrong to HTTP, once for each surface.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use super::incoming::{RequestId, UnreadableRequest};
use super::paths::Path;
use crate::bridge::{Bridge, Throttled};
use crate::oidc::client::{InvalidClient, NoReturnAddress};
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::issuer::Issuer;
use crate::oidc::parameters::Repeated;
use crate::oidc::return_address::ReturnAddress;
use crate::pages::{Action, Message};
use crate::sgid::SgidError;
use crate::store::StoreError;
use crate::tokens::MintError;

/// Why a person sees a page of ours instead of going on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// The request cannot be read at all.
    #[error("{0}")]
    Unreadable(String, u16),
    /// No client of that name, or it is switched off.
    #[error("the client is unknown or disabled")]
    UnknownClient,
    /// The redirect URI, or `state`.
    #[error(transparent)]
    NoReturnAddress(#[from] NoReturnAddress),
    /// The callback is not for this browser, or its login is over.
    #[error("no login of this browser fits the callback")]
    NoLogin,
    /// The person came back too late; a fresh login waits at this URL.
    #[error("the login has expired")]
    Expired(String),
    /// The client was disabled or changed while the person was at sgID.
    #[error("the client changed during the login")]
    ClientChanged,
    /// Too much, too fast.
    #[error("too many logins")]
    Throttled,
    /// More requests at once than can be served.
    #[error("too many requests at once")]
    Overloaded,
    /// We are at fault, or the database is away.
    #[error("the bridge is unavailable")]
    Unavailable,
    /// We are at fault.
    #[error("internal fault")]
    Fault,
    /// No such page.
    #[error("there is nothing at this address")]
    NotFound,
    /// Another method than the endpoint takes.
    #[error("this address does not take that method")]
    MethodNotAllowed,
    /// A request whose head is too large.
    #[error("the request's head is too large")]
    HeadTooLarge,
}

/// A page, ready to be written.
pub struct ErrorPage<'a> {
    /// Why.
    pub fault: &'a PageFault,
    /// For the address of the stylesheet.
    pub issuer: &'a Issuer,
    /// The number in the log.
    pub reference: &'a str,
}

struct Words<'a> {
    heading: &'a str,
    explanation: String,
    advice: Vec<&'a str>,
}

impl PageFault {
    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable(_, status) => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::UnknownClient
            | Self::NoReturnAddress(_)
            | Self::NoLogin
            | Self::Expired(_)
            | Self::ClientChanged => StatusCode::BAD_REQUEST,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    fn words(&self) -> Words<'static> {
        let (heading, explanation, advice): (&str, String, Vec<&str>) = match self {
            Self::Unreadable(reason, _) => (
                "This request cannot be read",
                format!("The app sent something that does not follow the standard: {reason}."),
                vec![
                    "Go back to the app and try once more.",
                    "If it happens again, tell the people who run the app; the reference below helps them.",
                ],
            ),
            Self::UnknownClient => (
                "This app is not known here",
                "The app that sent you here is not registered for signing in with sgID, or its registration is switched off.".to_owned(),
                vec![
                    "Check that you came from the right place.",
                    "If you run the app: compare its client_id with the registration.",
                ],
            ),
            Self::NoReturnAddress(reason) => (
                "This app cannot receive you back",
                format!("The request cannot be answered safely: {reason}. Nobody was signed in, and nothing was sent to anybody."),
                vec![
                    "Go back to the app and try once more.",
                    "If you run the app: register its redirect URI exactly as it sends it, character for character.",
                ],
            ),
            Self::NoLogin => (
                "This sign-in cannot be finished here",
                "It was begun in another browser, it is already finished, or too much time has passed. Nobody was signed in.".to_owned(),
                vec![
                    "Go back to the app where you started and sign in again there.",
                    "If the Singpass app brought you here, open the app or site in the same browser first.",
                    "Cookies must be allowed for this site.",
                ],
            ),
            Self::Expired(_) => (
                "That took a little too long",
                "For your safety, a sign-in waits a few minutes only. Nobody was signed in; you can simply start again.".to_owned(),
                vec![],
            ),
            Self::ClientChanged => (
                "This app cannot receive you any more",
                "Its registration was changed while you were signing in. Nobody was signed in.".to_owned(),
                vec!["Go back to the app and try once more."],
            ),
            Self::Throttled | Self::Overloaded => (
                "Too many sign-ins at once",
                "More people are signing in just now than can be served well.".to_owned(),
                vec!["Wait a minute, then go back to the app and try once more."],
            ),
            Self::Unavailable => (
                "Signing in is not possible right now",
                "Something that is needed for signing in is not reachable. It is not your fault, and nothing of yours was lost.".to_owned(),
                vec!["Wait a few minutes, then go back to the app and try once more."],
            ),
            Self::Fault => (
                "Something went wrong on our side",
                "Nobody was signed in, and nothing of yours was lost.".to_owned(),
                vec!["Go back to the app and try once more."],
            ),
            Self::NotFound => (
                "There is nothing here",
                "This address belongs to a service that signs people in to other apps. It has no pages of its own.".to_owned(),
                vec!["Go back to the app you came from."],
            ),
            Self::MethodNotAllowed => (
                "This cannot be asked that way",
                "The address exists, but it does not take this kind of request.".to_owned(),
                vec!["Go back to the app and try once more."],
            ),
            Self::HeadTooLarge => (
                "This request is too large",
                "The address or the cookies sent with it are longer than any sign-in needs.".to_owned(),
                vec!["Delete the cookies of this site, then go back to the app and try once more."],
            ),
        };
        Words {
            heading,
            explanation,
            advice,
        }
    }
}

impl ErrorPage<'_> {
    /// The whole document.
    pub fn render(&self) -> String {
        let words = self.fault.words();
        let action = match self.fault {
            PageFault::Expired(fresh_start) => Some(Action {
                href: fresh_start,
                label: "Start again",
            }),
            _ => None,
        };
        Message {
            stylesheet: &Path::Stylesheet.on(self.issuer),
            title: words.heading,
            heading: words.heading,
            explanation: &words.explanation,
            advice: &words.advice,
            action,
            reference: Some(self.reference).filter(|reference| !reference.is_empty()),
        }
        .render()
    }

    /// The page as an answer.
    pub fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.fault.status());
        if matches!(
            self.fault,
            PageFault::Throttled | PageFault::Overloaded | PageFault::Unavailable
        ) {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        }
        response
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .body(self.render())
    }
}

const RETRY_SECONDS: &str = "60";

/// What may go wrong at the authorization endpoint and the callback.
#[derive(Debug)]
pub(super) enum AuthorizeError {
    /// Before there is a way back: our page.
    Page(PageFault, Cause),
    /// Afterwards: to the relying party.
    Return(Box<ReturnAddress>, OAuthError, Cause),
}

/// What lies behind an error, for the log only.
pub(super) type Cause = Option<Box<dyn Error>>;

impl AuthorizeError {
    pub(super) fn page(fault: impl Into<PageFault>) -> Self {
        Self::Page(fault.into(), None)
    }

    /// A refusal that goes to the relying party.
    pub(super) fn to(return_to: ReturnAddress, error: OAuthError) -> Self {
        Self::Return(Box::new(return_to), error, None)
    }

    /// Our own fault, told to the relying party without its reason.
    pub(super) fn fault_to(return_to: ReturnAddress, cause: impl Error + 'static) -> Self {
        let error = OAuthError::new(
            ErrorCode::ServerError,
            "the bridge could not finish this login; its log says why",
        );
        Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
    }

    /// The database's absence, told to the relying party.
    pub(super) fn store_to(return_to: ReturnAddress, cause: StoreError) -> Self {
        match cause {
            StoreError::Database(_) | StoreError::TimedOut => {
                let error = OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "the bridge cannot reach its database; try again in a moment",
                );
                Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
            }
            other => Self::fault_to(return_to, other),
        }
    }

    /// sgID's absence or fault, told to the relying party without sgID's words.
    pub(super) fn sgid_to(return_to: ReturnAddress, cause: SgidError) -> Self {
        let error = match cause {
            SgidError::Unavailable { .. } => OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "sgID is not reachable; try again in a moment",
            ),
            SgidError::Untrusted { .. } => OAuthError::new(
                ErrorCode::ServerError,
                "sgID's answer could not be accepted; the log of the bridge says why",
            ),
        };
        Self::Return(Box::new(return_to), error, Some(Box::new(cause)))
    }

    /// The answer; logged here, once, with its whole chain.
    pub(super) fn respond(self, bridge: &Bridge, request: &HttpRequest) -> HttpResponse {
        let reference = RequestId::of(request);
        match self {
            Self::Page(fault, cause) => {
                log("page", &fault.to_string(), cause.as_deref(), &reference);
                ErrorPage {
                    fault: &fault,
                    issuer: &bridge.issuer,
                    reference: &reference,
                }
                .respond()
            }
            Self::Return(return_to, error, cause) => {
                log("returned", &error.to_string(), cause.as_deref(), &reference);
                see_other(&return_to.with_error(&error))
            }
        }
    }
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Page(PageFault::Unavailable, Some(Box::new(error)))
    }
}

impl From<UnreadableRequest> for AuthorizeError {
    fn from(error: UnreadableRequest) -> Self {
        Self::page(PageFault::Unreadable(error.to_string(), error.status()))
    }
}

impl From<Repeated> for AuthorizeError {
    fn from(error: Repeated) -> Self {
        Self::page(PageFault::Unreadable(error.to_string(), 400))
    }
}

/// A redirect that a browser follows with GET, whatever it did before. RFC 9700 section 4.12.
pub(super) fn see_other(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish()
}

/// What may go wrong at the token endpoint. RFC 6749 section 5.2.
#[derive(Debug)]
pub(super) enum TokenError {
    /// A refusal with its code.
    OAuth(OAuthError),
    /// The body cannot be read.
    Unreadable(UnreadableRequest),
    /// Another method than POST.
    Method,
    /// Nobody was proven; `challenge` where HTTP Basic was tried.
    InvalidClient {
        /// Whether the client tried HTTP Basic.
        challenge: bool,
    },
    /// Too many failures.
    Throttled,
    /// The database is away: never reported as a bad credential.
    Unavailable(StoreError),
    /// We are at fault.
    Fault(MintError),
}

impl TokenError {
    /// The answer; logged here, once.
    pub(super) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let reference = RequestId::of(request);
        let (status, error, cause): (_, _, Cause) = match self {
            Self::OAuth(error) => (StatusCode::BAD_REQUEST, error, None),
            Self::Unreadable(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                OAuthError::invalid_request(error.to_string()),
                None,
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                OAuthError::invalid_request("the token endpoint takes POST only"),
                None,
            ),
            Self::InvalidClient { challenge } => return invalid_client(challenge, &reference),
            Self::Throttled => (
                StatusCode::TOO_MANY_REQUESTS,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "too many failed client authentications from this address; wait a minute",
                ),
                None,
            ),
            Self::Unavailable(cause) => (
                StatusCode::SERVICE_UNAVAILABLE,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "the bridge cannot reach its database; try again in a moment",
                ),
                Some(Box::new(cause)),
            ),
            Self::Fault(cause) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                OAuthError::new(
                    ErrorCode::ServerError,
                    "the bridge could not make tokens; its log says why",
                ),
                Some(Box::new(cause)),
            ),
        };
        log("token", &error.to_string(), cause.as_deref(), &reference);
        let mut response = HttpResponse::build(status);
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((ALLOW, "POST"));
        }
        write_oauth(response, &error)
    }
}

fn invalid_client(challenge: bool, reference: &str) -> HttpResponse {
    let error = OAuthError::new(
        ErrorCode::InvalidClient,
        "client authentication failed: check client_id, the secret, and that the relying party uses the registered token_endpoint_auth_method",
    );
    log("token", &error.to_string(), None, reference);
    let mut response = HttpResponse::Unauthorized();
    if challenge {
        response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"token\", charset=\"UTF-8\""));
    }
    write_oauth(response, &error)
}

fn write_oauth(mut response: HttpResponseBuilder, error: &OAuthError) -> HttpResponse {
    response.json(json!({
        "error": error.code.as_str(),
        "error_description": error.description.as_str(),
    }))
}

impl From<InvalidClient> for TokenError {
    fn from(_: InvalidClient) -> Self {
        Self::InvalidClient { challenge: false }
    }
}

impl From<OAuthError> for TokenError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<Repeated> for TokenError {
    fn from(error: Repeated) -> Self {
        Self::OAuth(error.into())
    }
}

impl From<UnreadableRequest> for TokenError {
    fn from(error: UnreadableRequest) -> Self {
        Self::Unreadable(error)
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<MintError> for TokenError {
    fn from(error: MintError) -> Self {
        Self::Fault(error)
    }
}

impl From<Throttled> for TokenError {
    fn from(_: Throttled) -> Self {
        Self::Throttled
    }
}

/// What may go wrong at userinfo. RFC 6750 section 3.1.
#[derive(Debug)]
pub(super) enum BearerError {
    /// No token came: the challenge says nothing more.
    Missing,
    /// It came in two places, or in the query.
    Malformed(&'static str),
    /// The body cannot be read.
    Unreadable(UnreadableRequest),
    /// It is unknown, expired or revoked, or its client is disabled.
    Invalid,
    /// The database is away: never reported as a bad token.
    Unavailable(StoreError),
}

impl BearerError {
    /// The answer; logged here, once.
    pub(super) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let (status, error, cause): (_, _, Cause) = match self {
            Self::Missing => {
                return HttpResponse::Unauthorized()
                    .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"userinfo\""))
                    .finish();
            }
            Self::Malformed(reason) => (
                StatusCode::BAD_REQUEST,
                OAuthError::invalid_request(reason),
                None,
            ),
            Self::Unreadable(error) => (
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                OAuthError::invalid_request(error.to_string()),
                None,
            ),
            Self::Invalid => (
                StatusCode::UNAUTHORIZED,
                OAuthError::new(
                    ErrorCode::InvalidToken,
                    "the access token is unknown, expired or revoked",
                ),
                None,
            ),
            Self::Unavailable(cause) => (
                StatusCode::SERVICE_UNAVAILABLE,
                OAuthError::new(
                    ErrorCode::TemporarilyUnavailable,
                    "the bridge cannot reach its database; try again in a moment",
                ),
                Some(Box::new(cause)),
            ),
        };
        log(
            "userinfo",
            &error.to_string(),
            cause.as_deref(),
            &RequestId::of(request),
        );
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        } else {
            let challenge = format!(
                "Bearer realm=\"userinfo\", error=\"{}\", error_description=\"{}\"",
                error.code.as_str(),
                error.description
            );
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        write_oauth(response, &error)
    }
}

impl From<UnreadableRequest> for BearerError {
    fn from(error: UnreadableRequest) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Repeated> for BearerError {
    fn from(_: Repeated) -> Self {
        Self::Malformed("access_token occurs more than once")
    }
}

impl From<StoreError> for BearerError {
    fn from(error: StoreError) -> Self {
        match error {
            // A row that does not open is no token of ours.
            StoreError::DoesNotOpen(_) => Self::Invalid,
            other => Self::Unavailable(other),
        }
    }
}

fn log(surface: &'static str, answer: &str, cause: Option<&dyn Error>, reference: &str) {
    match cause {
        None => tracing::info!(surface, answer, request.id = reference, "refused"),
        Some(cause) => {
            let mut chain = cause.to_string();
            let mut source = cause.source();
            while let Some(deeper) = source {
                chain = format!("{chain}: {deeper}");
                source = deeper.source();
            }
            tracing::error!(
                surface,
                answer,
                cause = chain,
                request.id = reference,
                "failed"
            );
        }
    }
}
