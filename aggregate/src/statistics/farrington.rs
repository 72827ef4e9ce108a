//! The flexible Farrington method: is a count higher than the same season of earlier years explains?
//!
//! Farrington, Andrews, Beale & Catchpole (1996) as improved by Noufaily et al. (2013), agreeing with
//! `surveillance::farringtonFlexible` (Salmon, Schumacher & Höhle 2016) for series whose periods are numbered, not dated.

use super::negative_binomial;
use super::quasi_poisson::{self, Fit, Rows};
use super::special::{normal_cdf, normal_quantile, student_cdf};

/// How the upper threshold is made from the fitted mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Negative-binomial quantile at the fitted mean (`nbPlugin`).
    NegativeBinomial,
    /// Negative-binomial quantile at the upper quantile of the fitted mean (`muan`, Noufaily et al. 2013).
    UncertainMean,
    /// Normal interval on the scale of a power of the counts (`delta`, Farrington et al. 1996).
    Transformed(Power),
}

/// The power that makes counts nearly normal (`powertrans`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Counts as they are (`none`).
    One,
    /// Their square root, which makes the variance constant (`1/2`).
    SquareRoot,
    /// To the power 2/3, which makes them symmetric (`2/3`).
    TwoThirds,
}

impl Power {
    const fn exponent(self) -> f64 {
        match self {
            Self::One => 1.0,
            Self::SquareRoot => 0.5,
            Self::TwoThirds => 2.0 / 3.0,
        }
    }

    /// Standard deviation of a count with this mean and variance over mean after the transformation (delta method).
    fn standard_deviation(self, mean: f64, dispersion: f64) -> f64 {
        let scale = match self {
            Self::One => mean,
            Self::SquareRoot => 0.25,
            Self::TwoThirds => 4.0 / 9.0 * mean.cbrt(),
        };
        (scale * dispersion).sqrt()
    }
}

/// A series of counts by period.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Counts; `None` where nothing is known of a period: it is no zero, and no part of the history.
    pub counts: &'a [Option<u64>],
    /// Exposure by period, where the expectation is in proportion to it (`populationOffset`). Positive.
    pub population: Option<&'a [f64]>,
}

/// Settings, with the names of `farringtonFlexible`'s in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct Farrington {
    /// Periods in a year: 52 weeks, 365 days (`freq`).
    pub periods_per_year: usize,
    /// Years of history that are used (`b`).
    pub years: usize,
    /// Half the width of the window around the same period of earlier years (`w`).
    pub half_window: usize,
    /// Seasons that a year is cut into, the window being one (`noPeriods`).
    pub seasons: usize,
    /// Latest periods that are left out, so that a beginning outbreak does not explain itself (`pastWeeksNotIncluded`).
    pub guard: usize,
    /// One-sided error (`alpha`).
    pub alpha: f64,
    /// Whether a trend is fitted where it is significant, spans three years and does not extrapolate (`trend`).
    pub trend: bool,
    /// p-value below which a trend is kept (`pThresholdTrend`).
    pub trend_p_value: f64,
    /// Whether past outbreaks count less (`reweight`).
    pub reweight: bool,
    /// Standardised Anscombe residual above which they do (`weightsThreshold`).
    pub reweight_above: f64,
    /// How the threshold is made (`thresholdMethod`).
    pub threshold: Threshold,
    /// No alarm below this many counts ... (`limit54[1]`)
    pub least_count: u64,
    /// ... in this many latest periods, the present one included (`limit54[2]`).
    pub least_count_periods: usize,
}

impl Default for Farrington {
    /// Weekly counts with the settings of Noufaily et al. (2013).
    fn default() -> Self {
        Self {
            periods_per_year: 52,
            years: 5,
            half_window: 3,
            seasons: 10,
            guard: 26,
            alpha: 0.01,
            trend: true,
            trend_p_value: 0.05,
            reweight: true,
            reweight_above: 2.58,
            threshold: Threshold::NegativeBinomial,
            least_count: 5,
            least_count_periods: 4,
        }
    }
}

/// What the method says of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Expected count.
    pub expected: f64,
    /// Highest count that is not unusual; `None` where the fit allows none.
    pub upper: Option<f64>,
    /// Exceedance: above 1 is above the threshold. For both negative-binomial thresholds it is
    /// `(count - ln expected) / (upper - ln expected)`, which is what `farringtonFlexible` computes; [`Self::alarm`] does not
    /// depend on it being so.
    pub score: Option<f64>,
    /// Probability of a count at least this high.
    pub p_value: Option<f64>,
    /// Variance over mean, at least 1.
    pub dispersion: f64,
    /// Slope a period on the log scale, where a trend was kept.
    pub trend: Option<f64>,
    /// Whether the latest periods hold enough counts for an alarm; where not, `farringtonFlexible` shows no expectation.
    pub enough: bool,
    /// Whether this is an alarm; never where the period's count is not known.
    pub alarm: bool,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FarringtonError {
    /// The series does not reach back far enough.
    #[error("period {at} needs {needed} earlier periods and has {at}: lower `years` or wait")]
    History {
        /// The period asked for, counted from 0.
        at: usize,
        /// How many would be needed.
        needed: usize,
    },
    /// The period lies outside of the series.
    #[error("period {at} is not in a series of {length}")]
    Outside {
        /// The period asked for, counted from 0.
        at: usize,
        /// How long the series is.
        length: usize,
    },
    /// Settings that exclude one another.
    #[error("settings of the Farrington method: {0}")]
    Settings(&'static str),
    /// Nothing is known of the same season of earlier years.
    #[error("no count is known in the season of period {at} of earlier years")]
    Gap {
        /// The period asked for, counted from 0.
        at: usize,
    },
    /// The regression did not settle, with or without a trend.
    #[error("the regression for period {at} did not converge")]
    Convergence {
        /// The period asked for, counted from 0.
        at: usize,
    },
}

impl Farrington {
    /// The verdict on `counts[at]`, looking at nothing after it.
    pub fn at(&self, counts: &[u64], at: usize) -> Result<Verdict, FarringtonError> {
        // What lies after `at` is not looked at, and what is not copied costs nothing.
        let known: Vec<Option<u64>> = counts.iter().take(at.saturating_add(1)).copied().map(Some).collect();
        self.check(counts.len(), at)?;
        self.at_observed(&Observed { counts: &known, population: None }, at)
    }

    /// The verdict on the period `at` of a series with gaps or exposure.
    pub fn at_observed(&self, observed: &Observed<'_>, at: usize) -> Result<Verdict, FarringtonError> {
        self.check(observed.counts.len(), at)?;
        let exposure =
            |period: usize| observed.population.map_or(1.0, |population| population.get(period).copied().unwrap_or(f64::NAN));
        if observed.population.is_some() && (0..=at).any(|period| !(exposure(period) > 0.0 && exposure(period).is_finite())) {
            return Err(FarringtonError::Settings("every period needs a positive population"));
        }
        let rows = self.rows(observed, at);
        let (now, here) = (at as f64, self.seasons - 1);
        if !rows.season.contains(&here) {
            return Err(FarringtonError::Gap { at });
        }
        let offset = exposure(at).ln();
        let unsettled = FarringtonError::Convergence { at };
        let mut fitted = self.fit(&rows, self.trend).ok_or(unsettled.clone())?;
        if let Some(slope) = fitted.fit.slope {
            let highest = rows.count.iter().fold(0.0f64, |a, b| a.max(*b));
            let t = slope / (fitted.residual_dispersion * fitted.fit.slope_variance()).sqrt();
            let significant = 2.0 * student_cdf(-t.abs(), fitted.fit.residual_degrees) < self.trend_p_value;
            if !(self.years >= 3 && significant && (fitted.fit.link(here, now) + offset).exp() <= highest) {
                fitted = self.fit(&rows, false).ok_or(unsettled)?;
            }
        }
        // A gap among the latest periods leaves open whether they hold enough.
        let recent = &observed.counts[(at + 1).saturating_sub(self.least_count_periods)..=at];
        let enough = recent.iter().copied().sum::<Option<u64>>().is_some_and(|sum| sum >= self.least_count);
        Ok(self.verdict(&fitted, observed.counts[at], (here, now, offset), enough))
    }

    fn check(&self, length: usize, at: usize) -> Result<(), FarringtonError> {
        let between = self.periods_per_year.checked_sub(2 * self.half_window + 1);
        let crowded = self.seasons > 1 && between.is_none_or(|b| b + 1 < self.seasons);
        if self.years == 0 || self.seasons == 0 || self.periods_per_year == 0 || crowded {
            return Err(FarringtonError::Settings("a year must hold the window and every other season"));
        }
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(FarringtonError::Settings("alpha must lie between 0 and 1"));
        }
        let needed = self.years * self.periods_per_year + self.half_window;
        if at >= length {
            return Err(FarringtonError::Outside { at, length });
        }
        if at < needed {
            return Err(FarringtonError::History { at, needed });
        }
        Ok(())
    }

    /// The history as rows: the windows around the same period of earlier years are the last season, what lies between is
    /// shared out evenly, the first seasons after a window being longer by one where it does not divide.
    fn rows(&self, observed: &Observed<'_>, at: usize) -> Rows {
        let (year, w, others) = (self.periods_per_year, self.half_window, self.seasons - 1);
        let mut rows = Rows { seasons: self.seasons, ..Rows::default() };
        let first = at - self.years * year - w;
        let end = at.saturating_sub(self.guard);
        for (period, count) in observed.counts.iter().enumerate().take(end).skip(first) {
            let into_year = (period - first) % year;
            let season = if into_year < 2 * w + 1 { Some(others) } else { self.season_between(into_year - (2 * w + 1)) };
            if let (Some(season), Some(count)) = (season, count) {
                rows.count.push(*count as f64);
                rows.time.push(period as f64);
                rows.season.push(season);
                rows.offset.extend(observed.population.map(|population| population[period].ln()));
            }
        }
        rows
    }

    /// The season of a position between two windows; `None` where the window is the only season.
    fn season_between(&self, position: usize) -> Option<usize> {
        let (between, others) = (self.periods_per_year - 2 * self.half_window - 1, self.seasons - 1);
        let length = between.checked_div(others)?;
        let longer = between % others;
        let in_longer = longer * (length + 1);
        Some(if position < in_longer { position / (length + 1) } else { longer + (position - in_longer) / length })
    }

    /// Fits, weighs past outbreaks down, fits again. `None` where the first fit does not converge even without a trend.
    fn fit(&self, rows: &Rows, trend: bool) -> Option<Fitted> {
        let mut trend = trend;
        let mut fit = quasi_poisson::fit(rows, trend, None);
        if !fit.converged && trend {
            trend = false;
            fit = quasi_poisson::fit(rows, trend, None);
        }
        if !fit.converged {
            return None;
        }
        let raw = fit.dispersion(rows, &fit.weight);
        let dispersion = raw.max(1.0);
        if !self.reweight {
            return Some(Fitted { fit, dispersion, residual_dispersion: raw });
        }
        let weights = self.anscombe_weights(rows, &fit, dispersion);
        let fit = quasi_poisson::fit(rows, trend, Some(&weights));
        // The reference replaces the iteration weights by the outbreak weights before it tests the trend and predicts.
        let residual_dispersion = fit.dispersion(rows, &weights);
        Some(Fitted { dispersion: fit.dispersion(rows, &fit.weight).max(1.0), fit, residual_dispersion })
    }

    /// Weight `g / s^2` for rows whose standardised Anscombe residual `s` exceeds the threshold, `g` for the others, adding
    /// up to the number of rows.
    fn anscombe_weights(&self, rows: &Rows, fit: &Fit, dispersion: f64) -> Vec<f64> {
        let damping = |i: usize| {
            let (y, m) = (rows.count[i], fit.mean[i]);
            let raw = 1.5 * (y.cbrt().powi(2) * m.powf(-1.0 / 6.0) - m.sqrt());
            let s = raw / (dispersion * (1.0 - fit.leverage[i])).sqrt();
            if s > self.reweight_above { s.powi(-2) } else { 1.0 }
        };
        let mut weights: Vec<f64> = (0..rows.count.len()).map(damping).collect();
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        weights.iter_mut().for_each(|w| *w *= scale);
        weights
    }

    fn verdict(&self, fitted: &Fitted, count: Option<u64>, (season, now, offset): (usize, f64, f64), enough: bool) -> Verdict {
        let link = fitted.fit.link(season, now) + offset;
        let expected = link.exp();
        let dispersion = fitted.dispersion;
        let link_error = (fitted.residual_dispersion * fitted.fit.variance(season, now)).sqrt();
        let z = normal_quantile(1.0 - self.alpha);
        let (upper, p_value, centre) = match self.threshold {
            Threshold::Transformed(power) => {
                let error = (expected * link_error).powi(2);
                let scale = power.standard_deviation(expected, dispersion + error / expected);
                let (exponent, centre) = (power.exponent(), expected.powf(power.exponent()));
                let upper = (centre + z * scale).powf(1.0 / exponent);
                let p_value = count.map(|count| normal_cdf((centre - (count as f64).powf(exponent)) / scale));
                (Some(upper), p_value, expected)
            }
            Threshold::NegativeBinomial | Threshold::UncertainMean => {
                let uncertain = self.threshold == Threshold::UncertainMean;
                let mean = if uncertain { (link + z * link_error).exp() } else { expected };
                let upper = negative_binomial::quantile(1.0 - self.alpha, mean, dispersion).map(|q| q as f64);
                let p_value = upper.and(count).map(|count| negative_binomial::upper_tail(count, mean, dispersion));
                (upper, p_value, link)
            }
        };
        let score = |upper: f64, count: u64| (count as f64 - centre) / (upper - centre);
        let score = upper.zip(count).map(|(upper, count)| score(upper, count)).filter(|score| score.is_finite());
        Verdict {
            expected,
            upper,
            score,
            p_value: p_value.filter(|p_value| p_value.is_finite()),
            dispersion,
            trend: fitted.fit.slope,
            enough,
            alarm: enough && count > Some(0) && score.is_some_and(|score| score > 1.0),
        }
    }
}

/// A regression and its two dispersions.
struct Fitted {
    fit: Fit,
    /// Variance over mean of the counts, at least 1.
    dispersion: f64,
    /// The dispersion that standard errors are scaled with.
    residual_dispersion: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_on_a_flat_series_is_an_alarm_and_the_rest_is_not() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399] = 60;
        let method = Farrington::default();
        let burst = method.at(&counts, 399).unwrap();
        assert!(burst.alarm && (burst.expected - 12.0).abs() < 0.5 && burst.p_value.unwrap() < 1e-9, "{burst:?}");
        assert!(!method.at(&counts, 398).unwrap().alarm);
    }

    #[test]
    fn an_old_outbreak_hardly_counts() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399 - 2 * 52] = 300;
        let with = Farrington::default().at(&counts, 399).unwrap();
        let without = Farrington { reweight: false, ..Farrington::default() }.at(&counts, 399).unwrap();
        assert!(with.expected < 13.0 && without.expected > 18.0, "{} {}", with.expected, without.expected);
    }

    #[test]
    fn what_cannot_be_answered_is_said() {
        let method = Farrington::default();
        let zeros = [0; 300];
        assert!(matches!(method.at(&zeros, 200), Err(FarringtonError::History { needed: 263, .. })));
        assert!(matches!(method.at(&zeros, 300), Err(FarringtonError::Outside { .. })));
        let crowded = Farrington { seasons: 60, ..Farrington::default() };
        assert!(matches!(crowded.at(&zeros, 299), Err(FarringtonError::Settings(_))));
        if let Ok(verdict) = method.at(&zeros, 299) {
            assert!(!verdict.alarm && !verdict.enough);
        }
    }

    #[test]
    fn gaps_are_no_zeros_and_exposure_explains_counts() {
        let counts: Vec<Option<u64>> = (0..400).map(|week| Some(10 + week * 7 % 5)).collect();
        let gaps: Vec<Option<u64>> =
            counts.iter().enumerate().map(|(week, count)| count.filter(|_| week % 9 != 0 || week == 399)).collect();
        let method = Farrington::default();
        let at = |counts: &[Option<u64>]| method.at_observed(&Observed { counts, population: None }, 399).unwrap();
        assert!((at(&gaps).expected - at(&counts).expected).abs() < 0.5);
        let mut unknown = counts.clone();
        unknown[399] = None;
        let verdict = at(&unknown);
        assert_eq!((verdict.score, verdict.p_value, verdict.enough, verdict.alarm), (None, None, false, false));

        // Twice the people in the last week, twice the reports: nothing unusual.
        let mut doubled = counts.clone();
        doubled[399] = Some(26);
        let mut population = vec![1000.0; 400];
        population[399] = 2000.0;
        let with = Observed { counts: &doubled, population: Some(&population) };
        assert!(!method.at_observed(&with, 399).unwrap().alarm && at(&doubled).alarm);
        population[7] = 0.0;
        let with = Observed { counts: &doubled, population: Some(&population) };
        assert!(matches!(method.at_observed(&with, 399), Err(FarringtonError::Settings(_))));
        assert!(matches!(at_nothing(&method), Err(FarringtonError::Gap { at: 399 })));
    }

    fn at_nothing(method: &Farrington) -> Result<Verdict, FarringtonError> {
        method.at_observed(&Observed { counts: &[None; 400], population: None }, 399)
    }

    #[test]
    fn every_threshold_flags_what_is_far_out() {
        let mut counts: Vec<u64> = (0..400).map(|week| 10 + week * 7 % 5).collect();
        counts[399] = 80;
        let transformed = [Power::One, Power::SquareRoot, Power::TwoThirds].map(Threshold::Transformed);
        for threshold in [Threshold::NegativeBinomial, Threshold::UncertainMean].into_iter().chain(transformed) {
            let verdict = Farrington { threshold, ..Farrington::default() }.at(&counts, 399).unwrap();
            assert!(
                verdict.alarm && verdict.upper.unwrap() < 40.0 && verdict.upper.unwrap() > 12.0,
                "{threshold:?} {verdict:?}"
            );
        }
    }
}
