//! How alike two texts are by their fingerprints. The fingerprint of a text is made by `models`; whoever joins reports compares.

/// A fingerprint of 64 bits; 0 is that of a text that says nothing.
pub type Fingerprint = u64;

/// An estimate in [0, 1] of how similar two texts are by their SimHash fingerprints (Charikar 2002): the cosine of the estimated
/// angle. With 64 bits its standard error is about 0.15. Nothing is similar to a text that says nothing.
pub fn similarity(a: Fingerprint, b: Fingerprint) -> f32 {
    if a == 0 || b == 0 {
        return 0.0;
    }
    let angle = (a ^ b).count_ones() as f32 / 64.0 * std::f32::consts::PI;
    angle.cos().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_one_half_the_bits_is_nothing_and_nothing_is_like_nothing() {
        assert_eq!(similarity(7, 7), 1.0);
        assert!(similarity(u64::from(u32::MAX), u64::MAX) < 1e-6);
        assert_eq!((similarity(0, 0), similarity(9, 0)), (0.0, 0.0));
        // 16 of 64 bits: an angle of 45 degrees.
        assert!((similarity(u64::MAX, u64::MAX << 16) - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6);
    }
}
