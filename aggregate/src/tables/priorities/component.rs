//! What a priority is made of: for each component its raw value and standard error from counts.

use crate::statistics::gamma_poisson::Shrunk;

/// How many components there are.
pub const COMPONENTS: usize = 7;

/// A component of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// People who report per 1,000 residents, corrected for what is not reported.
    AdjustedIncidence,
    /// Mean urgency.
    Severity,
    /// Negative tone and problems.
    Dissatisfaction,
    /// Shrunk trend ratio.
    Momentum,
    /// Share that is still open.
    Backlog,
    /// Share of promised dates that were missed.
    UnmetPromise,
    /// Deprivation where much goes unreported.
    Equity,
}

impl Component {
    /// All, in the order of the table.
    pub const ALL: [Self; COMPONENTS] = [
        Self::AdjustedIncidence,
        Self::Severity,
        Self::Dissatisfaction,
        Self::Momentum,
        Self::Backlog,
        Self::UnmetPromise,
        Self::Equity,
    ];

    /// Its column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdjustedIncidence => "adjusted_incidence",
            Self::Severity => "severity",
            Self::Dissatisfaction => "dissatisfaction",
            Self::Momentum => "momentum",
            Self::Backlog => "backlog",
            Self::UnmetPromise => "unmet_promise",
            Self::Equity => "equity",
        }
    }

    /// The component of a column's name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.as_str().eq_ignore_ascii_case(name))
    }

    /// What it says, and what it rewards.
    pub(super) const fn doc(self) -> &'static str {
        match self {
            Self::AdjustedIncidence => {
                "people who report (and a configured share of votes) per 1,000 residents, over the share of incidents that is estimated to be reported: an assumption, see docs/methods/priorities.md; who reports twice counts once, but campaigns for votes are rewarded; where no source names authors, reports, and the note says so"
            }
            Self::Severity => {
                "mean urgency of the reports, 0 routine to 1 emergency; read from words, so that who calls everything an emergency is rewarded"
            }
            Self::Dissatisfaction => {
                "mean of the share of negative tone and the share of problems, 0 to 1; tone rewards angry words: see rank_without_tone"
            }
            Self::Momentum => {
                "observed over expected reports, shrunk towards that of all cells (see trends.shrunk_ratio); a campaign to report raises it"
            }
            Self::Backlog => "share of the reports that is still open, 0 to 1; rewards nobody's voice",
            Self::UnmetPromise => "share of the reports with a promised date that missed it, 0 to 1; rewards nobody's voice",
            Self::Equity => {
                "place of the district's deprivation among all districts, 0 to 1, times the share of incidents that is estimated to go unreported; rewards those who are not heard"
            }
        }
    }
}

/// Which share of the incidents of a district and topic is reported at all, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reporting {
    /// Above 0, at most 1.
    pub share: f64,
    /// Its standard error.
    pub error: f64,
}

/// A smaller share is no estimate to multiply with: it says that nearly everything goes unreported, on an assumption alone.
const SMALLEST_SHARE: f64 = 0.05;

/// A standard error that is a larger part of the share leaves it unknown.
const LARGEST_RELATIVE_ERROR: f64 = 0.5;

impl Reporting {
    /// Whether it is known well enough to correct anything with.
    pub fn is_known(&self) -> bool {
        let precise = self.error >= 0.0 && self.error <= LARGEST_RELATIVE_ERROR * self.share;
        (SMALLEST_SHARE..=1.0).contains(&self.share) && precise
    }

    /// What is typical of the cells where it is known: the median, with the standard deviation between them as its error. For the
    /// others, so that being unknown is neither a handicap nor an advantage. `None` where it is known nowhere.
    pub(super) fn typical(inputs: &[&PriorityInput<'_>]) -> Option<Self> {
        let mut shares: Vec<f64> = inputs.iter().filter_map(|input| Some(known(input.reporting)?.share)).collect();
        shares.sort_unstable_by(f64::total_cmp);
        let n = shares.len() as f64;
        let share = *shares.get(shares.len() / 2)?;
        let mean = shares.iter().sum::<f64>() / n;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / n;
        Some(Self { share, error: variance.sqrt() })
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counting {
    /// The share of incidents that is reported, where a cell's own is unknown.
    pub(super) typical: Option<Reporting>,
    /// How much of a person one vote is.
    pub(super) vote_weight: f64,
    /// Whether tone belongs to dissatisfaction.
    pub(super) tone: bool,
}

/// The counts of a district and topic in a window.
#[derive(Clone, Copy, Debug, Default)]
pub struct PriorityInput<'a> {
    /// The district; `None` is unknown and is not ranked.
    pub district: Option<&'a str>,
    /// The topic; `None` is unknown and is not ranked.
    pub topic: Option<&'a str>,
    /// Reports in the window.
    pub reports: u64,
    /// Distinct authors, and one more for every report that names none; `None` where no report names one.
    pub reporters: Option<u64>,
    /// Votes of support that reports got.
    pub votes: u64,
    /// Residents of the district.
    pub population: Option<f64>,
    /// The share of incidents that is reported; `None` is unknown.
    pub reporting: Option<Reporting>,
    /// Place of the district's deprivation among all districts, 0 the least deprived to 1; `None` is unknown.
    pub deprivation_place: Option<f64>,
    /// Reports by urgency, routine to emergency.
    pub urgencies: [u64; 4],
    /// Reports with tone probabilities.
    pub toned: u64,
    /// Sum of their probabilities of negative tone.
    pub negative: f64,
    /// Reports with a signal.
    pub signalled: u64,
    /// Of these, problems.
    pub problems: u64,
    /// Reports that are still open; `None` where no status is known.
    pub open: Option<u64>,
    /// Reports with a promised date, and how many of them missed it; `None` where none is promised.
    pub promised_overdue: Option<(u64, u64)>,
    /// The trend's shrunk ratio; `None` without enough history.
    pub trend: Option<Shrunk>,
}

/// A component of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// As the table shows it.
    pub(super) raw: f64,
    /// As it is ranked: shares of few reports are drawn towards that of all cells.
    pub(super) ranked: f64,
    pub(super) standard_error: f64,
}

/// Reports that the share of all cells counts for in the share of one: a share of 1 in 1 says little.
const PRIOR_REPORTS: f64 = 4.0;

/// Sums over all cells of a window: what shares are drawn towards. In whole numbers, so that order does not matter; tones in
/// millionths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    urgent_steps: u64,
    urgencies: u64,
    negative_millionths: i64,
    toned: u64,
    problems: u64,
    signalled: u64,
    open: u64,
    openable: u64,
    overdue: u64,
    promised: u64,
}

impl Totals {
    pub(super) fn add(&mut self, input: &PriorityInput<'_>) {
        let sum = |total: &mut u64, count: u64| *total = total.saturating_add(count);
        sum(&mut self.urgent_steps, urgent_steps(input));
        sum(&mut self.urgencies, input.urgencies.iter().sum());
        self.negative_millionths = self.negative_millionths.saturating_add((input.negative * 1e6) as i64);
        sum(&mut self.toned, input.toned);
        sum(&mut self.problems, input.problems);
        sum(&mut self.signalled, input.signalled);
        if let Some(open) = input.open {
            sum(&mut self.open, open);
            sum(&mut self.openable, input.reports);
        }
        if let Some((promised, overdue)) = input.promised_overdue {
            sum(&mut self.overdue, overdue);
            sum(&mut self.promised, promised);
        }
    }

    /// The component of one cell, or why there is none.
    pub(super) fn estimate(
        &self,
        component: Component,
        input: &PriorityInput<'_>,
        counting: Counting,
    ) -> Result<Estimate, &'static str> {
        match component {
            Component::AdjustedIncidence => adjusted_incidence(input, counting),
            Component::Severity => {
                let n: u64 = input.urgencies.iter().sum();
                let (sum, all) = (urgent_steps(input) as f64 / 3.0, self.urgent_steps as f64 / 3.0);
                share(sum, n, all, self.urgencies).ok_or("no urgency known")
            }
            Component::Dissatisfaction => {
                let problems = share(input.problems as f64, input.signalled, self.problems as f64, self.signalled);
                let b = problems.ok_or("no signal known")?;
                if !counting.tone {
                    return Ok(b);
                }
                let negative = share(input.negative, input.toned, self.negative_millionths as f64 / 1e6, self.toned);
                let a = negative.ok_or("no tone known")?;
                // Angry reports are mostly problems: errors may go together, so they add.
                let standard_error = 0.5 * (a.standard_error + b.standard_error);
                Ok(Estimate { raw: 0.5 * (a.raw + b.raw), ranked: 0.5 * (a.ranked + b.ranked), standard_error })
            }
            Component::Momentum => {
                let trend = input.trend.ok_or("not enough history for a trend")?;
                Ok(Estimate { raw: trend.mean, ranked: trend.mean, standard_error: trend.standard_deviation })
            }
            Component::Backlog => {
                let open = input.open.ok_or("no status known")?;
                share(open as f64, input.reports, self.open as f64, self.openable).ok_or("no reports")
            }
            Component::UnmetPromise => {
                let (promised, overdue) = input.promised_overdue.ok_or("no date promised")?;
                share(overdue as f64, promised, self.overdue as f64, self.promised).ok_or("no date promised")
            }
            Component::Equity => {
                let place = input.deprivation_place.filter(|place| (0.0..=1.0).contains(place));
                let place = place.ok_or("deprivation unknown")?;
                let Reporting { share, error } = known(input.reporting).ok_or("reporting rate unknown")?;
                let raw = place * (1.0 - share);
                Ok(Estimate { raw, ranked: raw, standard_error: place * error })
            }
        }
    }
}

/// 1 for every step of urgency above routine.
fn urgent_steps(input: &PriorityInput<'_>) -> u64 {
    input.urgencies.iter().zip(0..).map(|(count, steps): (&u64, u64)| count.saturating_mul(steps)).sum()
}

/// The share of incidents that is reported, where it is known well enough.
fn known(reporting: Option<Reporting>) -> Option<Reporting> {
    reporting.filter(Reporting::is_known)
}

fn adjusted_incidence(input: &PriorityInput<'_>, counting: Counting) -> Result<Estimate, &'static str> {
    let thousands = input.population.filter(|p| p.is_finite() && *p > 0.0).ok_or("population unknown")? / 1000.0;
    let (votes, vote_weight) = (input.votes as f64, counting.vote_weight);
    let people = input.reporters.unwrap_or(input.reports) as f64 + vote_weight * votes;
    // One more event than was seen: the error of a zero is not zero. A vote of weight w has the variance of w of a person.
    let variance = people + vote_weight * vote_weight * votes - vote_weight * votes + 1.0;
    let Reporting { share, error } =
        known(input.reporting).or(counting.typical).unwrap_or(Reporting { share: 1.0, error: 0.0 });
    let raw = people / share / thousands;
    let standard_error = (variance + (people * error / share).powi(2)).sqrt() / share / thousands;
    Ok(Estimate { raw, ranked: raw, standard_error })
}

/// A share of `n` reports, given the share over all cells. Its variance is at most a binomial one, whatever the summed values
/// between 0 and 1 are. `None` where `n` is 0 or the sum is not between 0 and `n`.
fn share(sum: f64, n: u64, all_sum: f64, all_n: u64) -> Option<Estimate> {
    if n == 0 || !(-1e-6..=n as f64 + 1e-6).contains(&sum) {
        return None;
    }
    let raw = (sum / n as f64).clamp(0.0, 1.0);
    let centre = (all_sum / all_n.max(1) as f64).clamp(0.0, 1.0);
    let weight = n as f64 + PRIOR_REPORTS;
    let ranked = (raw * n as f64 + centre * PRIOR_REPORTS) / weight;
    Some(Estimate { raw, ranked, standard_error: (ranked * (1.0 - ranked) / weight).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTING: Counting = Counting { typical: None, vote_weight: 0.1, tone: true };

    fn filled() -> PriorityInput<'static> {
        PriorityInput {
            reports: 10,
            reporters: Some(5),
            population: Some(2500.0),
            urgencies: [4, 3, 2, 1],
            toned: 10,
            negative: 4.0,
            signalled: 10,
            problems: 8,
            open: Some(2),
            promised_overdue: Some((4, 1)),
            ..PriorityInput::default()
        }
    }

    #[test]
    fn raw_values_by_hand() {
        let (mut totals, input) = (Totals::default(), filled());
        totals.add(&input);
        let raw = |component| totals.estimate(component, &input, COUNTING).map(|e| e.raw);
        assert_eq!(raw(Component::AdjustedIncidence), Ok(2.0));
        assert!((raw(Component::Severity).unwrap() - 1.0 / 3.0).abs() < 1e-15);
        assert!((raw(Component::Dissatisfaction).unwrap() - 0.6).abs() < 1e-15);
        assert_eq!(raw(Component::Backlog), Ok(0.2));
        assert_eq!(raw(Component::UnmetPromise), Ok(0.25));
        assert_eq!(raw(Component::Momentum), Err("not enough history for a trend"));
    }

    #[test]
    fn nothing_gives_a_reason_each() {
        let (totals, input) = (Totals::default(), PriorityInput::default());
        for component in Component::ALL {
            assert!(totals.estimate(component, &input, COUNTING).is_err(), "{component:?}");
        }
        let nowhere = PriorityInput { population: Some(0.0), ..filled() };
        assert_eq!(totals.estimate(Component::AdjustedIncidence, &nowhere, COUNTING), Err("population unknown"));
        let nonsense = PriorityInput { negative: f64::NAN, ..filled() };
        assert!(totals.estimate(Component::Dissatisfaction, &nonsense, COUNTING).is_err());
        let deprived = PriorityInput { deprivation_place: Some(1.0), ..filled() };
        assert_eq!(totals.estimate(Component::Equity, &deprived, COUNTING), Err("reporting rate unknown"));
        for (share, error) in [(0.0, 0.0), (0.01, 0.001), (0.4, 0.3), (f64::NAN, 0.1), (0.5, f64::NAN), (1.5, 0.1)] {
            let absurd = PriorityInput { reporting: Some(Reporting { share, error }), ..deprived };
            assert_eq!(totals.estimate(Component::Equity, &absurd, COUNTING), Err("reporting rate unknown"), "{share}");
        }
    }

    #[test]
    fn repeating_oneself_counts_once() {
        let (totals, once) = (Totals::default(), filled());
        let shouted = PriorityInput { reports: 500, ..once };
        let incidence = |input, counting| totals.estimate(Component::AdjustedIncidence, input, counting).unwrap();
        assert_eq!(incidence(&once, COUNTING), incidence(&shouted, COUNTING));
        let campaign = PriorityInput { votes: 50, ..once };
        assert_eq!(incidence(&campaign, COUNTING).raw, 4.0, "ten votes are one person");
        assert_eq!(incidence(&campaign, Counting { vote_weight: 0.0, ..COUNTING }), incidence(&once, COUNTING));
    }

    #[test]
    fn what_is_not_reported_is_added_with_its_doubt() {
        let totals = Totals::default();
        let half =
            PriorityInput { reporting: Some(Reporting { share: 0.5, error: 0.1 }), deprivation_place: Some(0.8), ..filled() };
        let of = |component, input: &PriorityInput<'_>| totals.estimate(component, input, COUNTING).unwrap();
        let (adjusted, plain) = (of(Component::AdjustedIncidence, &half), of(Component::AdjustedIncidence, &filled()));
        assert_eq!((plain.raw, adjusted.raw), (2.0, 4.0));
        assert!(adjusted.standard_error > 2.0 * plain.standard_error);
        let equity = of(Component::Equity, &half);
        assert!((equity.raw - 0.4).abs() < 1e-15 && (equity.standard_error - 0.08).abs() < 1e-15);
    }

    #[test]
    fn where_the_reporting_rate_is_unknown_the_typical_one_stands_in() {
        let of = |share| PriorityInput { reporting: Some(Reporting { share, error: 0.01 }), ..filled() };
        let (low, middle, high, unknown) = (of(0.2), of(0.5), of(0.8), filled());
        let typical = Reporting::typical(&[&high, &unknown, &low, &middle]).unwrap();
        assert!(typical.share == 0.5 && (typical.error - 0.06f64.sqrt()).abs() < 1e-15);
        let counting = Counting { typical: Some(typical), ..COUNTING };
        let incidence = |input| Totals::default().estimate(Component::AdjustedIncidence, input, counting).unwrap();
        assert_eq!(incidence(&unknown).raw, incidence(&middle).raw);
        assert!(incidence(&unknown).standard_error > incidence(&middle).standard_error);
        assert_eq!(Reporting::typical(&[&unknown]), None);
    }

    #[test]
    fn without_tone_only_problems_dissatisfy() {
        let (mut totals, input) = (Totals::default(), filled());
        totals.add(&input);
        let raw = |counting| totals.estimate(Component::Dissatisfaction, &input, counting).unwrap().raw;
        assert!((raw(COUNTING) - 0.6).abs() < 1e-15);
        assert!((raw(Counting { tone: false, ..COUNTING }) - 0.8).abs() < 1e-15);
    }

    #[test]
    fn few_reports_are_drawn_towards_all() {
        let few = share(1.0, 1, 100.0, 1000).unwrap();
        let many = share(1000.0, 1000, 100.0, 1000).unwrap();
        assert!(few.raw == 1.0 && few.ranked < 0.3 && many.ranked > 0.99 && few.standard_error > many.standard_error);
    }
}
