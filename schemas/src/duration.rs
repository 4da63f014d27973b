//! Lengths of time as people write them: `30s`, `5m`.

/// Units of a length of time, each with its milliseconds.
pub const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads one number with its unit, in milliseconds; `None` for other text, for a unit that is not one of `units`, and for
/// what is too long. Without a unit it is in that of `bare`, where that is given.
#[must_use]
pub fn parse_duration(text: &str, units: &[&str], bare: Option<&str>) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = if unit.is_empty() { bare? } else { Some(unit).filter(|unit| units.contains(unit))? };
    let (_, millis) = DURATION_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(millis)
}

/// Reads several numbers with units behind each other, as in `1h30m`, in milliseconds; otherwise as [`parse_duration`].
#[must_use]
pub fn parse_durations(text: &str, units: &[&str]) -> Option<u64> {
    let (mut rest, mut total) = (text, 0_u64);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let length = rest.get(digits..)?.find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |unit| digits + unit);
        let (first, others) = rest.split_at_checked(length)?;
        total = total.checked_add(parse_duration(first, units, None)?)?;
        if others.is_empty() {
            return Some(total);
        }
        rest = others;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_unit_of_those_allowed() {
        let cases = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("2m", Some(120_000)),
            ("0s", Some(0)),
            ("7", Some(7_000)),
            ("1h", None),
            ("1d", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1s ", None),
            ("2ä", None),
            ("18446744073709551615m", None),
            ("18446744073709551616s", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_duration(text, &["ms", "s", "m"], Some("s")), ms, "{text}");
        }
        assert_eq!(parse_duration("1h", &["h"], None), Some(3_600_000));
        assert_eq!(parse_duration("1", &["h"], None), None);
    }

    #[test]
    fn several_add_up() {
        let all = ["ms", "s", "m", "h", "d"];
        let cases = [
            ("1h30m", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("1s1ms", Some(1_001)),
            ("", None),
            ("30", None),
            ("1h30", None),
            ("h1", None),
            ("30 s", None),
            ("9223372036854775807d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_durations(text, &all), ms, "{text}");
        }
    }
}
