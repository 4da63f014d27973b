use super::Told;
use acteon_schemas::{Outcome, RetryAfter};
use serde_json::{Value, json};

/// What stands for links that only those asked to decide may have.
const REDACTED: &str = "[redacted]";

/// What became of an action, in the shape of the HTTP API: one key an object. Provider's answers are emptied.
pub(super) fn shown(told: &Told<'_>) -> Value {
    let answer = || json!({"status": told.text("status").unwrap_or("success"), "body": null, "headers": {}});
    let (variant, fields) = match told.record.outcome {
        Outcome::Deduplicated => return json!("Deduplicated"),
        Outcome::Executed => ("Executed", answer()),
        Outcome::Rerouted => {
            let mut fields = told.pick(&["original_provider", "new_provider"]);
            fields["response"] = answer();
            ("Rerouted", fields)
        }
        Outcome::Suppressed => ("Suppressed", told.pick(&["rule"])),
        Outcome::Throttled => {
            let wait = told.details.get("retry_after_ms").and_then(Value::as_u64).unwrap_or_default();
            ("Throttled", json!({"retry_after": RetryAfter::from_millis(wait)}))
        }
        Outcome::Failed => ("Failed", told.pick(&["code", "message", "retryable", "attempts"])),
        Outcome::RetryScheduled => ("RetryScheduled", told.pick(&["code", "message", "attempts", "retry", "retry_at"])),
        Outcome::CircuitOpen => ("CircuitOpen", told.pick(&["provider", "fallback_chain"])),
        Outcome::Grouped => ("Grouped", told.pick(&["group_id", "group_size", "notify_at"])),
        Outcome::Scheduled => ("Scheduled", told.pick(&["action_id", "scheduled_for"])),
        Outcome::PendingApproval => {
            let mut fields = told.pick(&["approval_id", "expires_at", "notification_sent"]);
            fields["approve_url"] = json!(REDACTED);
            fields["reject_url"] = json!(REDACTED);
            ("PendingApproval", fields)
        }
        Outcome::ChainStarted => ("ChainStarted", told.pick(&["chain_id", "chain_name", "total_steps", "first_step"])),
        Outcome::StateChanged => ("StateChanged", told.pick(&["fingerprint", "previous_state", "new_state", "notify"])),
        Outcome::QuotaExceeded => ("QuotaExceeded", told.pick(&["tenant", "limit", "used", "overage_behavior"])),
        Outcome::Silenced => ("Silenced", told.pick(&["silence_id", "matched_rule"])),
        Outcome::Muted => ("Muted", told.pick(&["interval", "reason", "matched_rule"])),
        Outcome::Cancelled => {
            let reason = told.text("reason").or_else(|| told.text("decided_by"));
            ("Cancelled", json!({"reason": reason.unwrap_or("cancelled")}))
        }
        // Others are no outcomes of an action: they have events of their own.
        other => (other.as_str(), json!({})),
    };
    json!({ variant: fields })
}
