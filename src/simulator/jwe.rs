//! Compact JWEs made part by part, because a library rightly refuses to make the wrong ones.
//! Standards: RFC 7516 section 3.1; RFC 7518 sections 4.5, 4.7 and 5.3.

use super::json::Object;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use josekit::jwe::{
    JweContentEncryption, JweEncrypter, JweHeader,
    enc::{A128GCM, A256GCM},
};

/// Which algorithms a field uses. All three are legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `A128GCMKW` and `A128GCM`, as in the official libraries' test fixtures.
    Wrapped128,
    /// `dir` and `A128GCM`, as the documentation suggests.
    Direct128,
    /// `dir` and `A256GCM`, as `MockPass` sends.
    Direct256,
}

impl Form {
    /// Length of the block key, in bytes.
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::Wrapped128 | Self::Direct128 => 16,
            Self::Direct256 => 32,
        }
    }

    /// What the block key's JWK says in `alg`: a content encryption, never the fields' `alg`.
    pub(super) fn jwk_alg(self) -> &'static str {
        self.encryption().name()
    }

    fn encryption(self) -> &'static dyn JweContentEncryption {
        match self {
            Self::Wrapped128 | Self::Direct128 => &A128GCM,
            Self::Direct256 => &A256GCM,
        }
    }
}

/// The five parts before they are joined.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    header: String,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl Parts {
    pub(super) fn compact(&self) -> String {
        [
            self.header.clone(),
            B64.encode(&self.encrypted_key),
            B64.encode(&self.iv),
            B64.encode(&self.ciphertext),
            B64.encode(&self.tag),
        ]
        .join(".")
    }

    /// The same under a header that does not belong to it.
    pub(super) fn under(mut self, header: &Object) -> Self {
        self.header = B64.encode(header.render());
        self
    }
}

/// Encrypts one field under the block key. `iv_len` is 12 bytes in anything legal; `extra` goes into
/// the protected header as it is.
pub(super) fn seal_field(form: Form, block_key: &[u8], plaintext: &[u8], tweak: &Tweak) -> Parts {
    let encryption = form.encryption();
    let mut header = Object::default();
    let (encrypted_key, content_key) = match form {
        Form::Direct128 | Form::Direct256 => {
            header.add("alg", "dir").add("enc", encryption.name());
            (Vec::new(), block_key.to_vec())
        }
        Form::Wrapped128 => {
            let content_key = random(encryption.key_len());
            let iv = random(12);
            let (wrapped, tag) = gcm(&A128GCM, block_key, &iv, &content_key, b"");
            header.add("alg", "A128GCMKW").add("enc", encryption.name());
            header.add("iv", B64.encode(iv)).add("tag", B64.encode(tag));
            (wrapped, content_key)
        }
    };
    for (name, json) in &tweak.header {
        header.add_raw(name, json.clone());
    }
    let header = B64.encode(header.render());
    let iv = random(tweak.iv_len);
    let (ciphertext, tag) = gcm(encryption, &content_key, &iv, plaintext, header.as_bytes());
    Parts {
        header,
        encrypted_key,
        iv,
        ciphertext,
        tag,
    }
}

/// What to do differently in [`seal_field`].
pub(super) struct Tweak {
    /// Bytes of IV; the specification knows 12 only.
    pub(super) iv_len: usize,
    /// Members to add to the protected header, with their JSON.
    pub(super) header: Vec<(&'static str, String)>,
}

impl Default for Tweak {
    fn default() -> Self {
        Self {
            iv_len: 12,
            header: Vec::new(),
        }
    }
}

/// Encrypts to an RSA key; algorithm and `enc` go into the header.
pub(super) fn seal_to_rsa(
    encrypter: &dyn JweEncrypter,
    enc: &str,
    compress: bool,
    plaintext: &[u8],
) -> String {
    let mut header = JweHeader::new();
    header.set_content_encryption(enc);
    if compress {
        header.set_compression("DEF");
    }
    josekit::jwe::serialize_compact(plaintext, &header, encrypter).expect(
        "the key was checked when the simulator started, and the encodings are josekit's own",
    )
}

/// Raw deflate, as `zip: DEF` means it.
pub(super) fn deflate(plaintext: &[u8]) -> Vec<u8> {
    use josekit::jwe::{JweCompression as _, zip::DEF};
    DEF.compress(plaintext)
        .expect("deflating into memory works")
}

/// Random bytes.
pub(super) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rand::fill(&mut bytes[..]);
    bytes
}

fn gcm(
    encryption: &dyn JweContentEncryption,
    key: &[u8],
    iv: &[u8],
    plaintext: &[u8],
    associated: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let (ciphertext, tag) = encryption
        .encrypt(key, Some(iv), plaintext, associated)
        .expect("AES-GCM takes any plaintext when the key has its length");
    (ciphertext, tag.expect("GCM makes a tag"))
}

#[cfg(test)]
mod tests {
    use super::{Form, Tweak, random, seal_field};
    use josekit::jwe::{A128GCMKW, Dir, JweDecrypter, deserialize_compact};

    #[test]
    fn josekit_opens_what_is_made_by_hand() {
        for form in [Form::Wrapped128, Form::Direct128, Form::Direct256] {
            let key = random(form.key_len());
            let field = seal_field(form, &key, b"SAMPLE", &Tweak::default()).compact();
            let decrypter: Box<dyn JweDecrypter> = match form {
                Form::Wrapped128 => {
                    Box::new(A128GCMKW.decrypter_from_bytes(&key).expect("16 bytes"))
                }
                Form::Direct128 | Form::Direct256 => {
                    Box::new(Dir.decrypter_from_bytes(&key).expect("a key"))
                }
            };
            let (plaintext, _) = deserialize_compact(&field, &*decrypter).expect("opens");
            assert_eq!(plaintext, b"SAMPLE");
        }
    }
}
