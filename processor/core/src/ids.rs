use acteon_schemas::Coordinates;
use std::fmt::Write as _;
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
    // Writing to a string can't fail.
    let _ = write!(text, "{origin}");
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

/// The id of an input's audit record, from its identity.
pub(crate) fn audit_id(identity: &Uuid) -> String {
    identity.to_string()
}

/// The id of an input's dispatch, from its identity: the idempotency key at the provider.
pub(crate) fn dispatch_id(identity: &Uuid) -> String {
    Uuid::new_v5(identity, b"dispatch").to_string()
}

/// An id made from another one and what sets it apart from others made from that.
pub(crate) fn derived(identity: &Uuid, what: &str) -> Uuid {
    Uuid::new_v5(identity, what.as_bytes())
}

/// A 128-bit digest.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 16] {
    *Uuid::new_v5(&NAMESPACE, bytes).as_bytes()
}
