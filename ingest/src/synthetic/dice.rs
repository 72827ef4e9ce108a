//! Reproducible chance: a counter-based generator (SplitMix64, Steele, Lea & Flood 2014) whose stream depends on nothing but its key.
//!
//! Written out here because records must stay the same byte for byte when a random-number crate changes its algorithms.

/// A stream of random numbers, named by a key.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this key.
    pub fn new(seed: u64, a: u64, b: u64) -> Self {
        let a = mix(a.wrapping_add(0x632b_e59b_d9b4_e019));
        Self(mix(seed ^ mix(a ^ b.wrapping_mul(0xd605_bbb5_8c8a_bc2b))))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n (n > 0; the bias is below n / 2^32).
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// True with probability p.
    pub fn happens(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Poisson with this mean, exact: a sum of Poissons of at most 16, each by multiplication of uniforms (Knuth).
    pub fn poisson(&mut self, mean: f64) -> u32 {
        const STEP: f64 = 16.0;
        let (mut rest, mut count) = (mean, 0u32);
        while rest > 0.0 {
            let limit = (-rest.min(STEP)).exp();
            rest -= STEP;
            let mut product = self.unit();
            while product > limit {
                product *= self.unit();
                count = count.saturating_add(1);
            }
        }
        count
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws an index with given weights in constant time (Walker's alias method, built as by Vose 1991).
#[derive(Clone, Debug)]
pub struct Alias(Vec<(u32, u32)>);

impl Alias {
    /// From non-negative weights of which one at least is positive.
    pub fn new(weights: &[f64]) -> Self {
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        let mut scaled: Vec<f64> = weights.iter().map(|w| w / total * n as f64).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| scaled[i] < 1.0);
        let mut table: Vec<(u32, u32)> = (0..n).map(|i| (u32::MAX, i as u32)).collect();
        while let (Some(&l), Some(&g)) = (small.last(), large.last()) {
            small.pop();
            table[l] = ((scaled[l] * f64::from(u32::MAX)) as u32, g as u32);
            scaled[g] -= 1.0 - scaled[l];
            if scaled[g] < 1.0 {
                large.pop();
                small.push(g);
            }
        }
        Self(table)
    }

    /// An index.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let bits = dice.bits();
        let slot = (((bits >> 32) * self.0.len() as u64) >> 32) as usize;
        let (threshold, other) = self.0[slot];
        if bits as u32 <= threshold { slot } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_their_law() {
        let mut dice = Dice::new(1, 2, 3);
        let n = 200_000;
        let mean = |values: &mut dyn FnMut() -> f64| (0..n).map(|_| values()).sum::<f64>() / f64::from(n);
        assert!((mean(&mut || dice.exponential(3.0)) - 3.0).abs() < 0.03);
        assert!((mean(&mut || f64::from(dice.poisson(0.7))) - 0.7).abs() < 0.01);
        assert!((mean(&mut || f64::from(dice.poisson(40.0))) - 40.0).abs() < 0.1);
        let alias = Alias::new(&[1.0, 0.0, 3.0, 6.0]);
        let mut seen = [0u32; 4];
        (0..n).for_each(|_| seen[alias.draw(&mut dice)] += 1);
        for (seen, share) in seen.iter().zip([0.1, 0.0, 0.3, 0.6]) {
            assert!((f64::from(*seen) / f64::from(n) - share).abs() < 0.005, "{seen} {share}");
        }
    }
}
