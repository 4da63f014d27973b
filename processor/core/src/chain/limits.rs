//! How large chains may be.

/// Most steps of a chain, parallel ones included.
pub(super) const MAX_STEPS: usize = 100;
/// Longest name of a chain or a step, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 128;
/// Largest definition, in bytes of JSON.
pub(super) const MAX_DEFINITION_BYTES: usize = 256 * 1024;
/// Most chains below each other, the first one included.
pub(super) const MAX_DEPTH: u32 = 8;
/// Most parallel steps of one step.
pub(super) const MAX_PARALLEL: usize = 32;
/// Most calls of a step after the first.
pub(super) const MAX_RETRIES: u32 = 10;
/// Longest pause between two calls of a step, in milliseconds (24 hours).
pub(super) const MAX_BACKOFF_MS: u64 = 24 * 3600 * 1000;
/// Longest delay, timer or timeout, in seconds (366 days).
pub(super) const MAX_WAIT_SECONDS: u64 = 366 * 24 * 3600;
/// Most times that one chain comes to one step.
pub(super) const MAX_VISITS: u32 = 100;
/// Most entries of an execution path.
pub(super) const MAX_PATH: usize = 1_000;
/// Largest body that is kept of a step's response, in bytes of JSON.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;
/// Largest payload of a step's call, in bytes of JSON.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;
/// Most signals that a chain keeps which no step has waited for yet.
pub(super) const MAX_SIGNALS: usize = 16;
/// Largest payload of a signal, in bytes of JSON.
pub(super) const MAX_SIGNAL_BYTES: usize = 16 * 1024;
/// Longest text that is kept of a step's error, in bytes.
pub(super) const MAX_ERROR_BYTES: usize = 1024;
/// Longest text that is kept of an attempt's error, in bytes.
pub(super) const MAX_ATTEMPT_ERROR_BYTES: usize = 256;
/// Most moves that chains of one family make in one turn; they go on in the next one.
pub(super) const MAX_MOVES: u32 = 64;
/// Most bytes of response bodies in the answer to one `show_chain`.
pub(super) const MAX_SHOWN_BYTES: usize = 512 * 1024;

/// Cuts a text to so many bytes, between characters.
pub(super) fn cut(text: &str, max: usize) -> String {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
