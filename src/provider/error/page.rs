//! Pages: what a person sees instead of going on.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};

use super::{RETRY_SECONDS, write_oauth};
use crate::oidc::client::NoReturnAddress;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::issuer::Issuer;
use crate::pages::{Action, Message};
use crate::provider::paths::Path;

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
    /// The person came back too late; a fresh login waits at the first URL, and the app hears of it at the second.
    #[error("the login has expired")]
    Expired(String, Option<String>),
    /// The request stands behind a `request_uri` that is unknown, used or expired.
    #[error("the request_uri is unknown, used or expired")]
    RequestUri,
    /// The token that says who is to be signed out is not one of ours, or not one of that app.
    #[error("the id_token_hint is invalid")]
    Hint,
    /// An app wants the person sent to an address that is not registered.
    #[error("the post_logout_redirect_uri is not registered")]
    PostLogoutRedirectUri,
    /// The form that ends a session did not come from our page.
    #[error("the sign-out was not confirmed on a page of ours")]
    NotConfirmed,
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
            | Self::Expired(..)
            | Self::RequestUri
            | Self::Hint
            | Self::PostLogoutRedirectUri
            | Self::NotConfirmed
            | Self::ClientChanged => StatusCode::BAD_REQUEST,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The same for a program: JSON by RFC 6749 section 5.2.
    pub fn respond_as_json(&self) -> HttpResponse {
        let status = self.status();
        let code = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                ErrorCode::TemporarilyUnavailable
            }
            status if status.is_server_error() => ErrorCode::ServerError,
            _ => ErrorCode::InvalidRequest,
        };
        let mut response = HttpResponse::build(status);
        if code == ErrorCode::TemporarilyUnavailable {
            response.insert_header((RETRY_AFTER, RETRY_SECONDS));
        }
        write_oauth(response, &OAuthError::new(code, self.to_string()))
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
            Self::RequestUri => (
                "This sign-in request is over",
                "The app prepared a request that waits a short time and works once. Nobody was signed in.".to_owned(),
                vec!["Go back to the app and sign in again there."],
            ),
            Self::Hint | Self::PostLogoutRedirectUri | Self::NotConfirmed => {
                return self.words_at_sign_out();
            }
            Self::Expired(..) => (
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

    fn words_at_sign_out(&self) -> Words<'static> {
        let (heading, explanation, advice): (&str, &str, Vec<&str>) = match self {
            Self::Hint => (
                "This sign-out cannot be finished here",
                "The app wanted to sign out somebody by an invalid token: it is not one that this service gave to that app. Nobody was signed out.",
                vec![
                    "Go back to the app and sign out there.",
                    "If you run the app: send the ID token that it received, unchanged, as id_token_hint.",
                ],
            ),
            Self::PostLogoutRedirectUri => (
                "This app cannot receive you after you sign out",
                "The address that it wants you sent to is not registered for it. Nobody was signed out.",
                vec![
                    "Go back to the app and sign out there.",
                    "If you run the app: register the address in post_logout_redirect_uris exactly as the app sends it, and send id_token_hint or client_id with it.",
                ],
            ),
            _ => (
                "You are still signed in",
                "The request to sign out did not come from our own page, or that page was too old.",
                vec!["Go back to the app and sign out there once more."],
            ),
        };
        Words {
            heading,
            explanation: explanation.to_owned(),
            advice,
        }
    }
}

impl ErrorPage<'_> {
    /// The whole document.
    pub fn render(&self) -> String {
        let words = self.fault.words();
        let action = match self.fault {
            PageFault::Expired(fresh_start, _) => Some(Action::Link {
                href: fresh_start,
                label: "Start again",
            }),
            _ => None,
        };
        let alternative = match self.fault {
            PageFault::Expired(_, Some(back)) => Some(Action::Link {
                href: back,
                label: "Go back to the app without signing in",
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
            alternative,
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

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_program_is_refused_in_json_with_the_status_of_the_page() {
        for (fault, code, may_retry) in [
            (PageFault::Throttled, "temporarily_unavailable", true),
            (PageFault::Overloaded, "temporarily_unavailable", true),
            (PageFault::HeadTooLarge, "invalid_request", false),
            (PageFault::Fault, "server_error", false),
        ] {
            let response = fault.respond_as_json();
            assert_eq!(response.status(), fault.status());
            assert_eq!(response.headers().contains_key(RETRY_AFTER), may_retry);
            let body = response.into_body().try_into_bytes().unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"], code);
            assert!(body["error_description"].is_string());
        }
    }
}
