//! Links on which a person approves or rejects: signed, so that whoever holds one may use it until it expires.

use acteon_schemas::SignedLink;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;

/// What links begin with where `external_url` is not set.
const DEFAULT_EXTERNAL_URL: &str = "http://127.0.0.1:8080";

/// Keys: an id where it has one, and its bytes. The first one signs, all of them are accepted.
type Keys = [(Option<String>, Vec<u8>)];

/// A request for approval as links name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'t> {
    pub(super) namespace: &'t str,
    pub(super) tenant: &'t str,
    pub(super) id: &'t str,
}

impl Target<'_> {
    /// Where to do `what` (`approve`, `reject`), without a signature.
    pub(super) fn url(&self, external_url: Option<&str>, what: &str) -> String {
        let base = external_url.unwrap_or(DEFAULT_EXTERNAL_URL).trim_end_matches('/');
        let mut url = format!("{base}/v1/approvals");
        for part in [self.namespace, self.tenant, self.id, what] {
            url.push('/');
            percent_encode(&mut url, part);
        }
        url
    }

    /// What follows the URL of a signed link; `None` without a key. `expires_at` is in seconds since 1970.
    pub(super) fn query(&self, keys: &Keys, expires_at: i64) -> Option<String> {
        let (kid, key) = keys.first()?;
        let sig = self.mac(key, expires_at)?.finalize().into_bytes();
        let mut query = String::from("?sig=");
        for byte in sig {
            // Writing to a string can't fail.
            let _ = write!(query, "{byte:02x}");
        }
        let _ = write!(query, "&expires_at={expires_at}");
        if let Some(kid) = kid {
            query.push_str("&kid=");
            percent_encode(&mut query, kid);
        }
        Some(query)
    }

    /// Whether a link was signed by one of the keys: by the one that it names, where it names one. Takes as long for a
    /// signature that is nearly right as for any other.
    pub(super) fn is_signed(&self, keys: &Keys, link: &SignedLink) -> bool {
        let Some(sig) = unhex(&link.sig) else { return false };
        keys.iter()
            .filter(|(id, _)| link.kid.is_none() || link.kid == *id)
            .filter_map(|(_, key)| self.mac(key, link.expires_at))
            .any(|mac| mac.verify_slice(&sig).is_ok())
    }

    fn mac(&self, key: &[u8], expires_at: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        for part in [self.namespace, self.tenant, self.id] {
            // With its length before it, no part runs into the next one.
            mac.update(format!("{}:{part}\n", part.len()).as_bytes());
        }
        mac.update(expires_at.to_string().as_bytes());
        Some(mac)
    }
}

/// The bytes of a signature: 64 hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Appends a text as one segment of a path or one value of a query.
pub(crate) fn percent_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target { namespace: "ecommerce", tenant: "acme-store", id: "a1" };

    fn key(id: Option<&str>, bytes: &[u8]) -> (Option<String>, Vec<u8>) {
        (id.map(str::to_owned), bytes.to_vec())
    }

    fn link(query: &str) -> SignedLink {
        let value = |name: &str| {
            query.trim_start_matches('?').split('&').find_map(|pair| pair.strip_prefix(name)).map(str::to_owned)
        };
        SignedLink {
            sig: value("sig=").unwrap(),
            expires_at: value("expires_at=").unwrap().parse().unwrap(),
            kid: value("kid="),
        }
    }

    #[test]
    fn the_signature_is_that_of_the_original() {
        // printf '9:ecommerce\n10:acme-store\n2:a1\n1772463660' | openssl dgst -sha256 -hmac secret
        let query = TARGET.query(&[key(None, b"secret")], 1_772_463_660).unwrap();
        assert_eq!(
            query,
            "?sig=5a83abd2a3325974b8781a1a0f0731dbe5d1e25b17f53e79d152ae30d9b519c7&expires_at=1772463660"
        );
    }

    #[test]
    fn names_are_encoded_and_the_base_has_no_slash_at_its_end() {
        let target = Target { namespace: "a/b", tenant: "ä c", id: "1-2_3.~" };
        assert_eq!(
            target.url(Some("https://x.example.com/"), "approve"),
            "https://x.example.com/v1/approvals/a%2Fb/%C3%A4%20c/1-2_3.~/approve"
        );
        assert!(target.url(None, "reject").starts_with("http://127.0.0.1:8080/v1/approvals/"));
        assert_eq!(link(&target.query(&[key(Some("k&1"), b"s")], 1).unwrap()).kid.unwrap(), "k%261");
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (key(Some("k1"), b"old"), key(Some("k2"), b"new"));
        let signed = link(&TARGET.query(std::slice::from_ref(&old), 100).unwrap());
        let unnamed = SignedLink { kid: None, ..signed.clone() };
        for (keys, named, any) in [
            (vec![old.clone()], true, true),
            (vec![new.clone(), old.clone()], true, true),
            (vec![new.clone()], false, false),
            // The id is another key's by now.
            (vec![key(Some("k1"), b"new"), key(Some("k0"), b"old")], false, true),
            (vec![], false, false),
        ] {
            assert_eq!(TARGET.is_signed(&keys, &signed), named, "{keys:?}");
            assert_eq!(TARGET.is_signed(&keys, &unnamed), any, "{keys:?}");
        }
        assert_eq!(link(&TARGET.query(&[new, old], 100).unwrap()).kid.as_deref(), Some("k2"));
    }

    #[test]
    fn a_link_is_good_for_what_it_was_made_for_alone() {
        let keys = [key(None, b"secret")];
        let signed = link(&TARGET.query(&keys, 100).unwrap());
        assert!(TARGET.is_signed(&keys, &signed));
        for target in [
            Target { namespace: "ecommerce2", ..TARGET },
            Target { tenant: "acme", ..TARGET },
            Target { id: "a2", ..TARGET },
            // The same text, divided otherwise.
            Target { namespace: "ecommerc", tenant: "eacme-store", ..TARGET },
        ] {
            assert!(!target.is_signed(&keys, &signed), "{target:?}");
        }
        let flipped = if signed.sig.starts_with('0') { "1" } else { "0" };
        for sig in
            ["", "zz", &signed.sig[..62], &format!("{}00", signed.sig), &format!("{flipped}{}", &signed.sig[1..])]
        {
            assert!(!TARGET.is_signed(&keys, &SignedLink { sig: sig.to_owned(), ..signed.clone() }), "{sig}");
        }
        assert!(!TARGET.is_signed(&keys, &SignedLink { expires_at: 101, ..signed.clone() }));
        assert!(TARGET.is_signed(&keys, &SignedLink { sig: signed.sig.to_uppercase(), ..signed }));
    }
}
