//! Bytes of a text, sixty-four at a time, so that questions about each run on vectors.

/// Bytes that are looked at together.
pub(crate) const CHUNK: usize = 64;

/// The chunk that begins at `from`, which is in the text; zeros past its end.
pub(crate) fn chunk_at(bytes: &[u8], from: usize) -> [u8; CHUNK] {
    let rest = &bytes[from..];
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut chunk = [0; CHUNK];
        chunk[..rest.len()].copy_from_slice(rest);
        chunk
    })
}

/// A bit for every byte of a chunk, set where `is` says so. `is` should be without branches, so that it runs on vectors of bytes.
#[inline]
pub(crate) fn mask_of(chunk: &[u8; CHUNK], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; CHUNK];
    flags.iter_mut().zip(chunk).for_each(|(flag, byte)| *flag = u8::from(is(*byte)));
    // Each product gathers the lowest bits of eight bytes in its highest byte.
    flags
        .as_chunks::<8>()
        .0
        .iter()
        .rev()
        .fold(0, |mask, flags| mask << 8 | u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_for_every_byte(bytes in proptest::collection::vec(any::<u8>(), 1..100)) {
            let mask = mask_of(&chunk_at(&bytes, 0), |byte| byte.is_ascii_alphabetic());
            for bit in 0..CHUNK {
                prop_assert_eq!(mask >> bit & 1 == 1, bytes.get(bit).is_some_and(u8::is_ascii_alphabetic));
            }
        }
    }
}
