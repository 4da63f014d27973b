use super::account::Account;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Longest wait for a connection; a call's own limit may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Temporary credentials are renewed this long before they expire: no call under way meets its end with old ones.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(60);
/// Longest body of a response that is read, over the 6 MB that a Lambda function can return.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// A client of one service, made at the first call: so an endpoint that can't be reached, or credentials that are
/// missing, fail calls and not the start.
pub(crate) struct Connection<C> {
    account: Account,
    region: String,
    make: fn(&SdkConfig) -> C,
    client: OnceCell<C>,
}

impl<C> Connection<C> {
    /// `make` makes the client from what all services share.
    pub(crate) fn new(account: Account, region: String, make: fn(&SdkConfig) -> C) -> Self {
        Self { account, region, make, client: OnceCell::new() }
    }

    /// The client. Waits for nothing but files.
    pub(crate) async fn client(&self) -> &C {
        let made = async { (self.make)(&Box::pin(shared(&self.account, &self.region)).await) };
        self.client.get_or_init(|| made).await
    }
}

/// What all services share: region, endpoint, limits, and credentials that the SDK keeps until shortly before they
/// expire. Nothing is repeated out of the runner's sight.
async fn shared(account: &Account, region: &str) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        .identity_cache(IdentityCache::lazy().buffer_time(RENEW_BEFORE_EXPIRY).build())
        .http_client(LimitedClient::new());
    if let Some(url) = &account.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let (Some(id), Some(secret)) = (&account.access_key_id, &account.secret_access_key) {
        let token = account.session_token.as_ref().map(|token| token.expose().to_owned());
        loader = loader.credentials_provider(Credentials::new(id.expose(), secret.expose(), token, None, "acteon"));
    }
    let base = loader.load().await;
    let Some(role) = &account.role_arn else { return base };
    let mut assumed = AssumeRoleProvider::builder(role).configure(&base).session_name(account.session_name());
    if let Some(id) = &account.external_id {
        assumed = assumed.external_id(id);
    }
    let assumed = assumed.build().await;
    base.into_builder().credentials_provider(SharedCredentialsProvider::new(assumed)).build()
}

/// An HTTP client whose responses end at [`MAX_BODY_BYTES`], with an error where they are longer.
#[derive(Debug)]
struct LimitedClient(SharedHttpClient);

impl LimitedClient {
    fn new() -> Self {
        Self(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https())
    }
}

impl HttpClient for LimitedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(LimitedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct LimitedConnector(SharedHttpConnector);

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let response = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut response = response.await?;
            let body = response.take_body();
            *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, MAX_BODY_BYTES));
            Ok(response)
        })
    }
}
