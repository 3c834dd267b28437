//! How browsers leave: to another address, by a form, or to a page of ours.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};

use super::paths::Path;
use crate::bridge::Bridge;
use crate::oidc::error::{ErrorCode, OAuthError};
use crate::oidc::return_address::{AuthorizationResponse, ReturnAddress};
use crate::pages::{FormPost, Message};

/// For pages with a form. It names no `form-action`: browsers hold that against the redirects that follow, too, and
/// where a relying party sends its people on is not ours to know.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; \
     base-uri 'none'; frame-ancestors 'none'";

/// A redirect that a browser follows with GET, whatever it did before. RFC 9700 section 4.12.
pub(super) fn see_other(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish()
}

/// An authorization response, by the way that the relying party asked for.
pub(super) fn deliver(bridge: &Bridge, response: &AuthorizationResponse) -> HttpResponse {
    match response {
        AuthorizationResponse::Redirect(url) => see_other(url),
        AuthorizationResponse::FormPost(form) => {
            let page = FormPost {
                stylesheet: &Path::Stylesheet.on(&bridge.issuer),
                script: &Path::FormPostScript.on(&bridge.issuer),
                action: &form.action,
                fields: &form.fields,
            };
            with_form(StatusCode::OK, page.render())
        }
    }
}

/// How the app hears that the person would rather not, where a link can say so.
pub(super) fn way_back(return_to: &ReturnAddress) -> Option<String> {
    let given_up = OAuthError::new(
        ErrorCode::AccessDenied,
        "the person went back without signing in",
    );
    match return_to.with_error(&given_up) {
        AuthorizationResponse::Redirect(url) => Some(url),
        AuthorizationResponse::FormPost(_) => None,
    }
}

/// A page that holds a form.
pub(super) fn with_form(status: StatusCode, page: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, FORM_POLICY))
        .body(page)
}

/// A page that says something and is no error.
pub(super) fn say(message: &Message<'_>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(message.render())
}
