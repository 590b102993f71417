//! From the text that the library writes, OpenMetrics, to the classic format: there the family of a counter has the
//! name that its series have.

/// The same metrics in the classic format.
pub(super) fn classic(open: &str) -> String {
    let mut classic = String::with_capacity(open.len() + 512);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let Some((name, help)) = help else {
            push(&mut classic, &[line]);
            continue;
        };
        let kind = lines.next_if(|line| line.starts_with("# TYPE ")).and_then(|line| line.rsplit_once(' '));
        let kind = kind.map_or("untyped", |(_, kind)| kind);
        let suffix = if kind == "counter" { "_total" } else { "" };
        push(&mut classic, &["# HELP ", name, suffix, " ", help]);
        push(&mut classic, &["# TYPE ", name, suffix, " ", kind]);
    }
    classic
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_counters_change() {
        let open = "# HELP a_b What.\n# TYPE a_b counter\na_b_total{x=\"# HELP y z\"} 1\n\
                    # HELP c What.\n# TYPE c gauge\nc 2\n";
        let expected = "# HELP a_b_total What.\n# TYPE a_b_total counter\na_b_total{x=\"# HELP y z\"} 1\n\
                        # HELP c What.\n# TYPE c gauge\nc 2\n";
        assert_eq!(classic(open), expected);
    }
}
