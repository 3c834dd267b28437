//! A provider of a few lines, honest or lying in one place, for the relying party to be judged by.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Bytes, Data},
};
use josekit::{
    jwk::Jwk,
    jws::{ES256, JwsHeader, JwsSigner, RS256},
    jwt::{self, JwtPayload},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::playground::{chance, id_token::half_hash, login::challenge};

/// Where the provider departs from the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lie {
    None,
    Declined,
    InvalidGrant,
    ResponseIssuer,
    TokenIssuer,
    Audience,
    Expired,
    Nonce,
    AtHash,
    OtherKey,
    OtherPerson,
}

pub(super) struct Provider {
    pub(super) issuer: Url,
    handle: ServerHandle,
}

struct Inside {
    issuer: String,
    algorithm: &'static str,
    key: Jwk,
    lie: Lie,
    asked: Mutex<Vec<(String, String)>>,
}

impl Provider {
    pub(super) fn start(algorithm: &'static str, lie: Lie) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let inside = Data::from(Arc::new(Inside {
            issuer: format!("http://{address}"),
            algorithm,
            key: key(algorithm),
            lie,
            asked: Mutex::default(),
        }));
        let issuer = Url::parse(&inside.issuer).expect("an address is an URL");
        let server = HttpServer::new(move || {
            App::new()
                .app_data(inside.clone())
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(discovery),
                )
                .route("/authorize", web::get().to(authorize))
                .route("/token", web::post().to(token))
                .route("/jwks", web::get().to(jwks))
                .route("/userinfo", web::get().to(userinfo))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("it listens")
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { issuer, handle }
    }

    pub(super) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn discovery(inside: Data<Inside>) -> HttpResponse {
    let at = |path: &str| format!("{}{path}", inside.issuer);
    HttpResponse::Ok().json(json!({
        "issuer": inside.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn authorize(inside: Data<Inside>, request: HttpRequest) -> HttpResponse {
    let query = pairs(request.query_string().as_bytes());
    let mut back = Url::parse(value(&query, "redirect_uri")).expect("an absolute redirect URI");
    let issuer = match inside.lie {
        Lie::ResponseIssuer => "https://mallory.example",
        _ => &inside.issuer,
    };
    let answer: &[(&str, &str)] = match inside.lie {
        Lie::Declined => &[
            ("error", "access_denied"),
            ("error_description", "The person <b>declined</b>"),
        ],
        _ => &[("code", CODE)],
    };
    back.query_pairs_mut()
        .extend_pairs(answer)
        .append_pair("state", value(&query, "state"))
        .append_pair("iss", issuer);
    *inside.asked.lock().expect("no test panics in here") = query;
    HttpResponse::SeeOther()
        .insert_header(("Location", back.as_str()))
        .finish()
}

async fn token(inside: Data<Inside>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let form = pairs(&body);
    let asked = inside.asked.lock().expect("no test panics in here").clone();
    assert_eq!(value(&form, "code"), CODE);
    assert_eq!(value(&form, "redirect_uri"), value(&asked, "redirect_uri"));
    assert_eq!(
        challenge(value(&form, "code_verifier")),
        value(&asked, "code_challenge")
    );
    let basic = request
        .headers()
        .get("Authorization")
        .map(|value| value.to_str().unwrap_or_default());
    match basic {
        Some(basic) => assert_eq!(basic, "Basic cGxheWdyb3VuZDpzM2NyJTI2dA=="),
        None => assert_eq!(value(&form, "client_id"), "playground"),
    }
    if inside.lie == Lie::InvalidGrant {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    }
    HttpResponse::Ok().json(json!({
        "access_token": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 600,
        "id_token": id_token(&inside, value(&asked, "nonce")),
    }))
}

fn id_token(inside: &Inside, nonce: &str) -> String {
    let now = chance::now();
    let mut claims = json!({
        "iss": inside.issuer, "aud": "playground", "sub": SUB, "nonce": nonce,
        "iat": now, "exp": now + 600, "auth_time": now,
        "at_hash": half_hash(Some(inside.algorithm), ACCESS_TOKEN),
    });
    match inside.lie {
        Lie::TokenIssuer => claims["iss"] = json!("https://mallory.example"),
        Lie::Audience => claims["aud"] = json!(["somebody-else"]),
        Lie::Expired => claims["exp"] = json!(now - 3600),
        Lie::Nonce => claims["nonce"] = json!("another"),
        Lie::AtHash => claims["at_hash"] = json!(half_hash(None, "another")),
        Lie::None
        | Lie::Declined
        | Lie::InvalidGrant
        | Lie::ResponseIssuer
        | Lie::OtherKey
        | Lie::OtherPerson => {}
    }
    let signing = match inside.lie {
        Lie::OtherKey => key(inside.algorithm),
        _ => inside.key.clone(),
    };
    sign(&claims, inside.algorithm, &signing)
}

/// Signs claims as a provider would.
pub(super) fn sign(claims: &Value, algorithm: &str, key: &Jwk) -> String {
    let signer: Box<dyn JwsSigner> = match algorithm {
        "ES256" => Box::new(ES256.signer_from_jwk(key).expect("an EC key")),
        _ => Box::new(RS256.signer_from_jwk(key).expect("an RSA key")),
    };
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    let claims = claims.as_object().expect("claims are an object").clone();
    let payload = JwtPayload::from_map(claims).expect("they are well formed");
    jwt::encode_with_signer(&payload, &header, &*signer).expect("it can be signed")
}

/// A new key of the kind that the algorithm needs.
pub(super) fn key(algorithm: &str) -> Jwk {
    let mut key = match algorithm {
        "ES256" => Jwk::generate_ec_key(josekit::jwk::alg::ec::EcCurve::P256),
        _ => Jwk::generate_rsa_key(2048),
    }
    .expect("a key can be made");
    key.set_key_id("2026-11");
    key.set_algorithm(algorithm);
    key
}

/// The published half of a key, as a set.
pub(super) fn published(key: &Jwk) -> String {
    let mut public = key.to_public_key().expect("it has a public half");
    public.set_key_id(key.key_id().expect("we named it"));
    public.set_key_use("sig");
    json!({ "keys": [{ "kty": "of the future" }, public.as_ref()] }).to_string()
}

async fn jwks(inside: Data<Inside>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(published(&inside.key))
}

async fn userinfo(inside: Data<Inside>, request: HttpRequest) -> HttpResponse {
    let bearer = request
        .headers()
        .get("Authorization")
        .map(|value| value.to_str().unwrap_or_default());
    assert_eq!(bearer, Some(format!("Bearer {ACCESS_TOKEN}").as_str()));
    let sub = if inside.lie == Lie::OtherPerson {
        "somebody-else"
    } else {
        SUB
    };
    HttpResponse::Ok().json(json!({
        "sub": sub,
        "name": "SAMPLE PERSON ONE",
        "birthdate": "1990-02-03",
        "gender": "female",
        "email": "sample.one@mail.example",
        "email_verified": false,
        "phone_number": "+6580000001",
        "phone_number_verified": false,
        "address": {
            "formatted": "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001",
            "street_address": "1 EXAMPLE STREET\n#01-01",
            "country": "SINGAPORE",
            "postal_code": "000001",
        },
        "myinfo.nationality": "SINGAPORE CITIZEN",
        "pocdex.public_officer_details": [
            { "work_email": "sample_one@agency.example", "agency_name": "Example Agency",
              "department_name": "Roads & <Bridges>", "employment_type": "Permanent", "employment_title": "Engineer" },
            { "work_email": "s.one@second.example", "agency_name": "Second Agency",
              "employment_type": "Part-time", "employment_title": "Advisor" },
        ],
    }))
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs
        .iter()
        .find(|(found, _)| found == name)
        .map_or("", |(_, value)| value)
}

const CODE: &str = "a-code-to-be-spent-once";
const ACCESS_TOKEN: &str = "an-access-token-of-forty-three-characters--";
const SUB: &str = "pairwise-7Hq2mZ0cVtLx9aRrW1sYkQ";
