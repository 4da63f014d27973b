use crate::error::Error;

/// The parts of an Amazon Resource Name that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    /// Empty where the resource has none, as roles do.
    pub(crate) region: &'a str,
    /// What comes behind the account.
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads `arn:partition:service:region:account:resource`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the key.
    pub(crate) fn parse(text: &'a str, service: &str) -> Result<Self, String> {
        let form = || format!("is not an ARN of the form arn:aws:{service}:REGION:ACCOUNT:NAME");
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(form);
        let (scheme, partition, found, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        if scheme != "arn" || !(partition == "aws" || partition.starts_with("aws-")) || resource.is_empty() {
            return Err(form());
        }
        if found != service {
            return Err(format!("is an ARN of `{found}`; one of `{service}` is needed"));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("has the account `{account}`; accounts have 12 digits"));
        }
        let global = service == "iam";
        if global != region.is_empty() || !region.bytes().all(is_region_byte) {
            return Err(format!("has the region `{region}`; {}", if global { "roles have none" } else { "name one" }));
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err("has a space or a character that ARNs don't have".to_owned());
        }
        Ok(Self { region, resource })
    }
}

/// Whether a region's name may have this byte.
fn is_region_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Checks a region's name.
///
/// # Errors
/// [`Error::Provider`] for `aws_region`.
pub(crate) fn check_region(name: &str, region: &str) -> Result<(), Error> {
    if region.is_empty() || region.len() > 32 || !region.bytes().all(is_region_byte) {
        return Err(Error::provider(name, "aws_region", format!("is {region:?}; use a region's name, as us-east-1")));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let arn = Arn::parse("arn:aws:sns:us-east-1:000000000000:building-alerts.fifo", "sns").unwrap();
        assert_eq!(arn, Arn { region: "us-east-1", resource: "building-alerts.fifo" });
        let arn = Arn::parse("arn:aws-cn:lambda:cn-north-1:123456789012:function:f:live", "lambda").unwrap();
        assert_eq!(arn, Arn { region: "cn-north-1", resource: "function:f:live" });
        let role = Arn::parse("arn:aws:iam::123456789012:role/path/acteon", "iam").unwrap();
        assert_eq!(role.resource, "role/path/acteon");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, part) in [
            ("", "of the form arn:aws:sns:REGION:ACCOUNT:NAME"),
            ("building-alerts", "of the form"),
            ("arn:aws:sns:us-east-1:000000000000:", "of the form"),
            ("arn:gcp:sns:us-east-1:000000000000:x", "of the form"),
            ("arn:aws:sqs:us-east-1:000000000000:x", "`sqs`; one of `sns` is needed"),
            ("arn:aws:sns:us-east-1:12:x", "12 digits"),
            ("arn:aws:sns::000000000000:x", "name one"),
            ("arn:aws:sns:US_EAST:000000000000:x", "region `US_EAST`"),
            ("arn:aws:sns:us-east-1:000000000000:a b", "a space"),
        ] {
            let problem = Arn::parse(text, "sns").unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        assert!(
            Arn::parse("arn:aws:iam:us-east-1:123456789012:role/x", "iam").unwrap_err().contains("roles have none")
        );
        for bad in ["", "us east", "US-EAST-1", "us-east-1.evil.example"] {
            assert!(check_region("p", bad).unwrap_err().to_string().contains("`aws_region`"), "{bad}");
        }
    }
}
