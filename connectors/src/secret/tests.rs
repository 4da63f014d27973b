#![allow(clippy::unwrap_used)]

use super::*;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn resolved(text: &str) -> Result<String, String> {
    let environment = |name: &str| match name {
        "TOKEN" => Some("hunter2".to_owned()),
        "EMPTY" => Some(String::new()),
        AUTH_KEY_VARIABLE => Some(KEY.to_owned()),
        _ => None,
    };
    resolve(text, &environment, &|path| Ok(format!("content of {path}")))
}

#[test]
fn each_form_is_resolved() {
    for (text, secret) in [
        ("hunter2", "hunter2"),
        ("", ""),
        ("env:TOKEN", "hunter2"),
        ("${TOKEN}", "hunter2"),
        ("Bearer ${TOKEN}!", "Bearer hunter2!"),
        ("${TOKEN}${TOKEN}", "hunter2hunter2"),
        ("a$${TOKEN}b", "a${TOKEN}b"),
        ("${TOKEN:-other}", "hunter2"),
        ("${MISSING:-http://localhost:4566}/0", "http://localhost:4566/0"),
        ("${EMPTY:-other}${MISSING:-}", "other"),
        ("$5 and {TOKEN}", "$5 and {TOKEN}"),
        ("file:/run/secrets/x", "content of /run/secrets/x"),
    ] {
        assert_eq!(resolved(text).as_deref(), Ok(secret), "{text}");
    }
    assert_eq!(resolved(&encrypt("hunter2", KEY).unwrap()).as_deref(), Ok("hunter2"));
}

#[test]
fn what_is_missing_is_named_without_the_secret() {
    let of_another_key = encrypt("hunter2", &"ab".repeat(32)).unwrap();
    for (text, problem) in [
        ("env:MISSING", "MISSING, which is not set"),
        ("env:EMPTY", "EMPTY, which is empty"),
        ("env:", "names the environment variable"),
        ("${A B:-x}", "names the environment variable"),
        ("${A B}", "names the environment variable"),
        ("hunter2 ${TOKEN", "`${` without `}`"),
        ("hunter2 ${MISSING}", "MISSING, which is not set"),
        ("ENC[AES256-GCM,hunter2]", "is not of the form"),
        ("ENC[AES128,data:,iv:,tag:]", "is not of the form"),
        ("ENC[AES256-GCM,data:AA==,iv:AA==,tag:AA==]", "is not of the form"),
        (&of_another_key, "is another key"),
    ] {
        let error = resolved(text).unwrap_err();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn a_file_is_read_without_its_line_break_and_to_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("good"), "hunter2\r\n").unwrap();
    std::fs::write(path("empty"), "\n").unwrap();
    std::fs::write(path("large"), "x".repeat(70_000)).unwrap();
    assert_eq!(read_file(&path("good")).as_deref(), Ok("hunter2"));
    for (name, problem) in [("empty", "is empty"), ("large", "more than"), ("absent", "can't be read")] {
        let error = read_file(&path(name)).unwrap_err();
        assert!(error.contains(problem) && error.contains(name), "{error}");
    }
}

#[test]
fn a_key_is_hexadecimal_or_base64_and_an_iv_is_never_used_twice() {
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert_ne!(encrypt("a", KEY), encrypt("a", base64));
    let text = encrypt("a", base64).unwrap();
    assert_eq!(cipher::decrypt(&text, Some(KEY)).as_deref(), Ok("a"));
    for key in ["", "abc", &KEY[2..], "AAEC"] {
        assert!(encrypt("a", key).unwrap_err().contains("openssl rand -hex 32"), "{key}");
    }
    assert!(cipher::decrypt(&text, None).unwrap_err().contains("ACTEON_AUTH_KEY is not set"));
}

#[test]
fn it_is_shown_nowhere() {
    let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(format!("{secret:?}"), "[REDACTED]");
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[REDACTED]\"");
    for text in ["12345", "-12345", "123.45", "true"] {
        let error = serde_json::from_str::<Secret>(text).unwrap_err().to_string();
        assert!(error.contains("must be a string") && !error.contains(text), "{error}");
    }
}
