use super::arn::{Arn, check_region};
use crate::error::Error;
use crate::secret::Secret;
use url::Url;

/// Region of a provider that names none, neither itself nor in an ARN.
const DEFAULT_REGION: &str = "us-east-1";
/// Name of a role's session where none is configured.
const DEFAULT_SESSION_NAME: &str = "acteon";

/// Declares the settings of a provider: its own keys, and those of the account that every AWS provider has.
macro_rules! aws_settings {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// The region; else that of the ARN or URL above, else `us-east-1`.
            pub aws_region: Option<String>,
            /// Instead of AWS's own endpoint: that of LocalStack or another stand-in, or of a VPC. May have `${NAME}` and
            /// `${NAME:-default}` in it, for environment variables.
            #[serde(default, deserialize_with = "crate::secret::optional_text")]
            pub aws_endpoint_url: Option<String>,
            /// A role that is assumed for every call; its credentials are renewed before they expire.
            pub aws_role_arn: Option<String>,
            /// Name of the role's session, `acteon` if there is none.
            pub aws_session_name: Option<String>,
            /// What the role's trust policy may ask for.
            pub aws_external_id: Option<String>,
            /// With `aws_secret_access_key`: instead of the credentials that AWS's tools find by themselves, in
            /// `AWS_ACCESS_KEY_ID`, `~/.aws`, a container's or a machine's role.
            pub aws_access_key_id: Option<$crate::secret::Secret>,
            /// The other half of `aws_access_key_id`.
            pub aws_secret_access_key: Option<$crate::secret::Secret>,
            /// The third part, where `aws_access_key_id` is a temporary one.
            pub aws_session_token: Option<$crate::secret::Secret>,
        }

        impl $name {
            /// The keys that all AWS providers have.
            fn account(&self) -> $crate::provider::aws::Account {
                $crate::provider::aws::Account {
                    region: self.aws_region.clone(),
                    endpoint_url: self.aws_endpoint_url.clone(),
                    role_arn: self.aws_role_arn.clone(),
                    session_name: self.aws_session_name.clone(),
                    external_id: self.aws_external_id.clone(),
                    access_key_id: self.aws_access_key_id.clone(),
                    secret_access_key: self.aws_secret_access_key.clone(),
                    session_token: self.aws_session_token.clone(),
                }
            }
        }
    };
}
pub(crate) use aws_settings;

/// On whose behalf and where calls are made; see the `aws_` keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) region: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) access_key_id: Option<Secret>,
    pub(crate) secret_access_key: Option<Secret>,
    pub(crate) session_token: Option<Secret>,
}

impl Account {
    /// Checks the keys, and returns the region: the configured one, else `named`, which is that of the ARN or URL in
    /// `named_by`.
    ///
    /// # Errors
    /// [`Error::Provider`] with the key at fault.
    pub(crate) fn check(&self, name: &str, named_by: &str, named: Option<&str>) -> Result<String, Error> {
        let bad = |key: &str, problem: &str| Err(Error::provider(name, key, problem));
        self.check_endpoint(name)?;
        self.check_role(name)?;
        match (&self.access_key_id, &self.secret_access_key, &self.session_token) {
            (Some(_), None, _) => return bad("aws_secret_access_key", "is missing: `aws_access_key_id` needs it"),
            (None, Some(_), _) => return bad("aws_access_key_id", "is missing: `aws_secret_access_key` needs it"),
            (None, None, Some(_)) => return bad("aws_access_key_id", "is missing: `aws_session_token` needs it"),
            _ => {}
        }
        let Some(region) = &self.region else { return Ok(named.unwrap_or(DEFAULT_REGION).to_owned()) };
        check_region(name, region)?;
        match named {
            Some(named) if named != region => {
                let problem =
                    format!("is {region:?}, but `{named_by}` is in {named:?}; leave it out or make them agree");
                bad("aws_region", &problem)
            }
            _ => Ok(region.clone()),
        }
    }

    /// The name of the role's session.
    pub(crate) fn session_name(&self) -> &str {
        self.session_name.as_deref().unwrap_or(DEFAULT_SESSION_NAME)
    }

    fn check_endpoint(&self, name: &str) -> Result<(), Error> {
        let Some(text) = &self.endpoint_url else { return Ok(()) };
        check_url(name, "aws_endpoint_url", text).map(drop)
    }

    fn check_role(&self, name: &str) -> Result<(), Error> {
        let bad = |key: &str, problem: String| Err(Error::provider(name, key, problem));
        let Some(role) = &self.role_arn else {
            for (key, value) in [("aws_session_name", &self.session_name), ("aws_external_id", &self.external_id)] {
                if value.is_some() {
                    return bad(
                        key,
                        "has no effect without `aws_role_arn`; give that too or leave this out".to_owned(),
                    );
                }
            }
            return Ok(());
        };
        match Arn::parse(role, "iam") {
            Ok(arn) if arn.resource.starts_with("role/") => {}
            Ok(_) => return bad("aws_role_arn", "is not a role's ARN: it lacks `role/`".to_owned()),
            Err(problem) => return bad("aws_role_arn", problem),
        }
        let allowed = |text: &str, more: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&text.len())
                && text
                    .chars()
                    .all(|char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char) || more.contains(char))
        };
        if !allowed(self.session_name(), "", 2..=64) {
            return bad("aws_session_name", "must have 2 to 64 letters, digits or characters of _+=,.@-".to_owned());
        }
        if self.external_id.as_ref().is_some_and(|id| !allowed(id, ":/", 2..=1224)) {
            return bad("aws_external_id", "must have 2 to 1224 letters, digits or characters of _+=,.@:/-".to_owned());
        }
        Ok(())
    }
}

/// Reads the URL of an endpoint or a queue.
///
/// # Errors
/// [`Error::Provider`] with `key`.
pub(crate) fn check_url(name: &str, key: &str, text: &str) -> Result<Url, Error> {
    let bad = |problem: String| Error::provider(name, key, problem);
    let url = Url::parse(text).map_err(|error| bad(format!("is not a URL: {error}; use https:// or http://")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad(format!("has the scheme `{}`; use https:// or http://", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("has a user or password; AWS's credentials have keys of their own".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_region_is_the_configured_one_or_that_of_the_target() {
        let here = Account { region: some("us-west-2"), ..Account::default() };
        assert_eq!(here.check("p", "queue_url", None).unwrap(), "us-west-2");
        assert_eq!(here.check("p", "queue_url", Some("us-west-2")).unwrap(), "us-west-2");
        assert_eq!(Account::default().check("p", "queue_url", Some("eu-west-1")).unwrap(), "eu-west-1");
        assert_eq!(Account::default().check("p", "queue_url", None).unwrap(), "us-east-1");
        let error = here.check("p", "topic_arn", Some("eu-west-1")).unwrap_err().to_string();
        assert!(error.contains("`aws_region`") && error.contains("`topic_arn` is in \"eu-west-1\""), "{error}");
    }

    #[test]
    fn bad_keys_are_refused_with_their_name() {
        let role = some("arn:aws:iam::123456789012:role/acteon");
        let secret = || Some(Secret::new("hunter2"));
        let none = Account::default;
        let cases = [
            (Account { region: some("Moon"), ..none() }, "`aws_region`", "us-east-1"),
            (Account { endpoint_url: some("localhost:4566"), ..none() }, "`aws_endpoint_url`", "scheme"),
            (Account { endpoint_url: some("not a url"), ..none() }, "`aws_endpoint_url`", "not a URL"),
            (Account { endpoint_url: some("http://u:hunter2@h"), ..none() }, "`aws_endpoint_url`", "password"),
            (Account { role_arn: some("acteon"), ..none() }, "`aws_role_arn`", "not an ARN"),
            (Account { role_arn: some("arn:aws:iam::123456789012:user/a"), ..none() }, "`aws_role_arn`", "role/"),
            (Account { role_arn: role.clone(), session_name: some("a b"), ..none() }, "`aws_session_name`", "2 to 64"),
            (Account { role_arn: role, external_id: some("x"), ..none() }, "`aws_external_id`", "2 to 1224"),
            (Account { session_name: some("acteon"), ..none() }, "`aws_session_name`", "without `aws_role_arn`"),
            (Account { external_id: some("trust"), ..none() }, "`aws_external_id`", "without `aws_role_arn`"),
            (Account { access_key_id: secret(), ..none() }, "`aws_secret_access_key`", "is missing"),
            (Account { secret_access_key: secret(), ..none() }, "`aws_access_key_id`", "is missing"),
            (Account { session_token: secret(), ..none() }, "`aws_access_key_id`", "is missing"),
        ];
        for (account, key, part) in cases {
            let error = account.check("alerts", "topic_arn", None).unwrap_err().to_string();
            for part in ["provider `alerts`", key, part] {
                assert!(error.contains(part), "{error} lacks {part}");
            }
            assert!(!error.contains("hunter2") && !format!("{account:?}").contains("\"hunter2"), "{error}");
        }
    }

    #[test]
    fn a_role_with_all_its_keys_passes() {
        let account = Account {
            role_arn: some("arn:aws:iam::111111111111:role/acteon-publisher"),
            session_name: some("acteon-prod"),
            external_id: some("acteon-prod-trust"),
            ..Account::default()
        };
        account.check("p", "topic_arn", None).unwrap();
        assert_eq!((account.session_name(), Account::default().session_name()), ("acteon-prod", "acteon"));
    }
}
