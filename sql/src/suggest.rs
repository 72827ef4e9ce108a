//! Which known name somebody may have meant.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// `": did you mean `a` or `b`?"`, or nothing when no known name is near.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    let name = name.to_lowercase();
    // A third of the letters may be wrong: more, and the suggestion is noise.
    let tolerated = name.chars().count().div_ceil(3).max(1);
    let mut found: Vec<((usize, usize), &str)> = known
        .iter()
        // Of two at the same distance, the one of the same length is a likelier slip.
        .map(|known| ((levenshtein(&name, &known.to_lowercase()), known.len().abs_diff(name.len())), *known))
        .filter(|((distance, _), known)| *distance <= tolerated || (name.len() > 3 && known.starts_with(&name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => String::new(),
        [(_, only)] => format!(": did you mean `{only}`?"),
        [(_, first), (_, second), ..] => format!(": did you mean `{first}` or `{second}`?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["windows", "trends", "priorities", "topic", "topics"];
        assert_eq!(nearest("Trend", &known), ": did you mean `trends`?");
        assert_eq!(nearest("topicz", &known), ": did you mean `topics` or `topic`?");
        assert_eq!(nearest("service", &known), "");
        assert_eq!(nearest("", &known), "");
    }
}
