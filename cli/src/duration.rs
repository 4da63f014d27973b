use acteon_schemas::parse_duration;
use std::time::Duration;

/// Longest duration that a flag takes.
const MAX: Duration = Duration::from_secs(24 * 3600);

/// Parses `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let millis = parse_duration(text, &["ms", "s", "m", "h"], Some("s"));
    let millis = millis.ok_or_else(|| "use a number with ms, s, m or h, as in 500ms or 30s".to_owned())?;
    let duration = Duration::from_millis(millis);
    if duration > MAX {
        return Err("at most 24h".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_limits() {
        let cases: [(&str, Option<u64>); 9] = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("30", Some(30_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("25h", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text).ok(), ms.map(Duration::from_millis), "{text}");
        }
    }
}
