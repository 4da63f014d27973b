//! `ENC[AES256-GCM,data:…,iv:…,tag:…]`: a secret that may lie in a configuration file.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The environment variable with the key: 32 bytes as 64 hexadecimal digits or in base64.
pub const AUTH_KEY_VARIABLE: &str = "ACTEON_AUTH_KEY";
/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of the tag, which stands behind the data where both are in one piece.
const TAG_BYTES: usize = 16;
const PREFIX: &str = "ENC[AES256-GCM,";
/// What is wrong with a key, and how to make one.
const KEY_HELP: &str = "must be 32 bytes as 64 hexadecimal digits or in base64; make one with `openssl rand -hex 32`";

pub(super) fn is_encrypted(text: &str) -> bool {
    text.trim_start().starts_with("ENC[")
}

/// Encrypts a secret with a key as [`AUTH_KEY_VARIABLE`] holds it.
///
/// # Errors
/// The key is none, or the system gives no random bytes.
pub fn encrypt(secret: &str, key: &str) -> Result<String, String> {
    let key = cipher(key)?;
    let mut iv = [0; NONCE_LEN];
    rand::fill(&mut iv).map_err(|_| "the system gives no random bytes".to_owned())?;
    let mut data = secret.as_bytes().to_vec();
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut data)
        .map_err(|_| "the secret can't be encrypted".to_owned())?;
    let (data, iv, tag) = (STANDARD.encode(data), STANDARD.encode(iv), STANDARD.encode(tag.as_ref()));
    Ok(format!("{PREFIX}data:{data},iv:{iv},tag:{tag}]"))
}

/// Decrypts what [`encrypt`] made.
pub(super) fn decrypt(text: &str, key: Option<&str>) -> Result<String, String> {
    let form = "is not of the form ENC[AES256-GCM,data:…,iv:…,tag:…]; make one with `acteon secret encrypt`";
    let inner = text.trim().strip_prefix(PREFIX).and_then(|text| text.strip_suffix(']')).ok_or(form)?;
    let part = |name: &str| {
        let value = inner.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| STANDARD.decode(value).ok()).ok_or(form)
    };
    let (mut data, iv, tag) = (part("data")?, part("iv")?, part("tag")?);
    let iv: [u8; NONCE_LEN] = iv.try_into().map_err(|_| form)?;
    if tag.len() != TAG_BYTES {
        return Err(form.to_owned());
    }
    let key = key.ok_or_else(|| format!("is encrypted, and {AUTH_KEY_VARIABLE} is not set"))?;
    let key = cipher(key)?;
    data.extend_from_slice(&tag);
    let plain = key
        .open_in_place(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut data)
        .map_err(|_| format!("can't be decrypted: {AUTH_KEY_VARIABLE} is another key, or the text was changed"))?;
    String::from_utf8(plain.to_vec()).map_err(|_| "is not text once it is decrypted".to_owned())
}

fn cipher(key: &str) -> Result<LessSafeKey, String> {
    let refused = || format!("{AUTH_KEY_VARIABLE} {KEY_HELP}");
    let bytes = key_bytes(key.trim()).ok_or_else(refused)?;
    UnboundKey::new(&AES_256_GCM, &bytes).map(LessSafeKey::new).map_err(|_| refused())
}

fn key_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = if text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    } else {
        STANDARD.decode(text).ok()?
    };
    (bytes.len() == KEY_BYTES).then_some(bytes)
}
