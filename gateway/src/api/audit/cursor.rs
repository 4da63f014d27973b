use crate::view::audit::{AuditFilter, Position};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The first byte of a token: what comes after it, and how, may change with it.
const VERSION: u8 = 1;
/// Bytes of a token before they are made text.
const BYTES: usize = 1 + 8 + 8 + 4 + 8;

/// What a client sends to get the page behind a position; it is good for the question that it came from alone.
pub(super) fn encode(position: Position, filter: &AuditFilter) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(VERSION);
    bytes.extend(position.dispatched_at.to_be_bytes());
    bytes.extend(position.log_offset.to_be_bytes());
    bytes.extend(position.log_partition.to_be_bytes());
    bytes.extend(digest(filter).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Why a token is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadCursor {
    #[error("`cursor` is not one that this API gave out")]
    Unreadable,
    #[error("`cursor` belongs to another question: send the filters that it came with, or leave it out")]
    OtherQuestion,
}

pub(super) fn decode(token: &str, filter: &AuditFilter) -> Result<Position, BadCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadCursor::Unreadable)?;
    let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| BadCursor::Unreadable)?;
    let (version, rest) = bytes.split_first().ok_or(BadCursor::Unreadable)?;
    if *version != VERSION {
        return Err(BadCursor::Unreadable);
    }
    let mut rest = rest.iter().copied();
    let position = Position {
        dispatched_at: i64::from_be_bytes(take(&mut rest)),
        log_offset: i64::from_be_bytes(take(&mut rest)),
        log_partition: i32::from_be_bytes(take(&mut rest)),
    };
    if u64::from_be_bytes(take(&mut rest)) != digest(filter) {
        return Err(BadCursor::OtherQuestion);
    }
    Ok(position)
}

fn take<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> [u8; N] {
    std::array::from_fn(|_| bytes.next().unwrap_or(0))
}

/// Tells two filters apart. Tokens outlive a process and go from one gateway to another, so it must not change (FNV-1a).
fn digest(filter: &AuditFilter) -> u64 {
    let AuditFilter {
        namespace,
        tenant,
        provider,
        action_type,
        outcome,
        verdict,
        matched_rule,
        chain_id,
        caller_id,
        signer_id,
        kid,
        from,
        to,
    } = filter;
    let texts =
        [namespace, tenant, provider, action_type, outcome, verdict, matched_rule, chain_id, caller_id, signer_id, kid];
    let texts = texts.into_iter().map(|text| text.as_deref().unwrap_or_default().to_owned());
    let times = [from, to].into_iter().map(|time| time.map(|time| time.to_string()).unwrap_or_default());
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts.chain(times) {
        // No text holds the byte that ends it.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position { dispatched_at: 1_768_469_400_123, log_offset: i64::MAX, log_partition: -1 }
    }

    #[test]
    fn a_token_is_good_for_its_own_question_alone() {
        let some = |text: &str| Some(text.to_owned());
        let filters = [
            AuditFilter::default(),
            AuditFilter { namespace: some("a"), ..AuditFilter::default() },
            AuditFilter { tenant: some("a"), ..AuditFilter::default() },
            AuditFilter { namespace: some("a"), tenant: some("b"), ..AuditFilter::default() },
            AuditFilter { namespace: some("ab"), ..AuditFilter::default() },
            AuditFilter { kid: some("a"), ..AuditFilter::default() },
            AuditFilter { from: Some(1), ..AuditFilter::default() },
            AuditFilter { to: Some(1), ..AuditFilter::default() },
        ];
        for one in &filters {
            for other in &filters {
                let expected = if one == other { Ok(position()) } else { Err(BadCursor::OtherQuestion) };
                assert_eq!(decode(&encode(position(), one), other), expected, "{one:?} as {other:?}");
            }
        }
    }

    #[test]
    fn other_text_is_no_token() {
        let filter = AuditFilter::default();
        let token = encode(position(), &filter);
        let other_version = URL_SAFE_NO_PAD.encode([2; BYTES]);
        for text in ["", "x", "%%%", &token[1..], &format!("{token}AAAA"), &other_version, "eyJhIjoxfQ"] {
            assert_eq!(decode(text, &filter), Err(BadCursor::Unreadable), "{text}");
        }
        assert_eq!(token, "AQAAAZvA_Yo7f_______________k6fMUQxTXGI", "tokens outlive a version of the program");
    }
}
