use crate::support::acteon;

/// Names under `Commands:` in a help text.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Further lines of a description are indented more.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

/// Adds every command below `path` that has none below itself.
fn leaves(path: &[String], found: &mut Vec<(String, String)>) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let ran = acteon(&args);
    assert_eq!(ran.code, 0, "{path:?}: {}", ran.stderr);
    let below = commands(&ran.stdout);
    if below.is_empty() {
        found.push((path.join(" "), ran.stdout));
    }
    for name in below {
        leaves(&[path, &[name]].concat(), found);
    }
}

#[test]
fn each_command_has_an_example() {
    let mut found = Vec::new();
    leaves(&[], &mut found);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    for expected in ["dev", "run", "produce", "tail", "rules check", "topology apply", "config check", "chains signal"]
    {
        assert!(names.contains(&expected), "{names:?}");
    }
    for (name, help) in &found {
        let example = help.split_once("Example").map(|(_, rest)| rest).unwrap_or_default();
        assert!(example.contains(&format!("acteon {name}")), "no example for `{name}` in\n{help}");
    }
}

#[test]
fn exit_codes_are_documented() {
    let help = acteon(&["--help"]).stdout;
    for code in ["  0  ", "  1  ", "  2  ", "  3  ", "  4  "] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn wrong_arguments_exit_with_2() {
    assert_eq!(acteon(&["produce"]).code, 2);
    assert_eq!(acteon(&["run", "--roles", "procesor"]).code, 2);
    let ran = acteon(&["produce", "-", "--wait", "--timeout", "1x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("500ms or 30s"), "{}", ran.stderr);
}
