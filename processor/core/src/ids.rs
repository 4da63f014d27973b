use acteon_schemas::Coordinates;
use uuid::Uuid;

/// The UUIDv5 namespace of all ids that the processor makes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_8f2e_5b0a_4c6b_9a52_ac7e_0c0d_e001);

/// The id of an action that came without one: the same whenever the same record is read.
pub(crate) fn action_id(origin: &Coordinates<'_>) -> String {
    Uuid::new_v5(&NAMESPACE, format!("action/{origin}").as_bytes()).to_string()
}

/// What an input is to the world: the base of its audit and dispatch ids. The coordinates keep two records with one
/// action id apart; the action id keeps a recreated topic's records apart from the old ones.
pub(crate) fn identity(namespace: &str, tenant: &str, action_id: &str, origin: &Coordinates<'_>) -> Uuid {
    let mut text = String::with_capacity(160);
    for part in [namespace, tenant, action_id] {
        text.push_str(part);
        text.push('\n');
    }
    // The coordinates' text form, put together by hand: each action has one, and formatting costs as much as a rule.
    for part in [&origin.topic, "/", &origin.partition.to_string(), "/", &origin.offset.to_string()] {
        text.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

/// The id of an input's audit record, from its identity.
pub(crate) fn audit_id(identity: &Uuid) -> String {
    hyphenated(identity)
}

/// The id of an input's dispatch, from its identity: the idempotency key at the provider.
pub(crate) fn dispatch_id(identity: &Uuid) -> String {
    hyphenated(&Uuid::new_v5(identity, b"dispatch"))
}

/// The id as text, without the formatting machinery: each action has one or two.
fn hyphenated(id: &Uuid) -> String {
    id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// An id made from another one and what sets it apart from others made from that.
pub(crate) fn derived(identity: &Uuid, what: &str) -> Uuid {
    Uuid::new_v5(identity, what.as_bytes())
}

/// The id of the report of what came of a dispatch.
pub(crate) fn report_id(dispatch_id: &str, provider: &str, retry: u32) -> String {
    Uuid::new_v5(&NAMESPACE, format!("report/{dispatch_id}\n{provider}\n{retry}").as_bytes()).to_string()
}

/// A 128-bit digest.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 16] {
    *Uuid::new_v5(&NAMESPACE, bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_of_the_parts_in_their_text_form() {
        for (partition, offset) in [(0, 0), (i32::MAX, i64::MAX), (7, 1_234_567)] {
            let origin = Coordinates { topic: "acteon.actions".into(), partition, offset };
            let found = identity("n", "t", "id", &origin);
            assert_eq!(found, Uuid::new_v5(&NAMESPACE, format!("n\nt\nid\n{origin}").as_bytes()));
            assert_eq!(audit_id(&found), found.to_string());
            assert_eq!(dispatch_id(&found), derived(&found, "dispatch").to_string());
        }
    }
}
