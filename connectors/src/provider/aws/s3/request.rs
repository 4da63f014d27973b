use super::S3Settings;
use crate::provider::aws::arn::Arn;
use crate::provider::aws::mark::DISPATCH_ID;
use crate::provider::payload::{Invalid, Keys};
use acteon_schemas::Dispatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// Longest key of an object, as S3 has it.
const MAX_KEY_BYTES: usize = 1024;
/// Most bytes of an object's own metadata, as S3 has it.
const MAX_METADATA_BYTES: usize = 2048;

/// Where an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// An object to put.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) place: Place,
    pub(super) body: Vec<u8>,
    pub(super) content_type: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Put(Put),
    Get(Place),
    Delete(Place),
}

/// The request of a dispatch.
pub(super) fn of(dispatch: &Dispatch<'_>, settings: &S3Settings) -> Result<Request, Invalid> {
    let keys = Keys::of(&dispatch.payload);
    match &*dispatch.action_type {
        "get_object" => named(keys.as_ref(), settings).map(Request::Get),
        "delete_object" => named(keys.as_ref(), settings).map(Request::Delete),
        _ => put(dispatch, keys.as_ref(), settings).map(Request::Put),
    }
}

fn put(dispatch: &Dispatch<'_>, keys: Option<&Keys<'_>>, settings: &S3Settings) -> Result<Put, Invalid> {
    let wrapped = |keys: &&Keys<'_>| keys.has("key") && (keys.has("body") || keys.has("body_base64"));
    let mut put = match keys.filter(wrapped) {
        Some(keys) => own(keys, settings)?,
        None => Put {
            place: Place {
                bucket: settings.bucket_name.clone(),
                key: prefixed(
                    settings,
                    &format!("{}/{}/{}.json", dispatch.namespace, dispatch.tenant, dispatch.dispatch_id),
                )?,
            },
            body: dispatch.payload.get().as_bytes().to_vec(),
            content_type: Some("application/json".to_owned()),
            metadata: BTreeMap::new(),
        },
    };
    put.metadata.insert(DISPATCH_ID.to_owned(), dispatch.dispatch_id.clone().into_owned());
    Ok(put)
}

/// A put whose payload says what to put.
fn own(keys: &Keys<'_>, settings: &S3Settings) -> Result<Put, Invalid> {
    let mut content_type = keys.text("content_type")?;
    let body = match (keys.raw("body"), keys.text("body_base64")?) {
        (Some(_), Some(_)) => return Err(Invalid::new("body_base64", "is given beside `body`; give one of them")),
        (None, text) => STANDARD
            .decode(text.unwrap_or_default())
            .map_err(|_| Invalid::new("body_base64", "is not base64 (the standard alphabet, with padding)"))?,
        (Some(body), None) => match keys.text("body") {
            Ok(text) => text.unwrap_or_default().into_bytes(),
            // JSON that is no string is put as it is.
            Err(_) => {
                content_type.get_or_insert_with(|| "application/json".to_owned());
                body.get().as_bytes().to_vec()
            }
        },
    };
    let metadata = keys.map("metadata")?.unwrap_or_default();
    let allowed = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let names = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !metadata.iter().all(|(name, value)| names(name) && allowed(value)) {
        let problem = "must have names of letters, digits, `-`, `_` and `.`, and values of visible ASCII characters";
        return Err(Invalid::new("metadata", problem));
    }
    if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_METADATA_BYTES {
        return Err(Invalid::new("metadata", format!("is longer than {MAX_METADATA_BYTES} bytes")));
    }
    if content_type.as_ref().is_some_and(|text| !allowed(text)) {
        return Err(Invalid::new("content_type", "has a character that HTTP does not allow"));
    }
    Ok(Put { place: named(Some(keys), settings)?, body, content_type, metadata })
}

/// The object that a payload names.
fn named(keys: Option<&Keys<'_>>, settings: &S3Settings) -> Result<Place, Invalid> {
    let missing = || Invalid::new("key", "is missing: it names the object");
    let keys = keys.ok_or_else(missing)?;
    let key = keys.text("key")?.filter(|key| !key.is_empty()).ok_or_else(missing)?;
    let bucket = match keys.text("bucket")? {
        Some(bucket) => check_bucket(&bucket).map(|()| bucket).map_err(|problem| Invalid::new("bucket", problem))?,
        None => settings.bucket_name.clone(),
    };
    Ok(Place { bucket, key: prefixed(settings, &key)? })
}

fn prefixed(settings: &S3Settings, key: &str) -> Result<String, Invalid> {
    let key = format!("{}{key}", settings.object_prefix.as_deref().unwrap_or_default());
    if key.len() > MAX_KEY_BYTES {
        return Err(Invalid::new("key", format!("is longer than {MAX_KEY_BYTES} bytes with its prefix")));
    }
    Ok(key)
}

/// Checks a bucket's name.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the key.
pub(super) fn check_bucket(text: &str) -> Result<(), String> {
    if text.starts_with("arn:") {
        return match Arn::parse(text, "s3")?.resource.strip_prefix("accesspoint") {
            Some(_) => Ok(()),
            None => Err("is not an access point's ARN; a bucket goes by its name".to_owned()),
        };
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let at_ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = || text.bytes();
    if !(3..=63).contains(&text.len()) || !bytes().all(allowed) || !at_ends(bytes().next()) || !at_ends(bytes().last())
    {
        return Err("must be a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens".to_owned());
    }
    Ok(())
}
