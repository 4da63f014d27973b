//! Results in the XML that build servers read.

use std::fmt::Write as _;

/// One scenario's result.
#[derive(Debug, Clone)]
pub struct Case {
    /// The scenario's name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// What was not as expected; `None`: it holds.
    pub failure: Option<String>,
}

/// The JUnit XML of a run. A file that could not be read is a case that failed.
#[must_use]
pub fn junit(cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\"", cases.len());
    // Writing to a string can't fail.
    let _ = writeln!(out, "<testsuites {counts}>\n  <testsuite name=\"acteon rules test\" {counts}>");
    for case in cases {
        let (name, file) = (escape(&case.name), escape(&case.file));
        let _ = write!(
            out,
            "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" time=\"{:.3}\"",
            case.seconds
        );
        let _ = match &case.failure {
            None => writeln!(out, "/>"),
            Some(text) => {
                let first = escape(text.lines().next().unwrap_or_default());
                writeln!(out, ">\n      <failure message=\"{first}\">{}</failure>\n    </testcase>", escape(text))
            }
        };
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Text as XML holds it. Characters that XML can't hold are replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_escaped_and_counted() {
        let case = |name: &str, failure: Option<&str>| Case {
            name: name.to_owned(),
            file: "t/a.yaml".to_owned(),
            seconds: 0.5,
            failure: failure.map(str::to_owned),
        };
        let xml = junit(&[case("a < \"b\" & c", None), case("d", Some("t/a.yaml:3:1: no\n  wanted <x>\u{1b}"))]);
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"2\" failures=\"1\" errors=\"0\" time=\"1.000\">\n\
             \x20 <testsuite name=\"acteon rules test\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"1.000\">\n\
             \x20   <testcase name=\"a &lt; &quot;b&quot; &amp; c\" classname=\"t/a.yaml\" file=\"t/a.yaml\" time=\"0.500\"/>\n\
             \x20   <testcase name=\"d\" classname=\"t/a.yaml\" file=\"t/a.yaml\" time=\"0.500\">\n\
             \x20     <failure message=\"t/a.yaml:3:1: no\">t/a.yaml:3:1: no\n  wanted &lt;x&gt;\u{fffd}</failure>\n\
             \x20   </testcase>\n\
             \x20 </testsuite>\n\
             </testsuites>\n"
        );
    }
}
