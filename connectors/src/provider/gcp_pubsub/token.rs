//! Tokens that a service account signs itself, which Google's services take in place of OAuth's.

use super::SERVICE;
use crate::kafka::lock;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Mutex;

/// How long a token holds, in seconds: the longest that Google takes.
const TOKEN_SECONDS: i64 = 3_600;
/// A token that ends within this time, in seconds, is replaced.
const RENEWAL_SECONDS: i64 = 300;

/// What is needed of a service account's key. Not `Debug`: it holds a secret.
#[derive(Deserialize)]
pub(super) struct Account {
    client_email: String,
    private_key: String,
    private_key_id: String,
    pub(super) project_id: Option<String>,
}

/// Makes tokens, and keeps the last one.
pub(super) struct Signer {
    email: String,
    key_id: String,
    key: KeyPair,
    last: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    /// In seconds since 1970.
    expiry: i64,
}

impl Signer {
    /// # Errors
    /// What is wrong with the key, as the end of a sentence that begins with its name.
    pub(super) fn new(account: &Account) -> Result<Self, String> {
        let bad = || "has a `private_key` that is not an RSA key in PEM (PKCS #8)".to_owned();
        let der = pkcs8(&account.private_key).ok_or_else(bad)?;
        Ok(Self {
            email: account.client_email.clone(),
            key_id: account.private_key_id.clone(),
            key: KeyPair::from_pkcs8(&der).map_err(|_| bad())?,
            last: Mutex::default(),
        })
    }

    /// A token that holds for some time after `now`, in seconds since 1970.
    pub(super) fn token(&self, now: i64) -> Result<String, String> {
        let mut last = lock(&self.last);
        if let Some(token) = last.as_ref()
            && now < token.expiry - RENEWAL_SECONDS
            // A clock that was set back: Google takes no token that begins in the future.
            && token.expiry - TOKEN_SECONDS <= now
        {
            return Ok(token.text.clone());
        }
        let token = Token { text: self.sign(now)?, expiry: now + TOKEN_SECONDS };
        Ok(last.insert(token).text.clone())
    }

    fn sign(&self, now: i64) -> Result<String, String> {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id}));
        let claims = part(json!({
            "iss": self.email, "sub": self.email, "aud": SERVICE, "iat": now, "exp": now + TOKEN_SECONDS
        }));
        let content = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature)
            .map_err(|_| "the service account's key signs nothing".to_owned())?;
        Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The bytes of a PEM file with a PKCS #8 key.
fn pkcs8(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (text, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    STANDARD.decode(text.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm RSA` for this test and used nowhere.
    const KEY: &str = include_str!("test-key.pem");
    /// Header and claims as written here, signed with `openssl dgst -sha256 -sign test-key.pem`.
    const TOKEN: &str = include_str!("test-token.txt");

    fn account(private_key: &str) -> Account {
        Account {
            client_email: "acteon@p.iam.gserviceaccount.com".to_owned(),
            private_key: private_key.to_owned(),
            private_key_id: "k-1".to_owned(),
            project_id: None,
        }
    }

    #[test]
    fn a_token_is_the_one_that_openssl_signs() {
        let signer = Signer::new(&account(KEY)).unwrap();
        assert_eq!(signer.token(1_700_000_000).as_deref(), Ok(TOKEN.trim_end()));
    }

    #[test]
    fn a_token_is_kept_until_shortly_before_it_ends() {
        let signer = Signer::new(&account(KEY)).unwrap();
        let first = signer.token(1_000).unwrap();
        for (now, is_same) in [(1_000, true), (4_299, true), (4_300, false)] {
            assert_eq!(signer.token(now).unwrap() == first, is_same, "{now}");
        }
        let later = signer.token(10_000).unwrap();
        assert_ne!(signer.token(9_999).unwrap(), later, "a token that begins later is not taken");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for key in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"] {
            let problem = Signer::new(&account(key)).err().unwrap();
            assert!(problem.contains("`private_key`") && !problem.contains("hunter2"), "{problem}");
        }
    }
}
