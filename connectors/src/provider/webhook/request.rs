//! What a webhook sends for a dispatch. Pure: the time comes as an argument.

use super::settings::WebhookSettings;
use super::signature::{HmacHeader, StandardWebhooks};
use crate::error::Error;
use crate::provider::http::{OWN_HEADERS, header_value};
use crate::template::{Context, Template, is_template};
use acteon_schemas::{Action, Dispatch, error_code as code};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use url::{Origin, Url};

/// Most configured headers.
const MAX_HEADERS: usize = 64;
/// Headers of Standard Webhooks.
const SIGNATURE_HEADERS: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// The settings, checked and compiled.
pub(super) struct Builder {
    method: Method,
    url: Target,
    headers: HeaderMap,
    header_templates: Vec<(HeaderName, Template)>,
    body: Option<Template>,
    has_body: bool,
    standard_webhooks: Option<StandardWebhooks>,
    hmac_header: Option<HmacHeader>,
}

enum Target {
    Fixed(Url),
    /// The origin that the URL must have once the values are in it; `None` where it may have any.
    Template {
        template: Template,
        origin: Option<Origin>,
    },
}

/// A request.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there is no request: a code and what to report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable(pub(super) &'static str, pub(super) String);

impl Builder {
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(super) fn new(name: &str, settings: &WebhookSettings) -> Result<Self, Error> {
        let method = match settings.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "GET" => Method::GET,
            "DELETE" => Method::DELETE,
            other => {
                let problem = format!("is `{other}`; use POST, PUT, PATCH, GET or DELETE");
                return Err(Error::provider(name, "method", problem));
            }
        };
        let has_body = !matches!(method, Method::GET | Method::DELETE);
        let body = match &settings.body {
            Some(_) if !has_body => {
                return Err(Error::provider(name, "body", format!("has no meaning: {method} sends none")));
            }
            Some(body) => Some(Template::text(body).map_err(|problem| Error::provider(name, "body", problem))?),
            None => None,
        };
        let (headers, header_templates) = header_map(name, settings, has_body)?;
        Ok(Self {
            url: target(name, settings)?,
            method,
            headers,
            header_templates,
            body,
            has_body,
            standard_webhooks: StandardWebhooks::new(name, &settings.signing_secrets)?,
            hmac_header: settings.hmac_header.as_ref().map(|hmac| HmacHeader::new(name, hmac)).transpose()?,
        })
    }

    /// The URL, where it is the same for all dispatches.
    pub(super) fn fixed_url(&self) -> Option<&Url> {
        match &self.url {
            Target::Fixed(url) => Some(url),
            Target::Template { .. } => None,
        }
    }

    /// The request for a dispatch; `timestamp` is in seconds since 1970.
    pub(super) fn prepare(&self, dispatch: &Dispatch<'_>, timestamp: i64) -> Result<Prepared, Unsendable> {
        let has_templates = self.fixed_url().is_none() || self.body.is_some() || !self.header_templates.is_empty();
        let context = has_templates.then(|| Context::of(dispatch));
        let invalid = |part: &str, problem: String| Unsendable(code::VALIDATION, format!("{part} {problem}"));
        let render = |template: &Template, part: &str| match &context {
            Some(context) => {
                template.render(context).map_err(|problem| invalid(part, format!("can't be made: {problem}")))
            }
            None => Ok(String::new()),
        };
        let url = match &self.url {
            Target::Fixed(url) => url.clone(),
            Target::Template { template, origin } => {
                let url = parse(&render(template, "`url`")?).map_err(|problem| invalid("`url`", problem))?;
                if origin.as_ref().is_some_and(|origin| *origin != url.origin()) {
                    return Err(invalid("`url`", "would change its host".to_owned()));
                }
                url
            }
        };
        let body = match &self.body {
            Some(template) => render(template, "`body`")?.into_bytes(),
            None if self.has_body => whole_action(dispatch).map_err(|error| {
                Unsendable(code::SERIALIZATION, format!("the action can't be written as JSON: {error}"))
            })?,
            None => Vec::new(),
        };
        let mut headers = self.headers.clone();
        for (header, template) in &self.header_templates {
            let part = format!("`headers.{header}`");
            let value = HeaderValue::try_from(render(template, &part)?)
                .map_err(|_| invalid(&part, "becomes a value that HTTP does not allow".to_owned()))?;
            headers.insert(header, value);
        }
        self.sign(dispatch, timestamp, &body, &mut headers)?;
        Ok(Prepared { method: self.method.clone(), url, headers, body })
    }

    fn sign(
        &self,
        dispatch: &Dispatch<'_>,
        timestamp: i64,
        body: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), Unsendable> {
        let mut signed: Vec<(HeaderName, String)> = Vec::new();
        if let Some(keys) = &self.standard_webhooks {
            let id = &*dispatch.dispatch_id;
            let values = [id.to_owned(), timestamp.to_string(), keys.sign(id, timestamp, body)];
            signed.extend(SIGNATURE_HEADERS.map(HeaderName::from_static).into_iter().zip(values));
        }
        if let Some(hmac) = &self.hmac_header {
            signed.push((hmac.header.clone(), hmac.sign(body)));
        }
        for (header, value) in signed {
            let value = HeaderValue::try_from(value).map_err(|_| {
                Unsendable(code::SERIALIZATION, format!("`{header}` becomes a value that HTTP does not allow"))
            })?;
            headers.insert(header, value);
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}; use http:// or https://"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("has the scheme `{other}`; use http:// or https://")),
    }
}

fn target(name: &str, settings: &WebhookSettings) -> Result<Target, Error> {
    let bad = |problem: String| Error::provider(name, "url", problem);
    let text = settings.url.expose();
    if !is_template(text) {
        return parse(text).map(Target::Fixed).map_err(bad);
    }
    let template = Template::url(text).map_err(bad)?;
    if settings.allow_host_template {
        return Ok(Target::Template { template, origin: None });
    }
    // What stands before the path must be there already, so that no value can become a part of the host.
    let begin = text.find("://").map_or(0, |at| at + 3);
    let end = text[begin..].find(['/', '?', '#']).map_or(text.len(), |at| begin + at);
    if is_template(&text[..end]) {
        let problem =
            "has a template in its host; set `allow_host_template = true` if actions may choose where they go";
        return Err(bad(problem.to_owned()));
    }
    let origin = parse(&text[..end]).map_err(bad)?.origin();
    Ok(Target::Template { template, origin: Some(origin) })
}

type Headers = (HeaderMap, Vec<(HeaderName, Template)>);

fn header_map(name: &str, settings: &WebhookSettings, has_body: bool) -> Result<Headers, Error> {
    if settings.headers.len() > MAX_HEADERS {
        let problem = format!("has {} entries; the limit is {MAX_HEADERS}", settings.headers.len());
        return Err(Error::provider(name, "headers", problem));
    }
    let (mut map, mut templates) = (HeaderMap::new(), Vec::new());
    if has_body {
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (header, value) in &settings.headers {
        let key = format!("headers.{header}");
        let bad = |problem: &str| Error::provider(name, &key, problem);
        let header = HeaderName::try_from(header).map_err(|_| bad("is not a header's name"))?;
        if OWN_HEADERS.contains(&header.as_str()) || SIGNATURE_HEADERS.contains(&header.as_str()) {
            return Err(bad("is set by Acteon; leave it out"));
        }
        if is_template(value.expose()) {
            templates.push((header, Template::strict(value.expose()).map_err(|problem| bad(&problem))?));
        } else {
            map.insert(header, header_value(name, &key, value.expose())?);
        }
    }
    Ok((map, templates))
}

/// The action as the rules left it, in the shape in which applications send it.
pub(in crate::provider) fn whole_action(dispatch: &Dispatch<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Action {
        id: Some(Cow::Borrowed(&dispatch.action_id)),
        namespace: Cow::Borrowed(&dispatch.namespace),
        tenant: Cow::Borrowed(&dispatch.tenant),
        provider: Cow::Borrowed(&dispatch.provider),
        action_type: Cow::Borrowed(&dispatch.action_type),
        payload: Cow::Borrowed(&dispatch.payload),
        metadata: dispatch.metadata.clone().into_owned(),
        dedup_key: dispatch.dedup_key.as_deref().map(Cow::Borrowed),
        status: dispatch.status.as_deref().map(Cow::Borrowed),
        fingerprint: dispatch.fingerprint.as_deref().map(Cow::Borrowed),
        created_at: dispatch.created_at.as_deref().map(Cow::Borrowed),
        dispatch_at: None,
        extra: dispatch.extra.clone(),
    })
}
