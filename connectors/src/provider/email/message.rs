use crate::provider::payload::{Invalid, Keys};
use acteon_schemas::Dispatch;

/// Header that carries the dispatch's id, which is the idempotency key.
pub(super) const DISPATCH_HEADER: &str = "X-Acteon-Dispatch-Id";
/// Most recipients of one email, as SES has it.
const MAX_RECIPIENTS: usize = 50;
/// Longest address, in bytes.
const MAX_ADDRESS_BYTES: usize = 320;
/// Longest subject, in bytes: a header's line.
const MAX_SUBJECT_BYTES: usize = 998;

/// An email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) dispatch_id: String,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    pub(super) reply_to: Vec<String>,
    pub(super) subject: String,
    /// Plain text; `None` where there is HTML only.
    pub(super) body: Option<String>,
    pub(super) html_body: Option<String>,
}

/// The email of a dispatch; `default_to` are the recipients of one whose payload names none.
pub(super) fn of(dispatch: &Dispatch<'_>, default_to: &[String]) -> Result<Message, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    let text = |key| keys.as_ref().map_or(Ok(None), |keys| keys.text(key));
    let list = |key| keys.as_ref().map_or_else(|| Ok(Vec::new()), |keys| addresses(keys, key));
    let (mut to, cc, bcc, reply_to) = (list("to")?, list("cc")?, list("bcc")?, list("reply_to")?);
    if to.is_empty() {
        to = default_to.to_vec();
    }
    if to.is_empty() {
        return Err(Invalid::new("to", "is missing, and so is `to` in the provider's settings: name the recipients"));
    }
    if to.len() + cc.len() + bcc.len() > MAX_RECIPIENTS {
        return Err(Invalid::new("to", format!("and `cc` and `bcc` have more than {MAX_RECIPIENTS} addresses")));
    }
    let subject = text("subject")?.unwrap_or_else(|| {
        let subject = format!("{} ({}/{})", dispatch.action_type, dispatch.namespace, dispatch.tenant);
        subject.replace(char::is_control, " ")
    });
    if subject.len() > MAX_SUBJECT_BYTES || subject.contains(char::is_control) {
        let problem = format!("must have at most {MAX_SUBJECT_BYTES} bytes and no control characters");
        return Err(Invalid::new("subject", problem));
    }
    let html_body = text("html_body")?;
    let body = match text("body")? {
        None if html_body.is_none() => Some(dispatch.payload.get().to_owned()),
        body => body,
    };
    let dispatch_id = dispatch.dispatch_id.clone().into_owned();
    Ok(Message { dispatch_id, to, cc, bcc, reply_to, subject, body, html_body })
}

fn addresses(keys: &Keys<'_>, key: &str) -> Result<Vec<String>, Invalid> {
    let list = keys.list(key)?;
    for address in &list {
        check_address(address).map_err(|problem| Invalid::new(key, problem))?;
    }
    Ok(list)
}

/// Checks what would break a header or can't be an address; the rest is for the mail server to say.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the key.
pub(super) fn check_address(text: &str) -> Result<(), String> {
    if text.contains(char::is_control) || text.len() > MAX_ADDRESS_BYTES {
        return Err(format!("has an address with control characters or more than {MAX_ADDRESS_BYTES} bytes"));
    }
    let address = match text.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').map_or("", |(_, address)| address),
        None => text,
    };
    match address.rsplit_once('@') {
        Some((user, domain)) if !user.is_empty() && !domain.is_empty() && !address.contains([' ', ',', '<']) => Ok(()),
        _ => Err("must be an address, as alerts@example.com or Alerts <alerts@example.com>".to_owned()),
    }
}

#[cfg(test)]
mod tests;
