//! How an answer gets to the client, or does not.

use super::{
    Misbehaviour as M,
    jwe::deflate,
    world::{World, fresh_name},
};
use actix_web::{
    HttpResponse,
    body::SizedStream,
    http::{StatusCode, header},
    web::Bytes,
};
use futures_util::stream;
use std::{io, time::Duration};

/// One way of delivering a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Plain,
    NotJson,
    Oversized,
    GzipBomb,
    Slow,
    Trickles,
    Status(StatusCode),
    Redirect,
    DropsConnection,
    CutOff,
}

impl Delivery {
    /// How the token answer travels.
    pub(super) fn of_token(misbehaviour: M) -> Self {
        match misbehaviour {
            M::TokenNotJson => Self::NotJson,
            M::TokenOversized => Self::Oversized,
            M::TokenGzipBomb => Self::GzipBomb,
            M::TokenSlow => Self::Slow,
            M::TokenTrickles => Self::Trickles,
            M::TokenStatus400 => Self::Status(StatusCode::BAD_REQUEST),
            M::TokenStatus401 => Self::Status(StatusCode::UNAUTHORIZED),
            M::TokenStatus429 => Self::Status(StatusCode::TOO_MANY_REQUESTS),
            M::TokenStatus500 => Self::Status(StatusCode::INTERNAL_SERVER_ERROR),
            M::TokenRedirect => Self::Redirect,
            M::TokenDropsConnection => Self::DropsConnection,
            M::TokenCutOff => Self::CutOff,
            _ => Self::Plain,
        }
    }

    /// How the userinfo answer travels.
    pub(super) fn of_userinfo(misbehaviour: M) -> Self {
        match misbehaviour {
            M::UserinfoNotJson => Self::NotJson,
            M::UserinfoOversized => Self::Oversized,
            M::UserinfoSlow => Self::Slow,
            M::UserinfoTrickles => Self::Trickles,
            M::UserinfoStatus429 => Self::Status(StatusCode::TOO_MANY_REQUESTS),
            M::UserinfoStatus500 => Self::Status(StatusCode::INTERNAL_SERVER_ERROR),
            M::UserinfoRedirect => Self::Redirect,
            M::UserinfoDropsConnection => Self::DropsConnection,
            M::UserinfoCutOff => Self::CutOff,
            _ => Self::Plain,
        }
    }

    /// How the JWKS travels.
    pub(super) fn of_jwks(misbehaviour: M) -> Self {
        match misbehaviour {
            M::JwksNotJson => Self::NotJson,
            M::JwksOversized => Self::Oversized,
            M::JwksSlow => Self::Slow,
            M::JwksStatus500 => Self::Status(StatusCode::INTERNAL_SERVER_ERROR),
            M::JwksRedirect => Self::Redirect,
            M::JwksDropsConnection => Self::DropsConnection,
            _ => Self::Plain,
        }
    }
}

/// Sends a JSON object, one way or another.
pub(super) async fn deliver(world: &World, body: String, delivery: Delivery) -> HttpResponse {
    match delivery {
        Delivery::Plain => json(StatusCode::OK, body),
        Delivery::NotJson => html(StatusCode::OK),
        Delivery::Oversized => oversized(&body),
        Delivery::GzipBomb => gzip_bomb(&body),
        Delivery::Slow => {
            tokio::time::sleep(TOO_LONG).await;
            json(StatusCode::OK, body)
        }
        Delivery::Trickles => trickle(body),
        Delivery::Status(status) => failure(status),
        Delivery::Redirect => {
            let name = fresh_name();
            let location = format!("{}/moved/{name}", world.issuer);
            world.state().moved.put(name, body, world.now());
            HttpResponse::Found()
                .insert_header((header::LOCATION, location))
                .finish()
        }
        Delivery::DropsConnection => {
            HttpResponse::Ok().streaming(stream::iter([Err::<Bytes, _>(hang_up())]))
        }
        Delivery::CutOff => cut_off(body),
    }
}

/// A JSON answer that nobody may keep.
pub(super) fn json(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

/// Longer than any client should wait, shorter than for ever.
const TOO_LONG: Duration = Duration::from_mins(10);
const TRICKLE: Duration = Duration::from_millis(200);
/// Bytes of an oversized answer, and of the piece in which it is sent.
const MANY: usize = 32 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

fn failure(status: StatusCode) -> HttpResponse {
    let hostile = r#"{"error":"invalid_client","message":"<script>alert(1)</script>\r\nSIMULATED UPSTREAM TEXT","error_description":"SIMULATED UPSTREAM TEXT"}"#;
    if status.is_server_error() {
        return html(status);
    }
    let mut response = json(status, hostile.to_owned());
    if status == StatusCode::TOO_MANY_REQUESTS {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("30"));
    }
    response
}

fn html(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .body("<!DOCTYPE html><pre>TypeError: SIMULATED UPSTREAM TEXT\n    at /app/index.js:1:1</pre>")
}

/// A valid object, if anybody has the patience.
fn oversized(body: &str) -> HttpResponse {
    static LETTERS: [u8; PIECE] = [b'a'; PIECE];
    let pieces = (0..MANY / PIECE).map(|_| Bytes::from_static(&LETTERS));
    let rest = format!("\",{}", body.trim_start_matches('{'));
    let all = std::iter::once(Bytes::from_static(b"{\"padding\":\""))
        .chain(pieces)
        .chain(std::iter::once(Bytes::from(rest)));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .streaming(stream::iter(all.map(Ok::<_, io::Error>)))
}

/// Many gzip members (RFC 1952 section 2.2): the right answer, and then blanks without end. One
/// compressed block of blanks serves for all, since deflating is slow in a debug build.
fn gzip_bomb(body: &str) -> HttpResponse {
    let blanks = gzip(&vec![b' '; PIECE]);
    let mut bomb = gzip(body.as_bytes());
    for _ in 0..MANY / 2 / PIECE {
        bomb.extend_from_slice(&blanks);
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CONTENT_ENCODING, "gzip"))
        .body(bomb)
}

fn gzip(plaintext: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    member.extend_from_slice(&deflate(plaintext));
    member.extend_from_slice(&crc32(plaintext).to_le_bytes());
    let length = u32::try_from(plaintext.len()).unwrap_or(u32::MAX);
    member.extend_from_slice(&length.to_le_bytes());
    member
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| {
        if crc & 1 == 1 {
            (crc >> 1) ^ 0xedb8_8320
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

/// Blanks, one at a time, and only then the answer: no single read ever waits long.
fn trickle(body: String) -> HttpResponse {
    let ticks = TOO_LONG.as_millis() / TRICKLE.as_millis();
    let stream = stream::unfold((0, Some(body)), move |(tick, body)| async move {
        if tick < ticks {
            tokio::time::sleep(TRICKLE).await;
            return Some((
                Ok::<_, io::Error>(Bytes::from_static(b" ")),
                (tick + 1, body),
            ));
        }
        body.map(|body| (Ok(Bytes::from(body)), (tick, None)))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .streaming(stream)
}

/// Promises the whole body, sends half of it, and hangs up.
fn cut_off(body: String) -> HttpResponse {
    let length = body.len() as u64;
    let half = Bytes::from(body).slice(..usize::try_from(length / 2).unwrap_or_default());
    let stream = stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            // The half must be on the wire before the connection goes.
            Some(_) => {
                tokio::time::sleep(TRICKLE).await;
                Some((Err(hang_up()), None))
            }
            None => None,
        }
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(SizedStream::new(length, Box::pin(stream)))
}

fn hang_up() -> io::Error {
    io::Error::other("the simulated sgID hangs up")
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn crc32_gives_the_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
