//! Which known name somebody may have meant.

/// `": did you mean `a`?"`, or, where no known name is near, all of them.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    let name: String = name.to_lowercase().chars().take(MAX_NAME).collect();
    // A third of the letters may be wrong: more, and the suggestion is noise.
    let tolerated = name.chars().count().div_ceil(3);
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(&name, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance <= tolerated => format!(": did you mean `{known}`?"),
        _ => format!(": there are {}", known.join(", ")),
    }
}

/// Letters of a name that are compared: a hostile one costs no more than an honest one.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_else_all() {
        let known = ["severity", "backlog"];
        assert_eq!(nearest("Sevirity", &known), ": did you mean `severity`?");
        assert_eq!(nearest("votes", &known), ": there are severity, backlog");
        assert_eq!(nearest("", &known), ": there are severity, backlog");
        assert!(nearest(&"x".repeat(1 << 20), &known).starts_with(": there are"));
    }
}
