use acteon_schemas::{DURATION_UNITS, parse_durations};

/// Longest time that one step may pass, in milliseconds (ten years).
pub(crate) const MAX_ADVANCE_MS: i64 = 3_650 * 86_400_000;

/// Reads a duration such as `30s` or `1h30m`, in milliseconds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let total = parse_durations(text.trim(), &DURATION_UNITS.map(|(name, _)| name));
    let Some(total) = total.and_then(|total| i64::try_from(total).ok()) else {
        return Err(format!("`{text}` is no duration: write it as in 30s, 5m, 1h30m or 2d"));
    };
    if total > MAX_ADVANCE_MS {
        return Err(format!("`{text}` is too long: one step may pass {} days", MAX_ADVANCE_MS / 86_400_000));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in [("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("250ms", 250), ("0s", 0)] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
        for bad in ["", "30", "s", "30 s", "30x", "-5s", "1.5h", "99999999999999999999s", "9223372036854775807d"] {
            assert!(parse(bad).is_err_and(|error| error.contains("is no duration")), "{bad}");
        }
        assert!(parse("3651d").is_err_and(|error| error.contains("too long")));
    }
}
