//! The hash of a feature: 32 bits, the same on every machine and in every version of a weights file.

/// An unfinished hash. Kinds of feature start from different salts, so that the word "art" and the gram "art" differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash(u64);

impl Hash {
    /// An empty feature of one kind.
    pub(super) const fn salted(kind: u8) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ ((kind as u64) << 32))
    }

    /// Appends a number or a code point. One multiplication: this runs some three hundred times a tweet.
    pub(super) const fn number(self, value: u32) -> Self {
        Self((self.0.rotate_left(23) ^ value as u64).wrapping_mul(0xff51_afd7_ed55_8ccd))
    }

    /// Appends a character.
    pub(super) const fn char(self, c: char) -> Self {
        self.number(c as u32)
    }

    /// Appends a finished feature, as a bigram does.
    pub(super) const fn and(self, other: u32) -> Self {
        self.number(other)
    }

    /// The 32 bits, well mixed.
    pub(super) const fn finish(self) -> u32 {
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (mixed >> 32) as u32
    }
}
