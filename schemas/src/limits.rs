use crate::error::{DecodeError, DecodeErrorKind};

/// Largest value of a record, in bytes (1 MiB, Kafka's default `max.message.bytes`).
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Largest value of a record or an entry of the state that is made from another record, in bytes: a record at its limit,
/// with room for what a decision adds. The topology gives the topics that processors write a larger `max.message.bytes`.
pub const MAX_DERIVED_BYTES: usize = MAX_RECORD_BYTES + 512 * 1024;
/// Largest value of a record of the results topic, in bytes: a failed dispatch of the largest size is in it as it was.
pub const MAX_RESULT_BYTES: usize = MAX_DERIVED_BYTES + 256 * 1024;
/// Deepest nesting of objects and arrays in a record.
pub const MAX_DEPTH: usize = 64;
/// Deepest nesting in a result: it may hold the dispatch.
pub const MAX_RESULT_DEPTH: usize = MAX_DEPTH + 1;
/// Longest namespace, tenant, provider, action type or id, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest `dedup_key`, in bytes.
pub const MAX_DEDUP_KEY_BYTES: usize = 1024;

/// Refuses a value over [`MAX_RECORD_BYTES`] and an empty one.
///
/// # Errors
/// [`DecodeErrorKind::TooLarge`] or [`DecodeErrorKind::Empty`].
pub fn check_size(value: &[u8]) -> Result<(), DecodeError> {
    check_size_of(value, MAX_RECORD_BYTES)
}

/// Refuses a value over `limit` bytes and an empty one.
///
/// # Errors
/// [`DecodeErrorKind::TooLarge`] or [`DecodeErrorKind::Empty`].
pub fn check_size_of(value: &[u8], limit: usize) -> Result<(), DecodeError> {
    if value.is_empty() {
        return Err(DecodeErrorKind::Empty.into());
    }
    if value.len() > limit {
        return Err(DecodeErrorKind::TooLarge { bytes: value.len(), limit }.into());
    }
    Ok(())
}

/// Refuses JSON text nested deeper than [`MAX_DEPTH`], before a parser recurses into it.
///
/// # Errors
/// [`DecodeErrorKind::TooDeep`].
pub fn check_depth(json: &[u8]) -> Result<(), DecodeError> {
    check_depth_of(json, MAX_DEPTH)
}

/// Refuses JSON text nested deeper than `limit`, before a parser recurses into it.
///
/// # Errors
/// [`DecodeErrorKind::TooDeep`].
pub fn check_depth_of(json: &[u8], limit: usize) -> Result<(), DecodeError> {
    // Nearly every record has fewer brackets in all than the limit: counting them is cheaper than following strings.
    let brackets: usize = json.chunks(255).map(count_brackets).sum();
    if brackets <= limit {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return Err(DecodeErrorKind::TooDeep { depth, limit }.into());
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Opening brackets in at most 255 bytes; counted in a byte, so that the compiler can count many at once.
fn count_brackets(chunk: &[u8]) -> usize {
    usize::from(chunk.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from(byte | 0x20 == b'{'))))
}

/// Refuses a name that is empty or over `max` bytes.
///
/// # Errors
/// [`DecodeErrorKind::Field`] with the field's name.
pub fn check_name(field: &'static str, value: &str, max: usize) -> Result<(), DecodeError> {
    let problem = if value.is_empty() {
        "must not be empty".to_owned()
    } else if value.len() > max {
        format!("has {} bytes; the limit is {max}", value.len())
    } else {
        return Ok(());
    };
    Err(DecodeErrorKind::Field { field, problem }.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(check_depth(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(check_depth(deep(MAX_DEPTH + 1).as_bytes()).is_err());
        let text = format!("\"\\\"{}\"", "[".repeat(500));
        assert!(check_depth(text.as_bytes()).is_ok());
        let wide = format!("[{}]", vec!["[]"; 500].join(","));
        assert!(check_depth(wide.as_bytes()).is_ok());
    }

    #[test]
    fn size_has_both_ends() {
        assert_eq!(check_size(b"").unwrap_err().kind.code(), "EMPTY");
        assert!(check_size(&vec![b' '; MAX_RECORD_BYTES]).is_ok());
        assert_eq!(check_size(&vec![b' '; MAX_RECORD_BYTES + 1]).unwrap_err().kind.code(), "TOO_LARGE");
    }
}
