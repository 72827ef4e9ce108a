//! The weights file: one magic word, a format version, sizes, numbers in little-endian order, a checksum over everything.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::network::{EMBEDDING, HEADS, Network, OUTPUTS};
use super::reading::Calibration;
use super::table::{MAX_ROWS, Quantised, Slots};
use super::{CALIBRATION_GROUPS, Calibrations};

const MAGIC: &[u8; 8] = b"CIVCOMPT";
/// The format of weights files that this program reads. Raised whenever a feature or a shape changes.
pub const FORMAT_VERSION: u32 = 4;
/// No weights file is larger; more is refused before it is read.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why weights were refused.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("cannot read the weights file {path}: {source}; check the path and its permissions")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be a weights file.
    #[error("{problem}: this is no weights file of the compact tier; use one that `civicpulse model train` has written")]
    Foreign {
        /// What is different.
        problem: String,
    },
    /// The file is of another format.
    #[error(
        "the weights are of format {found}, this program reads format {FORMAT_VERSION}: train again with this version of civicpulse"
    )]
    Format {
        /// The file's format.
        found: u32,
    },
    /// The file is shorter or longer than its sizes say.
    #[error("the weights file has {found} bytes instead of {expected}: it is truncated or has been added to; copy it again")]
    Length {
        /// Bytes that its sizes call for.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The checksum does not match.
    #[error("the checksum of the weights does not match their content: the file was damaged or altered; copy it again")]
    Checksum,
}

/// Everything that a trained model consists of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    /// The feature of each row; the first `common_rows` are words that are usually written without a capital.
    pub(crate) hashes: Vec<u32>,
    /// Finds the row of a feature; made from `hashes`.
    pub(crate) slots: Slots,
    pub(crate) common_rows: u32,
    pub(crate) rows: Quantised,
    pub(crate) network: Network,
    pub(crate) calibrations: Calibrations,
}

impl Weights {
    /// Whether the word with this unigram is usually written without a capital.
    pub(crate) fn is_common(&self, unigram: u32) -> bool {
        self.slots.row(unigram).is_some_and(|row| row < self.common_rows)
    }

    /// How many bytes the file has.
    pub(crate) fn file_bytes(&self) -> usize {
        file_bytes(self.rows.rows.len())
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let rows = self.rows.rows.len();
        let mut bytes = Vec::with_capacity(file_bytes(rows));
        bytes.extend_from_slice(MAGIC);
        for number in header(rows, self.common_rows) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_le_bytes()));
        self.rows.rows.iter().flatten().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        let calibrations = self.calibrations.iter().flatten().flat_map(Calibration::numbers);
        let numbers = self.rows.scales.iter().chain(self.network.parameters()).copied().chain(calibrations);
        numbers.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Weights and their checksum from the bytes of a file. Nothing is believed before the checksum matches.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, u64), WeightsError> {
        let foreign = |problem: &str| WeightsError::Foreign { problem: problem.to_owned() };
        let mut reader = Reader { bytes };
        if reader.take(MAGIC.len()).is_none_or(|magic| magic != MAGIC) {
            return Err(foreign("the first bytes are not CIVCOMPT"));
        }
        let mut header_numbers = [0u32; HEADER_NUMBERS];
        for number in &mut header_numbers {
            *number = reader.u32().ok_or(WeightsError::Length { expected: HEADER_BYTES, found: bytes.len() })?;
        }
        let [format, rows, common_rows, ..] = header_numbers;
        if format != FORMAT_VERSION {
            return Err(WeightsError::Format { found: format });
        }
        let rows = rows as usize;
        if header_numbers != header(rows, common_rows) || rows > MAX_ROWS || common_rows as usize > rows {
            return Err(foreign("the sizes in the header are not those of this network"));
        }
        let expected = file_bytes(rows);
        if bytes.len() != expected {
            return Err(WeightsError::Length { expected, found: bytes.len() });
        }
        let (content, checksum) = bytes.split_at(expected - 8);
        let checksum = u64::from_le_bytes(checksum.try_into().map_err(|_| WeightsError::Checksum)?);
        if xxh3_64(content) != checksum {
            return Err(WeightsError::Checksum);
        }
        let weights = reader.weights(rows, common_rows).ok_or_else(|| foreign("numbers are out of range"))?;
        Ok((weights, checksum))
    }
}

const HEADER_NUMBERS: usize = 6;
const HEADER_BYTES: usize = MAGIC.len() + HEADER_NUMBERS * 4;

/// Format, rows, and the shapes that are fixed in this format.
fn header(rows: usize, common_rows: u32) -> [u32; HEADER_NUMBERS] {
    [FORMAT_VERSION, rows as u32, common_rows, EMBEDDING as u32, Network::PARAMETERS as u32, OUTPUTS as u32]
}

fn file_bytes(rows: usize) -> usize {
    let numbers = EMBEDDING + Network::PARAMETERS + CALIBRATION_GROUPS * HEADS.len() * Calibration::NUMBERS;
    HEADER_BYTES + rows * (4 + EMBEDDING) + numbers * 4 + 8
}

/// Reads a file whose size is bounded.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let failed = |source| WeightsError::Read { path: path.display().to_string(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE_BYTES {
        return Err(WeightsError::Foreign { problem: format!("{} has {size} bytes", path.display()) });
    }
    std::fs::read(path).map_err(failed)
}

/// Takes numbers from the front of the file.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(bytes)?;
        self.bytes = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.u32().map(f32::from_bits).filter(|value| value.is_finite())
    }

    fn weights(&mut self, rows: usize, common_rows: u32) -> Option<Weights> {
        let hashes = (0..rows).map(|_| self.u32()).collect::<Option<Vec<u32>>>()?;
        let slots = Slots::new(&hashes)?;
        let (values, []) = self.take(rows * EMBEDDING)?.as_chunks::<EMBEDDING>() else { return None };
        let rows = values.iter().map(|row| row.map(|value| value as i8)).collect();
        let mut scales = [0.0; EMBEDDING];
        for scale in &mut scales {
            *scale = self.f32()?;
        }
        let mut network = Network::zeroed();
        for value in network.parameters_mut() {
            *value = self.f32()?;
        }
        let mut calibrations = [[Calibration::NONE; HEADS.len()]; CALIBRATION_GROUPS];
        for calibration in calibrations.iter_mut().flatten() {
            *calibration = Calibration::from_numbers([self.f32()?, self.f32()?, self.f32()?])?;
        }
        Some(Weights { hashes, slots, common_rows, rows: Quantised { rows, scales }, network, calibrations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Weights {
        let mut network = Network::zeroed();
        network.parameters_mut().enumerate().for_each(|(position, value)| *value = position as f32 / 7.0);
        let rows = vec![[0.5; EMBEDDING], [-0.25; EMBEDDING]];
        Weights {
            hashes: vec![17, 99_000_000],
            slots: Slots::new(&[17, 99_000_000]).unwrap(),
            common_rows: 1,
            rows: Quantised::new(&rows),
            network,
            calibrations: [[Calibration { temperature: 1.5, slope: 0.75, shift: -0.25 }; HEADS.len()]; CALIBRATION_GROUPS],
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was() {
        let weights = sample();
        let bytes = weights.encode();
        assert_eq!(Weights::decode(&bytes).unwrap().0, weights);
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        let bytes = sample().encode();
        let message = |bytes: &[u8]| Weights::decode(bytes).unwrap_err().to_string();
        assert!(message(&bytes[..bytes.len() - 1]).contains("truncated"));
        assert!(message(&[bytes.as_slice(), b"x"].concat()).contains("added to"));
        assert!(message(b"PK\x03\x04 something else").contains("no weights file"));
        let mut newer = bytes.clone();
        newer[8] = 9;
        assert!(message(&newer).contains("format 9"));
        let missing = super::super::CompactModel::load(Path::new("no/such/file")).unwrap_err().to_string();
        assert!(missing.contains("no/such/file"), "{missing}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_altered_byte_and_any_cut_is_refused(place in any::<proptest::sample::Index>(), flip in 1u8..) {
            let mut bytes = sample().encode();
            let place = place.index(bytes.len());
            prop_assert!(Weights::decode(&bytes[..place]).is_err());
            bytes[place] ^= flip;
            prop_assert!(Weights::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with_magic = [MAGIC.as_slice(), &bytes].concat();
            prop_assert!(Weights::decode(&bytes).is_err() && Weights::decode(&with_magic).is_err());
        }
    }
}
