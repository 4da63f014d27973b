/// Longest time that one step may pass, in milliseconds (ten years).
pub(crate) const MAX_ADVANCE_MS: i64 = 3_650 * 86_400_000;

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration such as `30s` or `1h30m`, in milliseconds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no duration: write it as in 30s, 5m, 1h30m or 2d");
    let (mut rest, mut total) = (text.trim(), 0_i64);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: i64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(bad)?;
        total = number.checked_mul(*unit).and_then(|ms| total.checked_add(ms)).ok_or_else(bad)?;
        rest = &rest[letters..];
    }
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
