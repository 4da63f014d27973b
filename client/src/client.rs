use crate::error::{ApiError, Error};
use crate::retry::RetryPolicy;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// Where a gateway listens where nothing else is configured.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8080";
/// Largest answer that is read, in bytes: a page of audit records with their payloads.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer is waited for where nothing is set: longer than a gateway waits for an outcome.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(110);

/// A client of one gateway, or of several behind one address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    retry: RetryPolicy,
    timeout: Duration,
    token: Option<String>,
}

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    endpoint: String,
    retry: RetryPolicy,
    timeout: Duration,
    token: Option<String>,
}

impl ClientBuilder {
    /// Sets how often a request is sent again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long one attempt may take until its answer has come.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets what is sent as `Authorization: Bearer`.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Endpoint`] or [`Error::Setup`].
    pub fn build(self) -> Result<Client, Error> {
        let refuse = |problem: String| Error::Endpoint { endpoint: self.endpoint.clone(), problem };
        let endpoint = Url::parse(self.endpoint.trim_end_matches('/')).map_err(|error| refuse(error.to_string()))?;
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() {
            return Err(refuse("it must begin with http:// or https://".to_owned()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // Repeating is ours, with what the gateway says of it.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Client { http, endpoint, retry: self.retry, timeout: self.timeout, token: self.token })
    }
}

impl Client {
    /// A client with the usual settings.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn new(endpoint: &str) -> Result<Self, Error> {
        Self::builder(endpoint).build()
    }

    /// Settings of a client of the gateway at `endpoint`.
    #[must_use]
    pub fn builder(endpoint: &str) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint.to_owned(),
            retry: RetryPolicy::default(),
            timeout: DEFAULT_TIMEOUT,
            token: None,
        }
    }

    /// Whether the gateway serves, and its counters.
    ///
    /// # Errors
    /// It does not.
    pub async fn health(&self) -> Result<serde_json::Value, Error> {
        self.get(&["health"], &[]).await
    }

    /// The same client without retries.
    pub(crate) fn once(&self) -> Self {
        Self { retry: RetryPolicy::never(), ..self.clone() }
    }

    /// Where its gateway is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    /// How requests are repeated.
    pub(crate) fn retry_policy(&self) -> &RetryPolicy {
        &self.retry
    }

    /// Where a link leads on this client's gateway, whatever address it was made for.
    pub(crate) fn link(&self, link: &str) -> Result<Url, Error> {
        let refuse = |problem: String| Error::Endpoint { endpoint: link.to_owned(), problem };
        let link = Url::parse(link).map_err(|error| refuse(error.to_string()))?;
        let at = link.path().find("/v1/").ok_or_else(|| refuse("it leads to no path of the API".to_owned()))?;
        let mut url = self.endpoint.clone();
        let base = self.endpoint.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{}", &link.path()[at..]));
        url.set_query(link.query());
        Ok(url)
    }

    /// The address of a path, whose parts are escaped.
    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Error> {
        self.ask(Method::GET, path, query, None).await
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| unreadable(&path.join("/"), &error.to_string()))?;
        self.ask(method, path, query, Some(body.into())).await
    }

    /// A request, repeated where that can help, and its answer as JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Bytes>,
    ) -> Result<T, Error> {
        self.ask_at(method, &self.url(path, query), body).await
    }

    /// The same of an address.
    pub(crate) async fn ask_at<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        body: Option<Bytes>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        let answer = loop {
            match self.attempt(method.clone(), url, body.clone()).await {
                Ok(answer) => break answer,
                Err(error) if error.is_retryable() && self.retry.goes_on_after(attempt) => {
                    tokio::time::sleep(self.retry.delay(attempt, error.retry_after(), fastrand::f64())).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        serde_json::from_slice(&answer).map_err(|error| unreadable(url.path(), &error.to_string()))
    }

    async fn attempt(&self, method: Method, url: &Url, body: Option<Bytes>) -> Result<Bytes, Error> {
        let mut request = self.request(method, url.clone()).timeout(self.timeout);
        if let Some(body) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| self.transport(&error))?;
        let status = response.status();
        let answer = self.read(response).await?;
        if status.is_success() { Ok(answer) } else { Err(ApiError::of(status.as_u16(), &answer).into()) }
    }

    /// The answer to a request whose body does not end, once it begins.
    pub(crate) async fn open(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        last_event_id: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Error> {
        let mut request = self.request(Method::GET, self.url(path, query));
        request = request.header(reqwest::header::ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.map_err(|error| self.transport(&error))?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(ApiError::of(status, &self.read(response).await?).into());
        }
        let client = self.clone();
        Ok(response.bytes_stream().map(move |chunk| chunk.map_err(|error| client.transport(&error))))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The body of an answer, up to [`MAX_ANSWER_BYTES`].
    async fn read(&self, mut response: Response) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let problem = format!("it has more than {MAX_ANSWER_BYTES} bytes");
                return Err(Error::Answer { path: response.url().path().to_owned(), problem });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn transport(&self, error: &reqwest::Error) -> Error {
        let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        // The outermost only repeats the address.
        let problem = causes.last().map_or_else(String::new, ToString::to_string);
        Error::Transport { endpoint: self.endpoint.to_string(), problem }
    }
}

fn unreadable(path: &str, problem: &str) -> Error {
    Error::Answer { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_paths_escaped() {
        for (endpoint, part) in
            [("localhost:8080", "http://"), ("", "relative URL"), ("ftp://a", "http://"), ("http://", "host")]
        {
            let error = Client::new(endpoint).unwrap_err().to_string();
            assert!(error.contains(part), "{endpoint}: {error}");
        }
        let client = Client::new("https://gateway.example.com/acteon/").unwrap();
        let url = client.url(&["v1", "events", "a/b c"], &[("namespace", "n&m".to_owned())]);
        assert_eq!(url.as_str(), "https://gateway.example.com/acteon/v1/events/a%2Fb%20c?namespace=n%26m");
        let link = client.link("http://127.0.0.1:8080/v1/approvals/n/t%20u/a-1/approve?sig=ab&expires_at=1").unwrap();
        let expected = "https://gateway.example.com/acteon/v1/approvals/n/t%20u/a-1/approve?sig=ab&expires_at=1";
        assert_eq!(link.as_str(), expected);
        assert!(client.link("a-1").is_err() && client.link("http://a/b").is_err());
    }
}
