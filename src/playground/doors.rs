//! The routes, the cookie and the headers. Nothing here can fail without a page that says so.

use std::sync::{MutexGuard, PoisonError};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::{
        StatusCode,
        header::{ContentType, LOCATION},
    },
    middleware::DefaultHeaders,
    web::{self, Bytes, Data, PayloadConfig, ServiceConfig},
};
use url::form_urlencoded;

use super::{
    Playground, chance, login,
    login::Attempt,
    views,
    visits::{VISIT_TTL, Visits},
};

/// Every address that answers.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .app_data(PayloadConfig::new(MOST_FORM_BYTES))
        .route("/", web::get().to(home))
        .route("/login", web::post().to(begin))
        .route("/callback", web::get().to(callback))
        .route("/result", web::get().to(result))
        .route("/forget", web::post().to(forget))
        .route("/style.css", web::get().to(style))
        .default_service(web::to(nowhere));
}

/// Strict, because the page shows personal data. `form-action` has to let the answer to our form lead
/// on to the bridge, to sgID, and to wherever those two send the browser: browsers hold every redirect
/// after a form against it.
pub(super) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action http: https:; \
             base-uri 'none'; frame-ancestors 'none'",
        ))
        .add(("X-Frame-Options", "DENY"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cache-Control", "no-store"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
}

async fn home(playground: Data<Playground>) -> HttpResponse {
    page(StatusCode::OK, views::home(&playground))
}

async fn begin(playground: Data<Playground>, request: HttpRequest, form: Bytes) -> HttpResponse {
    if from_elsewhere(&request) {
        return refused();
    }
    let asked: Vec<String> = form_urlencoded::parse(&form)
        .filter(|(name, _)| name == "scope")
        .map(|(_, value)| value.into_owned())
        .collect();
    let ticked =
        views::offered(&playground).filter(|scope| asked.iter().any(|asked| asked == scope));
    let scopes: Vec<&str> = std::iter::once("openid").chain(ticked).collect();

    match Attempt::begin(&playground, &scopes).await {
        Ok(attempt) => {
            let (handle, away) = (chance::unguessable(), attempt.authorization_url.to_string());
            visits(&playground).put_attempt(handle.clone(), attempt, chance::now());
            see_other(&away, Some(cookie(handle)))
        }
        Err(failure) => page(
            StatusCode::BAD_GATEWAY,
            views::notice(failure.heading, &failure.explanation),
        ),
    }
}

async fn callback(playground: Data<Playground>, request: HttpRequest) -> HttpResponse {
    let query: Vec<(String, String)> = form_urlencoded::parse(request.query_string().as_bytes())
        .into_owned()
        .collect();
    let handle = handle(&request).unwrap_or_default();
    let state = login::single(&query, "state").unwrap_or_default();
    let Some(attempt) = visits(&playground).take_attempt(&handle, state, chance::now()) else {
        return page(
            StatusCode::BAD_REQUEST,
            views::notice(STRANGER.0, STRANGER.1),
        );
    };
    let journey = attempt.finish(&playground, &query).await;
    visits(&playground).put_journey(handle.clone(), journey, chance::now());
    // A page of its own, so that the code leaves the address bar and a reload repeats nothing.
    see_other("/result", Some(cookie(handle)))
}

async fn result(playground: Data<Playground>, request: HttpRequest) -> HttpResponse {
    let handle = handle(&request).unwrap_or_default();
    match visits(&playground).journey(&handle, chance::now()) {
        Some(journey) => page(StatusCode::OK, views::result(journey)),
        None => see_other("/", None),
    }
}

async fn forget(playground: Data<Playground>, request: HttpRequest) -> HttpResponse {
    if from_elsewhere(&request) {
        return refused();
    }
    visits(&playground).forget(&handle(&request).unwrap_or_default());
    let mut gone = cookie(String::new());
    gone.make_removal();
    see_other("/", Some(gone))
}

async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(views::stylesheet())
}

async fn nowhere() -> HttpResponse {
    page(
        StatusCode::NOT_FOUND,
        views::notice(
            "There is nothing here",
            "The address is not one of this app's.",
        ),
    )
}

/// Another site's form cannot begin or end anything here. Old browsers do not send the header, and pass:
/// the worst that they allow is a login that somebody else began.
fn from_elsewhere(request: &HttpRequest) -> bool {
    let site = request.headers().get("Sec-Fetch-Site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn refused() -> HttpResponse {
    page(
        StatusCode::FORBIDDEN,
        views::notice(
            "That came from another website",
            "Begin from this app's own page.",
        ),
    )
}

/// The cookie means nothing by itself: it finds what we hold in memory. `Lax`, because the callback comes
/// from another site. Not `Secure`, because this is plain HTTP on loopback. Cookies know no ports, so the
/// name must not be one of the bridge's.
fn cookie(handle: String) -> Cookie<'static> {
    Cookie::build(COOKIE, handle)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(VISIT_TTL.cast_signed()))
        .finish()
}

fn handle(request: &HttpRequest) -> Option<String> {
    Some(request.cookie(COOKIE)?.value().to_owned())
}

/// A panic while the map was held leaves it whole: each of its changes is a single call.
fn visits(playground: &Playground) -> MutexGuard<'_, Visits> {
    playground
        .visits
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

fn page(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .body(html)
}

fn see_other(location: &str, cookie: Option<Cookie<'_>>) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, location));
    if let Some(cookie) = cookie {
        response.cookie(cookie);
    }
    response.finish()
}

const COOKIE: &str = "sgid_playground";
const MOST_FORM_BYTES: usize = 16 * 1024;
const STRANGER: (&str, &str) = (
    "This answer belongs to no login of yours",
    "This browser has no login waiting with this state. Perhaps it was finished already, took longer than ten \
     minutes, or began in another browser or tab. An app must not accept such an answer.",
);
