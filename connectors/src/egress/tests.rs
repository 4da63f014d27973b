#![allow(clippy::unwrap_used)]

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_is_not_public_is_refused_in_every_form() {
    let cases = [
        ("127.0.0.1", "loopback"),
        ("127.255.0.3", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("169.254.1.1", "link-local"),
        ("100.64.0.1", "CGNAT"),
        ("100.127.255.255", "CGNAT"),
        ("192.0.0.8", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "benchmarks"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fd00:ec2::254", "metadata"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("2001::1", "reserved"),
        ("64:ff9b:1::a00:1", "reserved"),
        ("100::1", "reserved"),
        // An IPv4 address in the clothes of an IPv6 one.
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:0:10.0.0.1", "private"),
        ("::10.0.0.1", "private"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:a00:1::1", "private"),
        ("2002:7f00:1::", "loopback"),
    ];
    let policy = EgressPolicy::default();
    for (address, kind) in cases {
        let refused = policy.refusal(ip(address)).map(|refused| refused.to_string()).unwrap_or_default();
        assert!(refused.contains(kind) && refused.contains("[egress] allow"), "{address}: {refused:?}");
    }
}

#[test]
fn public_addresses_pass() {
    let policy = EgressPolicy::default();
    for address in [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ] {
        assert_eq!(policy.refusal(ip(address)), None, "{address}");
    }
}

#[test]
fn what_the_configuration_allows_passes_and_its_neighbours_do_not() {
    let policy = EgressPolicy::allowing(["loopback", "10.1.0.0/16", "192.168.0.7", "fd00::/8"]).unwrap();
    for address in ["127.0.0.1", "::1", "10.1.255.1", "192.168.0.7", "fd12::1", "::ffff:10.1.0.1", "64:ff9b::a01:1"] {
        assert_eq!(policy.refusal(ip(address)), None, "{address}");
    }
    for address in ["10.2.0.1", "192.168.0.8", "fc00::1", "169.254.169.254", "0.0.0.0"] {
        assert!(policy.refusal(ip(address)).is_some(), "{address}");
    }
    let all = EgressPolicy::allowing(["0.0.0.0/0", "::/0"]).unwrap();
    assert_eq!((all.refusal(ip("169.254.169.254")), all.refusal(ip("::1"))), (None, None));
    let private = EgressPolicy::allowing(["private"]).unwrap();
    assert!(private.refusal(ip("127.0.0.1")).is_some() && private.refusal(ip("172.20.0.1")).is_none());
    assert!(EgressPolicy::default().with_loopback().refusal(ip("127.0.0.1")).is_none());
}

#[test]
fn a_bad_entry_is_named() {
    for entry in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/"] {
        let error = EgressPolicy::allowing([entry]).unwrap_err().to_string();
        assert!(error.contains("`egress.allow`") && error.contains(&format!("{entry:?}")), "{error}");
    }
    assert!(EgressPolicy::allowing(vec!["10.0.0.1"; 300]).unwrap_err().to_string().contains("the limit is 256"));
}

#[test]
fn of_a_name_s_addresses_those_that_may_be_reached_are_kept() {
    let policy = EgressPolicy::default();
    let (public, private) = (ip("8.8.8.8"), ip("10.0.0.1"));
    assert_eq!(policy.admit(vec![private, public]), Ok(vec![public]));
    assert!(policy.admit(vec![private, ip("::1")]).is_err());
    assert_eq!(policy.admit(Vec::new()), Ok(Vec::new()), "a name without addresses is not refused but unknown");
}

#[test]
fn an_address_in_a_url_is_checked_in_every_notation() {
    let policy = EgressPolicy::default();
    let check = |url: &str| policy.check_literal(&Url::parse(url).unwrap());
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://[::ffff:7f00:1]/",
        "http://user@169.254.169.254/latest/meta-data",
        "http://0/",
    ] {
        assert!(check(url).is_err(), "{url}");
    }
    for url in ["http://8.8.8.8/", "http://example.com/", "http://localhost/"] {
        assert!(check(url).is_ok(), "{url}: names are checked when they are resolved");
    }
}
