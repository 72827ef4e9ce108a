//! Words that repeat (districts, agencies, categories, ...) as codes, interned once for all rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::StringViewArray;

/// The code of a missing word.
pub(crate) const NULL: u32 = u32::MAX;

/// The code that stands for the whole city where a district is expected.
pub(crate) const CITY: u32 = u32::MAX - 1;

/// Distinct words a column may have; what comes after is shown as [`OVERFLOW`], so that a source that invents a category per
/// report cannot fill memory.
pub(crate) const MAX_WORDS: usize = 1 << 20;

/// What stands for every word beyond [`MAX_WORDS`].
pub(crate) const OVERFLOW: &str = "(more than a million values)";

/// An append-only two-way table of words and codes. Codes are stable, also over restarts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    words: Vec<Arc<str>>,
    codes: HashMap<Arc<str>, u32>,
    bytes: usize,
}

impl Words {
    /// The code of a word, new if need be.
    pub(crate) fn intern(&mut self, word: &str) -> u32 {
        if let Some(code) = self.inner.codes.get(word) {
            return *code;
        }
        let word = if self.inner.words.len() < MAX_WORDS { word } else { OVERFLOW };
        if let Some(code) = self.inner.codes.get(word) {
            return *code;
        }
        let inner = Arc::make_mut(&mut self.inner);
        let (code, word): (u32, Arc<str>) = (inner.words.len() as u32, word.into());
        inner.bytes += 2 * size_of::<Arc<str>>() + size_of::<u32>() + 16 + word.len();
        inner.words.push(word.clone());
        inner.codes.insert(word, code);
        code
    }

    /// The word of a code; `None` for [`NULL`].
    pub(crate) fn word(&self, code: u32) -> Option<&Arc<str>> {
        self.inner.words.get(code as usize)
    }

    pub(crate) fn all(&self) -> &[Arc<str>] {
        &self.inner.words
    }

    pub(crate) fn bytes(&self) -> usize {
        self.inner.bytes
    }

    /// All words by code, as the array that codes are looked up in.
    pub(crate) fn to_array(&self) -> StringViewArray {
        StringViewArray::from_iter_values(self.inner.words.iter().map(|word| &**word))
    }
}

/// One table of words per column that repeats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionaries {
    pub(crate) source: Words,
    pub(crate) category: Words,
    pub(crate) agency: Words,
    pub(crate) district: Words,
    pub(crate) language: Words,
    pub(crate) model_version: Words,
}

impl Dictionaries {
    /// Every table, in a fixed order that checkpoints rely on.
    pub(crate) fn each(&self) -> [&Words; 6] {
        [&self.source, &self.category, &self.agency, &self.district, &self.language, &self.model_version]
    }

    pub(crate) fn each_mut(&mut self) -> [&mut Words; 6] {
        [
            &mut self.source,
            &mut self.category,
            &mut self.agency,
            &mut self.district,
            &mut self.language,
            &mut self.model_version,
        ]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.each().iter().map(|words| words.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_clones_frozen() {
        let mut words = Words::default();
        let back_bay = words.intern("Back Bay");
        let frozen = words.clone();
        assert_eq!(words.intern("Dorchester"), 1);
        assert_eq!(words.intern("Back Bay"), back_bay);
        assert_eq!((frozen.all().len(), words.word(NULL).is_none()), (1, true));
        assert_eq!(words.to_array().value(1), "Dorchester");
    }
}
