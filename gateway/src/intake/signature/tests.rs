#![allow(clippy::unwrap_used)]

use super::*;

/// 2026-03-02T10:00:00Z.
const NOW: i64 = 1_772_445_600_000;
const SECRET: &str = "It's a secret";
const BODY: &str = r#"{"type":"ping"}"#;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_str(name).unwrap(), value.parse().unwrap())).collect()
}

fn check(signature: &Signature, lines: &[(&str, &str)], body: &str, now: i64) -> Result<(), String> {
    signature.check(&headers(lines), body.as_bytes(), now).map_err(|error| error.to_string())
}

/// Signatures that OpenSSL and Python made.
const GITHUB: &str = "sha256=4923edabfd6b882df82a39db8157005f6667ff3f4f3d1a1f385e822fd33728b9";
const STRIPE: &str = "c4c691158050d3cc40984534b8b7a74df095786c73e82fa38f99bcbde31bc2e8";
const SLACK: &str = "v0=399b76765341d653e1b0ccb61d93695c5153adba37b3c53fcb403987a80a9ad9";
const BASE64: &str = "SSPtq/1riC34KjnbgVcAX2Zn/z9PPRofOF6CL9M3KLk=";

#[test]
fn github_s_published_example_is_good() {
    let github = Signature::new(Scheme::Github, "It's a Secret to Everybody").unwrap();
    let given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    check(&github, &[("X-Hub-Signature-256", given)], "Hello, World!", NOW).unwrap();
}

#[test]
fn the_published_example_of_standard_webhooks_is_good() {
    let standard = Signature::new(Scheme::StandardWebhooks, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let lines = |signature| {
        [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ]
    };
    let (body, now) = (r#"{"test": 2432232314}"#, 1_614_265_330_000);
    check(&standard, &lines("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), body, now).unwrap();
    // Of several, one must be good.
    let several = "v1a,x v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    check(&standard, &lines(several), body, now + 299_000).unwrap();
    check(&standard, &lines(several), body, now + 301_000).unwrap_err();
    check(&standard, &lines("v1,AAAA"), body, now).unwrap_err();
}

#[test]
fn each_scheme_takes_its_own_signature_and_no_other() {
    let stripe_both = format!("t=1772445600,v1={},v1={STRIPE}", "0".repeat(64));
    let stripe_wrong = format!("t=1772445601,v1={STRIPE}");
    let own = |scheme| Signature::new(scheme, SECRET).unwrap();
    let hmac = |prefix| own(Scheme::HmacSha256).with_header(Some("X-Sign"), prefix).unwrap();
    let base64 = hmac(None).with_encoding(Encoding::Base64).unwrap();
    let slack = |signature| [("x-slack-request-timestamp", "1772445600"), ("x-slack-signature", signature)];
    let wrong = "the signature is not good for this body and secret";
    let cases = [
        (own(Scheme::Github), vec![("x-hub-signature-256", GITHUB)], None),
        (own(Scheme::Github), vec![("x-hub-signature-256", &GITHUB[7..])], Some(wrong)),
        (own(Scheme::Github), vec![("x-hub-signature-256", "sha256=zz")], Some(wrong)),
        (own(Scheme::Github), vec![("x-hub-signature-256", "sha256=4")], Some(wrong)),
        (own(Scheme::Github), vec![], Some("the request has no x-hub-signature-256: it must be signed")),
        (own(Scheme::Stripe), vec![("Stripe-Signature", &stripe_both)], None),
        (own(Scheme::Stripe), vec![("Stripe-Signature", &stripe_wrong)], Some(wrong)),
        (own(Scheme::Stripe), vec![("Stripe-Signature", "v1=00")], Some(wrong)),
        (own(Scheme::Slack), slack(SLACK).to_vec(), None),
        (own(Scheme::Slack), slack(&SLACK[3..]).to_vec(), Some(wrong)),
        (hmac(None), vec![("x-sign", &GITHUB[7..])], None),
        (hmac(Some("sha256=")), vec![("x-sign", GITHUB)], None),
        (hmac(Some("sha256=")), vec![("x-sign", &GITHUB[7..])], Some(wrong)),
        (base64.clone(), vec![("x-sign", BASE64)], None),
        (base64, vec![("x-sign", &GITHUB[7..])], Some(wrong)),
        (own(Scheme::Token), vec![("authorization", "Bearer It's a secret")], None),
        (own(Scheme::Token), vec![("authorization", "Bearer It's a secreT")], Some(wrong)),
        (own(Scheme::Token), vec![("authorization", "It's a secret")], Some(wrong)),
        (own(Scheme::Token).with_header(Some("X-Gitlab-Token"), None).unwrap(), vec![("x-gitlab-token", SECRET)], None),
    ];
    for (signature, lines, expected) in cases {
        assert_eq!(check(&signature, &lines, BODY, NOW).err().as_deref(), expected, "{signature:?} {lines:?}");
        let changed = check(&signature, &lines, r#"{"type":"pinG"}"#, NOW);
        assert!(changed.is_err() || signature.scheme == Scheme::Token, "{signature:?}");
    }
}

#[test]
fn a_request_of_another_time_is_stale() {
    let slack = Signature::new(Scheme::Slack, SECRET).unwrap().with_tolerance(Duration::from_secs(10)).unwrap();
    let lines = [("x-slack-request-timestamp", "1772445600"), ("x-slack-signature", SLACK)];
    for (apart, good) in [(10_999, true), (11_000, false), (-10_000, true), (-10_001, false)] {
        assert_eq!(check(&slack, &lines, BODY, NOW + apart).is_ok(), good, "{apart}");
    }
    let error = check(&slack, &lines, BODY, NOW + 60_000).unwrap_err();
    assert_eq!(error, "the request was signed more than 10 s before or after this gateway's time");
    let never = [("x-slack-request-timestamp", "9223372036854775807"), ("x-slack-signature", SLACK)];
    check(&slack, &never, BODY, NOW).unwrap_err();
}

#[test]
fn bad_settings_are_refused_and_no_secret_shows() {
    let own = |scheme| Signature::new(scheme, SECRET).unwrap();
    let cases = [
        (Signature::new(Scheme::Github, ""), "`signature.secret` is empty"),
        (Signature::new(Scheme::StandardWebhooks, "whsec_?"), "`signature.secret` must be base64"),
        (own(Scheme::Github).with_header(Some("x"), None), "`signature.header` is a key of the schemes hmac-sha256"),
        (own(Scheme::Stripe).with_header(None, Some("x")), "`signature.prefix` is a key of the schemes"),
        (own(Scheme::HmacSha256).with_header(None, None), "`signature.header` is missing"),
        (own(Scheme::Token).with_header(Some("a b"), None), "`signature.header` is \"a b\""),
        (own(Scheme::Token).with_encoding(Encoding::Hex), "`signature.encoding` is a key of the scheme hmac-sha256"),
        (own(Scheme::Token).with_tolerance(Duration::from_secs(9)), "`signature.tolerance_seconds` is a key of"),
        (own(Scheme::Slack).with_tolerance(Duration::ZERO), "`signature.tolerance_seconds` is 0; it may be 1 to 86400"),
    ];
    for (made, expected) in cases {
        let error = made.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(format!("{:?}", own(Scheme::Github)), "Signature { scheme: Github, .. }");
}
