//! The worked example of `docs/methods/trends.md`, recomputed.

use aggregate::statistics::baseline::{Baseline, Guess, Level, Peers, Weights};
use aggregate::statistics::same_phase::Counts;

#[test]
fn the_worked_example_of_the_page_is_what_is_computed() {
    let page = include_str!("../../../docs/methods/trends.md");
    let counts = Counts::new(19, &[9, 5, 7, 6, 30, 4, 8, 6]);
    let weights = Weights::new(8, |_| false);
    let (plain, level) = (Level::plain(&counts, &weights), Level::alone(&counts, &weights));
    let dispersion = Peers::default().dispersion(&level);
    let baseline = Baseline::new(&level, dispersion, Guess::vague()).unwrap();
    let (comparison, interval) = (baseline.compare(19), baseline.interval(19));
    for figure in [
        format!("a weighted mean of {:.2}", plain.mean),
        format!("the mean is {:.2}", level.mean),
        format!("as much as {:.1} equal weeks", level.periods),
        format!("a dispersion of {:.2}", dispersion.value),
        format!("with {:.1} degrees of freedom", dispersion.degrees),
        format!("an expectation of {:.2}", baseline.mean),
        format!("The ratio is {:.2}, from {:.2} to {:.2}", comparison.ratio, interval.low, interval.high),
        format!("p = {:.4}", comparison.p_value()),
    ] {
        assert!(page.contains(&figure), "the page does not say: {figure}");
    }
}
