use crate::error::Error;
use crate::secret::{REDACTED, Secret};
use reqwest::header::HeaderValue;
use reqwest::{ClientBuilder, Proxy};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a provider's HTTP connections are made: `[providers.http]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// The proxy that every request goes through, `http://host:port`, with `user:password@` where it asks for one.
    /// `HTTP_PROXY` and its like in the environment have no effect.
    pub proxy: Option<Secret>,
    /// A PEM file of certificate authorities that are trusted beside the system's.
    pub ca_path: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to the receiver (mTLS), its chain included.
    pub client_cert_path: Option<PathBuf>,
    /// A PEM file with the key of `client_cert_path`.
    pub client_key_path: Option<PathBuf>,
}

impl HttpSettings {
    /// Checks what can be told without reading files.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(crate) fn validate(&self, name: &str) -> Result<(), Error> {
        self.proxy(name)?;
        match (&self.client_cert_path, &self.client_key_path) {
            (Some(_), None) => Err(bad(name, "client_key_path", "is missing: `client_cert_path` needs its key")),
            (None, Some(_)) => {
                Err(bad(name, "client_cert_path", "is missing: `client_key_path` needs its certificate"))
            }
            _ => Ok(()),
        }
    }

    /// Gives the client what is set here.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(crate) fn apply(&self, name: &str, client: ClientBuilder) -> Result<ClientBuilder, Error> {
        let client = client.tls_backend_preconfigured(self.tls(name)?);
        Ok(match self.proxy(name)? {
            Some(proxy) => client.proxy(proxy),
            None => client.no_proxy(),
        })
    }

    fn proxy(&self, name: &str) -> Result<Option<Proxy>, Error> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let refused = || bad(name, "proxy", "is not a proxy's URL; use http://host:port");
        let url = url::Url::parse(proxy.expose()).map_err(|_| refused())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refused());
        }
        Proxy::all(url).map(Some).map_err(|_| refused())
    }

    /// Whom connections trust, and what they show of themselves.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault: a file that can't be read or is not what it should be.
    pub(super) fn tls(&self, name: &str) -> Result<ClientConfig, Error> {
        self.validate(name)?;
        let provider = Arc::new(default_provider());
        let refused = |error: rustls::Error| Error::provider(name, "http", format!("has no TLS: {error}"));
        let verifier = match &self.ca_path {
            None => Verifier::new(Arc::clone(&provider)).map_err(refused)?,
            Some(path) => {
                let problem = format!("names {}, which has no PEM certificates", path.display());
                let authorities = certificates(&read(name, "ca_path", path)?);
                let authorities = authorities.ok_or_else(|| bad(name, "ca_path", &problem))?;
                Verifier::new_with_extra_roots(authorities, Arc::clone(&provider)).map_err(refused)?
            }
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            // Dangerous is what any verifier might do; this one does what the system does.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let (Some(certificate), Some(key)) = (&self.client_cert_path, &self.client_key_path) else {
            return Ok(config.with_no_client_auth());
        };
        // Either file may hold the chain.
        let mut pem = read(name, "client_cert_path", certificate)?;
        pem.push(b'\n');
        pem.extend(read(name, "client_key_path", key)?);
        let problem = "and `client_key_path` are not a PEM certificate and its PEM key";
        certificates(&pem)
            .zip(PrivateKeyDer::from_pem_slice(&pem).ok())
            .and_then(|(chain, key)| config.with_client_auth_cert(chain, key).ok())
            .ok_or_else(|| bad(name, "client_cert_path", problem))
    }
}

/// The certificates of a PEM file; `None` where it has none.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

fn bad(name: &str, key: &str, problem: &str) -> Error {
    Error::provider(name, format!("http.{key}"), problem)
}

fn read(name: &str, key: &str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| bad(name, key, &format!("names {}, which can't be read: {error}", path.display())))
}

/// Scheme, host and port of a URL. The rest may be secret: a user, a token in the path or the query.
pub(crate) fn public_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return REDACTED.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if path.len() > 1 { format!("/{REDACTED}") } else { String::new() };
    format!("{scheme}://{host}{path}")
}

/// A header's value that logs don't show.
///
/// # Errors
/// [`Error::Provider`] with `key`: HTTP does not allow the value.
pub(crate) fn header_value(name: &str, key: &str, value: &str) -> Result<HeaderValue, Error> {
    let problem = "has a value that HTTP does not allow; use visible ASCII characters";
    let mut value = HeaderValue::try_from(value).map_err(|_| Error::provider(name, key, problem))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_secrets() {
        for (url, shown) in [
            ("http://h:1/", "http://h:1"),
            ("https://hooks.example.com/T0/secret", "https://hooks.example.com/[REDACTED]"),
            ("https://u:p@h:1?token=1", "https://h:1/[REDACTED]"),
            ("secret", "[REDACTED]"),
        ] {
            assert_eq!(public_url(url), shown);
        }
    }

    #[test]
    fn bad_settings_are_refused_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(dir.path().join(name));
        std::fs::write(dir.path().join("no.pem"), "hunter2").unwrap();
        let none = HttpSettings::default;
        let cases = [
            (HttpSettings { proxy: Some(Secret::new("hunter2")), ..none() }, "`http.proxy`", "http://host:port"),
            (HttpSettings { proxy: Some(Secret::new("ftp://hunter2@h")), ..none() }, "`http.proxy`", "http://"),
            (HttpSettings { ca_path: path("absent"), ..none() }, "`http.ca_path`", "can't be read"),
            (HttpSettings { ca_path: path("no.pem"), ..none() }, "`http.ca_path`", "no PEM certificates"),
            (HttpSettings { client_cert_path: path("a"), ..none() }, "`http.client_key_path`", "is missing"),
            (HttpSettings { client_key_path: path("a"), ..none() }, "`http.client_cert_path`", "is missing"),
            (
                HttpSettings { client_cert_path: path("no.pem"), client_key_path: path("no.pem"), ..none() },
                "`http.client_cert_path`",
                "not a PEM",
            ),
        ];
        for (settings, key, part) in cases {
            let error = settings.tls("hook").unwrap_err().to_string();
            for part in ["provider `hook`", key, part] {
                assert!(error.contains(part), "{error} lacks {part}");
            }
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
