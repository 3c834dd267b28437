//! The userinfo answer: a subject, a block key for the client, and one sealed field for each scope.
//! Section 2 of the fact sheet says what is legal here; the rest is what an attacker would send.

use super::{
    Misbehaviour as M,
    id_token::subject_sent,
    json::{Object, deep},
    jwe::{Form, Tweak, deflate, random, seal_field, seal_to_rsa},
    keys::SigningKey,
    persona::{CATALOGUE, Persona},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use josekit::jwe::{RSA_OAEP, RSA_OAEP_256, alg::rsaes::RsaesJweAlgorithm};
use serde_json::{Value, json};

/// Everything that an answer is made of.
pub(super) struct Ingredients<'a> {
    /// The subject of this person for this client.
    pub(super) subject: &'a str,
    /// The granted scopes, `openid` among them.
    pub(super) scopes: &'a [String],
    pub(super) persona: &'a Persona,
    /// The client's RSA public key, SPKI PEM.
    pub(super) client_key_pem: &'a str,
}

/// The whole JSON body.
pub(super) fn userinfo(from: &Ingredients<'_>, misbehaviour: M) -> String {
    let subject = subject_sent(from.subject, misbehaviour);
    let mut body = Object::default();
    match misbehaviour {
        M::UserinfoNoSubject => {}
        M::UserinfoWrongSubject => _ = body.add("sub", "somebody-else"),
        _ => _ = body.add("sub", &subject),
    }
    let scopes = fields_sent(from.scopes, misbehaviour);
    match misbehaviour {
        M::UserinfoWithoutData => {}
        M::UserinfoNullData => _ = body.add("key", Value::Null).add("data", Value::Null),
        // The real sgID leaves both out when there is nothing to send; MockPass does not.
        _ if scopes.is_empty() => {}
        _ => {
            let block_key = BlockKey::generate(misbehaviour);
            body.add("key", block_key.sealed(from.client_key_pem, misbehaviour));
            let data = fields(from, &scopes, &block_key, misbehaviour);
            body.add_raw("data", data.render());
        }
    }
    match misbehaviour {
        M::UserinfoDuplicateMember => _ = body.shadow("sub", "somebody-else"),
        M::UserinfoDeepJson => _ = body.add_raw("extra", deep()),
        _ => {}
    }
    body.render()
}

/// The names of the fields, in the order asked for.
fn fields_sent(scopes: &[String], misbehaviour: M) -> Vec<&str> {
    let asked = scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| *scope != "openid");
    let mut names: Vec<&str> = Vec::new();
    let more = CATALOGUE
        .iter()
        .copied()
        .filter(|_| misbehaviour == M::UserinfoExtraFields);
    for name in asked.chain(more) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if misbehaviour == M::UserinfoMissingField {
        names.pop();
    }
    names
}

fn fields(
    from: &Ingredients<'_>,
    scopes: &[&str],
    block_key: &BlockKey,
    misbehaviour: M,
) -> Object {
    let mut sealed: Vec<Value> = Vec::new();
    for (index, scope) in scopes.iter().enumerate() {
        let value = from.persona.value(scope);
        // Faults of one field hit the last one, so that a client which stops at the first is caught.
        let oddity = if index + 1 == scopes.len() {
            misbehaviour
        } else {
            M::None
        };
        sealed.push(match misbehaviour {
            M::UserinfoPlainData => json!(value),
            _ => field(value, block_key, oddity, from.client_key_pem),
        });
    }
    if misbehaviour == M::FieldSwapped && sealed.len() > 1 {
        sealed.swap(0, 1);
    }
    let mut data = Object::default();
    for (scope, value) in scopes.iter().zip(&sealed) {
        data.add(scope, value);
    }
    match misbehaviour {
        M::UserinfoTooManyFields => {
            for number in 0..200 {
                data.add(
                    &format!("myinfo.extra_{number:03}"),
                    block_key.seal("SAMPLE"),
                );
            }
        }
        M::UserinfoDuplicateField => {
            if let Some(last) = scopes.last() {
                data.shadow(last, block_key.seal("SOMETHING ELSE"));
            }
        }
        _ => {}
    }
    data
}

/// One value of `data`.
fn field(value: &str, block_key: &BlockKey, oddity: M, client_key_pem: &str) -> Value {
    let plaintext = value.as_bytes();
    let mut tweak = Tweak::default();
    let compact = match oddity {
        M::UserinfoBlankField => block_key.seal(""),
        M::FieldNotText => return json!({ "ciphertext": block_key.seal(value) }),
        M::FieldNotUtf8 => block_key
            .seal_with(&[0x53, 0xff, 0xfe, 0xc3], &tweak)
            .compact(),
        M::FieldWrongKey => BlockKey::generate(M::None).seal(value),
        M::FieldAlgRsaOaep => seal_to_rsa(
            &*encrypter(RSA_OAEP_256, client_key_pem),
            "A128GCM",
            false,
            plaintext,
        ),
        M::FieldShortIv => {
            tweak.iv_len = 8;
            block_key.seal_with(plaintext, &tweak).compact()
        }
        M::FieldWithZip => {
            tweak.header.push(("zip", r#""DEF""#.to_owned()));
            block_key.seal_with(&deflate(plaintext), &tweak).compact()
        }
        M::FieldWithCrit => {
            tweak.header.push(("crit", r#"["exp"]"#.to_owned()));
            tweak.header.push(("exp", "4102444800".to_owned()));
            block_key.seal_with(plaintext, &tweak).compact()
        }
        M::FieldAltered => {
            let mut parts = block_key.seal_with(plaintext, &tweak);
            // A blank value has no ciphertext; then the tag must serve.
            let part = if parts.ciphertext.is_empty() {
                &mut parts.tag
            } else {
                &mut parts.ciphertext
            };
            part[0] ^= 1;
            parts.compact()
        }
        M::FieldTruncatedTag => {
            let mut parts = block_key.seal_with(plaintext, &tweak);
            parts.tag.truncate(4);
            parts.compact()
        }
        M::FieldFourParts => {
            let compact = block_key.seal(value);
            compact
                .rsplit_once('.')
                .map(|(four, _)| four.to_owned())
                .unwrap_or(compact)
        }
        M::FieldAlgPbes2 => {
            // Whoever hands this to a library without looking is busy for a long time.
            let mut header = Object::default();
            header
                .add("alg", "PBES2-HS256+A128KW")
                .add("enc", "A128GCM");
            header
                .add("p2c", 2_000_000_000)
                .add("p2s", B64.encode(random(16)));
            block_key
                .seal_with(plaintext, &tweak)
                .under(&header)
                .compact()
        }
        M::FieldAlgEcdhEs => {
            let mut header = Object::default();
            header.add("alg", "ECDH-ES").add("enc", "A128GCM");
            let zero = B64.encode([0; 32]);
            header.add(
                "epk",
                json!({ "kty": "EC", "crv": "P-256", "x": zero, "y": zero }),
            );
            block_key
                .seal_with(plaintext, &tweak)
                .under(&header)
                .compact()
        }
        _ => block_key.seal(value),
    };
    json!(compact)
}

/// The symmetric key of one answer, and the form of the fields under it.
struct BlockKey {
    form: Form,
    key: Vec<u8>,
}

impl BlockKey {
    fn generate(misbehaviour: M) -> Self {
        let form = match misbehaviour {
            M::BlockKey256Dir => Form::Direct256,
            M::BlockKeyDir128 => Form::Direct128,
            _ => Form::Wrapped128,
        };
        Self {
            form,
            key: random(form.key_len()),
        }
    }

    fn seal(&self, value: &str) -> String {
        self.seal_with(value.as_bytes(), &Tweak::default())
            .compact()
    }

    fn seal_with(&self, plaintext: &[u8], tweak: &Tweak) -> super::jwe::Parts {
        seal_field(self.form, &self.key, plaintext, tweak)
    }

    /// The `key` member: this key as a JWK, encrypted to the client.
    fn sealed(&self, client_key_pem: &str, misbehaviour: M) -> String {
        let stranger;
        let recipient = if misbehaviour == M::BlockKeyForOtherRsaKey {
            stranger = SigningKey::stranger().public_pem();
            &stranger
        } else {
            client_key_pem
        };
        #[expect(deprecated, reason = "RSA1_5 is what the misbehaviour is about")]
        let algorithm = match misbehaviour {
            M::BlockKeyRsa15 => RsaesJweAlgorithm::Rsa1_5,
            M::BlockKeyRsaOaepSha1 => RSA_OAEP,
            _ => RSA_OAEP_256,
        };
        let enc = if misbehaviour == M::BlockKeyCbc {
            "A128CBC-HS256"
        } else {
            "A256GCM"
        };
        let compress = misbehaviour == M::BlockKeyWithZip;
        seal_to_rsa(
            &*encrypter(algorithm, recipient),
            enc,
            compress,
            &self.as_jwk(misbehaviour),
        )
    }

    fn as_jwk(&self, misbehaviour: M) -> Vec<u8> {
        let alg = self.form.jwk_alg();
        let k = B64.encode(&self.key);
        match misbehaviour {
            M::BlockKeyNotJwk => self.key.clone(),
            M::BlockKeyPythonQuoted => {
                format!("{{'kty': 'oct', 'alg': '{alg}', 'k': '{k}'}}").into_bytes()
            }
            M::BlockKeyNotOct => json!({ "kty": "RSA", "alg": alg, "k": k })
                .to_string()
                .into_bytes(),
            M::BlockKeyWrongLength => {
                let longer = B64.encode([self.key.clone(), random(8)].concat());
                json!({ "kty": "oct", "alg": alg, "k": longer })
                    .to_string()
                    .into_bytes()
            }
            _ => json!({ "kty": "oct", "alg": alg, "k": k })
                .to_string()
                .into_bytes(),
        }
    }
}

fn encrypter(algorithm: RsaesJweAlgorithm, pem: &str) -> Box<dyn josekit::jwe::JweEncrypter> {
    let encrypter = algorithm.encrypter_from_pem(pem);
    Box::new(encrypter.expect("the client's key was checked when the simulator started"))
}

/// Whether a client's public key is one that the block key can be encrypted to.
pub(super) fn is_usable_key(pem: &str) -> bool {
    RSA_OAEP_256.encrypter_from_pem(pem).is_ok()
}
