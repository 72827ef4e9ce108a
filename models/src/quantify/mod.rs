//! Shares of the three tones among many texts.
//!
//! Counting what each text is read as is biased: a reader that takes every fifth complaint for neutral undercounts
//! complaints everywhere, and a share that is far from that of the training texts is pulled towards it (Forman 2008). The
//! corrections here use how the model reads held-out texts whose tone is known ([`Reference`]), and each has an interval.
//! [`Sketch`] keeps what is needed of any number of texts in bounded memory; [`quantify`] says which method is used when.

mod bootstrap;
mod calibration;
mod held_out;
mod linear;
mod methods;
mod posterior;
mod reference;
mod score;
mod sketch;

pub use bootstrap::{REPLICATES, Share};
pub use held_out::{FOLDS, TopicalText, cross_fitted, kept_aside};
pub use methods::Shares;
pub use reference::{HeldOut, Reference, ReferenceError};
pub use score::{Distance, distance};
pub use sketch::{MAX_CELLS, Point, Sketch, TONES};

use bootstrap::Replicate;
use reference::Rates;

/// Texts below which no correction is used: its variance would exceed the bias that it removes.
pub const SMALL: u64 = 20;

/// A way to estimate shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Classify and count: biased, there for comparison.
    Counted,
    /// Probabilistic classify and count: the mean probability (Bella et al. 2010).
    Mean,
    /// Adjusted count: counts corrected by the held-out confusion (Forman 2008).
    AdjustedCount,
    /// Probabilistic adjusted count: mean probabilities corrected by the held-out mean probabilities (Bella et al. 2010).
    AdjustedMean,
    /// Expectation-maximisation (Saerens, Latinne & Decaestecker 2002) on calibrated probabilities.
    Em,
    /// Probabilistic adjusted count with a weak prior, and with topics that differ (Keith & O'Connor 2018).
    Posterior,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 6] = [Self::Counted, Self::Mean, Self::AdjustedCount, Self::AdjustedMean, Self::Em, Self::Posterior];

    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Mean => "mean",
            Self::AdjustedCount => "adjusted_count",
            Self::AdjustedMean => "adjusted_mean",
            Self::Em => "em",
            Self::Posterior => "posterior",
        }
    }

    /// The method that [`quantify`] uses for so many texts.
    pub const fn for_texts(texts: u64) -> Self {
        if texts < SMALL { Self::Mean } else { Self::Posterior }
    }

    /// The shares by this method, with intervals.
    fn shares(self, points: &[Point], rates: &Rates) -> [Share; TONES] {
        // A topic that is read differently was read differently: what is seen less its shift is what others would show.
        let less = |shares: Shares, negative: f64, positive: f64| {
            [shares[0] - negative, shares[1] + negative + positive, shares[2] - positive]
        };
        let estimate = |replicate: &Replicate<'_>| {
            let (points, [counted_negative, counted_positive, mean_negative, mean_positive]) =
                (replicate.points, replicate.shift);
            match self {
                Self::Counted => methods::counted(points),
                Self::Mean | Self::Posterior => methods::mean(points),
                Self::AdjustedCount => {
                    let read = less(methods::counted(points), counted_negative, counted_positive);
                    methods::adjusted(&read, &rates.counted())
                }
                Self::AdjustedMean => {
                    let read = less(methods::mean(points), mean_negative, mean_positive);
                    methods::adjusted(&read, &rates.mean())
                }
                Self::Em => methods::em(points, &rates.prior()),
            }
        };
        match self {
            Self::Posterior => posterior::posterior(points, rates),
            Self::Em => {
                let calibrated: Vec<Point> =
                    points.iter().map(|point| Point { tone: rates.calibration.apply(&point.tone), ..*point }).collect();
                bootstrap::intervals(&calibrated, rates, estimate)
            }
            _ => bootstrap::intervals(points, rates, estimate),
        }
    }
}

/// The shares of the tones among some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// How many texts.
    pub texts: u64,
    /// How the shares were estimated.
    pub method: Method,
    /// Negative, neutral, positive.
    pub shares: [Share; TONES],
    /// The shares of the most probable tone, uncorrected.
    pub counted: Shares,
}

/// The shares by the method that suits the number of texts; `None` for no text. Below [`SMALL`] texts that is the mean
/// probability with the wider of two intervals, the bootstrap's and the one that as many certain labels would have (Wilson
/// 1927).
pub fn quantify(sample: &Sketch, reference: &Reference) -> Option<Estimate> {
    let texts = sample.texts();
    let method = Method::for_texts(texts);
    let mut estimate = by_method(sample, reference, method)?;
    if texts < SMALL {
        for share in &mut estimate.shares {
            let wide = bootstrap::wilson(share.share, texts as f64);
            *share = Share { share: share.share, low: share.low.min(wide.low), high: share.high.max(wide.high) };
        }
    }
    Some(estimate)
}

/// The shares by one method; `None` for no text.
pub fn by_method(sample: &Sketch, reference: &Reference, method: Method) -> Option<Estimate> {
    let texts = sample.texts();
    if texts == 0 {
        return None;
    }
    let (points, rates) = (sample.points(), reference.rates(sample.languages()));
    Some(Estimate { texts, method, shares: method.shares(&points, &rates), counted: methods::counted(&points) })
}
