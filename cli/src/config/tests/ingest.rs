use super::*;

/// An intake that is good, with more lines.
fn intake(more: &str) -> String {
    let common = "namespace = \"ci\"\ntenant = \"{{/org}}\"\nprovider = \"log\"\naction_type = \"build\"\n";
    format!("[[ingest]]\nname = \"github\"\n{common}{more}")
}

#[test]
fn intakes_and_alerts_are_read_and_shown_without_their_secrets() {
    let text = intake(
        "items = \"/events\"\npayload = \"/object\"\nid = \"{{/id}}\"\ndedup_key = \"{{/key}}\"\nstatus = \"{{/status}}\"\n\
         fingerprint = \"{{/order}}\"\nstarts_at = \"{{/since}}\"\nends_at = \"{{/until}}\"\n\
         labels = { event = \"{{header.x-github-event}}\" }\n\
         signature = { scheme = \"hmac-sha256\", secret = \"hush-hush\", header = \"X-Sign\", prefix = \"v1=\", encoding = \"base64\" }\n\
         [alertmanager]\ntenant = \"{{/labels/team|ops}}\"\nprovider = \"log\"\n\
         [alertmanager.signature]\nscheme = \"token\"\nsecret = \"hush-hush\"\n",
    );
    let config = good(&text);
    assert!(config.ingest.intakes.by_name.contains_key("github") && config.ingest.intakes.alerts.is_some());
    let shown = shown(&config);
    assert_eq!(shown["ingest"][0]["labels"]["event"], "{{header.x-github-event}}");
    assert_eq!(shown["ingest"][0]["signature"]["scheme"], "hmac-sha256");
    assert_eq!(shown["alertmanager"]["tenant"], "{{/labels/team|ops}}");
    assert!(!shown.to_string().contains("hush") && !format!("{config:?}").contains("hush"));
    assert!(good("").ingest.intakes.alerts.is_none());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let twice = intake("") + &intake("");
    let cases = [
        (intake("tenent = \"x\""), "unknown key `tenent` in [[ingest]] (did you mean `tenant`?)"),
        (
            intake("signature = { shceme = \"github\" }"),
            "unknown key `shceme` in [ingest.signature] (did you mean `scheme`?)",
        ),
        (
            "[alertmanager]\ntennant = \"t\"".to_owned(),
            "unknown key `tennant` in [alertmanager] (did you mean `tenant`?)",
        ),
        (intake("id = \"{{id}}\""), "acteon.toml:7:6: error: `ingest[0].id` has the place \"id\""),
        (intake("items = \"events\""), "acteon.toml:7:9: error: `ingest[0].items` is \"events\""),
        (intake("labels = { a = \"{{\" }"), "`ingest[0].labels.a` has `{{` without `}}`"),
        (intake("signature = { scheme = \"github\" }"), "`ingest[0].signature.secret` is missing"),
        (intake("signature = { secret = \"x\" }"), "`ingest[0].signature.scheme` is missing"),
        (intake("signature = { scheme = \"gitlab\", secret = \"x\" }"), "unknown variant `gitlab`"),
        (
            intake("signature = { scheme = \"github\", secret = \"env:ACTEON_NO_SUCH\" }"),
            "variable ACTEON_NO_SUCH, which is not set",
        ),
        (
            intake("signature = { scheme = \"token\", secret = \"x\", encoding = \"hex\" }"),
            "`ingest[0].signature.encoding` is a key of",
        ),
        (
            intake("signature = { scheme = \"slack\", secret = \"x\", tolerance_seconds = 0 }"),
            "tolerance_seconds` is 0",
        ),
        (twice, "`ingest[1].name` is \"github\", as in an [[ingest]] before it"),
        ("[[ingest]]\nname = \"x\"".to_owned(), "`ingest[0].namespace` is missing"),
        ("[alertmanager]\nprovider = \"log\"".to_owned(), "`alertmanager.tenant` is missing"),
    ];
    for (text, part) in cases {
        let problems = parse_text(&text).unwrap_err().join("\n");
        assert!(problems.contains(part), "{text}\n{problems}");
    }
}
