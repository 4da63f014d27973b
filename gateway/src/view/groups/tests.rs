#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::value::to_raw_value;

fn groups(count: u8) -> Groups {
    let mut groups = Groups::default();
    for number in 0..count {
        let text = |what: &str| format!("{what}{number}");
        let (namespace, tenant) = ("n".to_owned(), format!("t{}", number % 2));
        let group_key = if number < 2 { "same".to_owned() } else { text("key") };
        let shown = to_raw_value(&number).unwrap();
        let group = GroupSummary { namespace, tenant, group_id: text("id"), group_key, shown };
        groups.groups.insert(vec![Store::Group as u8, number], group);
    }
    groups
}

#[test]
fn a_list_comes_in_parts() {
    let groups = groups(7);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = groups.page((None, None), after.as_deref(), 3).unwrap();
        assert_eq!(page.total, 7);
        found.extend(page.groups.iter().map(|group| group.group_id.clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, (0..7).map(|number| format!("id{number}")).collect::<Vec<_>>());
    let of_tenant = groups.page((Some("n"), Some("t1")), None, 10).unwrap();
    assert_eq!((of_tenant.total, of_tenant.next), (3, None));
    for after in ["x", "123", "\u{e9}"] {
        assert!(groups.page((None, None), Some(after), 3).is_none(), "{after}");
    }
}

#[test]
fn a_group_is_found_by_its_id_or_its_key() {
    let groups = groups(4);
    for (wanted, count) in [("id1", 1), ("key3", 1), ("same", 2), ("other", 0)] {
        assert_eq!(groups.find(wanted).len(), count, "{wanted}");
    }
}

#[test]
fn other_stores_are_passed_over_and_deleted_groups_go() {
    let mut groups = groups(3);
    groups.take(&[Store::Chain as u8, 1], Some(b"anything")).unwrap();
    groups.take(&[], None).unwrap();
    groups.take(&[Store::Group as u8, 1], None).unwrap();
    assert_eq!(groups.groups.len(), 2);
    assert!(groups.take(&[Store::Group as u8, 9], Some(b"no group")).is_err());
    assert!(!groups.is_cut());
}
