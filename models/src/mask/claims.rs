//! Which bytes are spoken for, in constant time a byte, and how claims become a masked text.

use super::Kind;

/// Bytes `[start, end)` that hold personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

/// The claims of one pass. A bit a byte says what is taken, so that a text made of claims costs no more than its length.
#[derive(Default)]
pub(super) struct Claims {
    list: Vec<Claim>,
    taken: Vec<u64>,
}

impl Claims {
    /// Forgets everything; the text has `len` bytes.
    pub fn reset(&mut self, len: usize) {
        self.list.clear();
        self.taken.clear();
        self.taken.resize(len / 64 + 1, 0);
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether nobody has any byte of `[start, end)`.
    pub fn is_free(&self, start: usize, end: usize) -> bool {
        (start..end).all(|byte| self.taken[byte / 64] >> (byte % 64) & 1 == 0)
    }

    /// Takes `[start, end)` as `kind`, unless some of it is taken. Returns whether it was free.
    pub fn add(&mut self, start: usize, end: usize, kind: Kind) -> bool {
        let free = start < end && self.is_free(start, end);
        if free {
            self.protect(start, end);
            self.list.push(Claim { start, end, kind });
        }
        free
    }

    /// Takes `[start, end)` so that nobody masks it: a plain link, a date.
    pub fn protect(&mut self, start: usize, end: usize) {
        for byte in start..end {
            self.taken[byte / 64] |= 1 << (byte % 64);
        }
    }

    /// Moves every claim to other coordinates; `place` must be monotonic.
    pub fn map(&mut self, place: impl Fn(usize) -> usize) {
        for claim in &mut self.list {
            (claim.start, claim.end) = (place(claim.start), place(claim.end));
        }
    }

    /// The claims in the order of the text.
    pub fn sorted(&mut self) -> Vec<Claim> {
        self.list.sort_unstable_by_key(|claim| claim.start);
        self.list.clone()
    }
}

/// Writes `text` with every claim replaced by its placeholder. Claims are sorted and do not overlap.
pub(super) fn render(text: &str, claims: &[Claim], out: &mut String) {
    out.clear();
    out.reserve(text.len());
    let mut from = 0;
    for claim in claims {
        out.push_str(&text[from..claim.start]);
        out.push_str(claim.kind.placeholder());
        from = claim.end;
    }
    out.push_str(&text[from..]);
}

/// Joins the claims `first` on an original with the claims `second` on its rendering. A claim of the second that touches
/// the inside of a placeholder swallows what stood there.
pub(super) fn merge(first: &[Claim], second: &[Claim]) -> Vec<Claim> {
    let mut merged: Vec<Claim> = Vec::with_capacity(first.len() + second.len());
    let (mut old, mut rest) = (first.iter().peekable(), second.iter());
    // Distance from rendering to original after the claims passed so far.
    let (mut shift, mut next) = (0_isize, rest.next());
    while let Some(claim) = next {
        let mut start = None;
        let mut swallowed = None;
        while let Some(placed) = old.peek() {
            let rendered = placed.start.wrapping_add_signed(-shift);
            let width = placed.kind.placeholder().len();
            if rendered + width <= claim.start {
                merged.push(**placed);
            } else if rendered < claim.end {
                start.get_or_insert(if rendered < claim.start { placed.start } else { claim.start.wrapping_add_signed(shift) });
                swallowed = Some((placed.end, rendered + width));
            } else {
                break;
            }
            shift = placed.end as isize - (rendered + width) as isize;
            old.next();
        }
        let start = start.unwrap_or(claim.start.wrapping_add_signed(shift));
        let end = match swallowed {
            Some((placed_end, rendered_end)) if claim.end <= rendered_end => placed_end,
            _ => claim.end.wrapping_add_signed(shift),
        };
        merged.push(Claim { start, end, kind: claim.kind });
        next = rest.next();
    }
    merged.extend(old.copied());
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(start: usize, end: usize, kind: Kind) -> Claim {
        Claim { start, end, kind }
    }

    #[test]
    fn what_is_taken_or_protected_is_not_taken_again() {
        let mut claims = Claims::default();
        claims.reset(200);
        assert!(claims.add(60, 70, Kind::Card));
        assert!(!claims.add(69, 80, Kind::Phone));
        claims.protect(100, 110);
        assert!(!claims.add(90, 101, Kind::Phone));
        assert!(claims.add(70, 100, Kind::Phone));
        assert_eq!(claims.sorted(), [claim(60, 70, Kind::Card), claim(70, 100, Kind::Phone)]);
    }

    #[test]
    fn a_second_pass_is_mapped_back_over_the_placeholders() {
        let text = "abcdefghij0123456789klmnop";
        let first = [claim(2, 4, Kind::Card), claim(10, 20, Kind::Iban)];
        let mut rendered = String::new();
        render(text, &first, &mut rendered);
        assert_eq!(rendered, "ab<card>efghij<iban>klmnop");
        let second = [claim(9, 11, Kind::Name), claim(21, 22, Kind::Name)];
        let merged = merge(&first, &second);
        let mut out = String::new();
        render(text, &merged, &mut out);
        assert_eq!(out, "ab<card>e<name>hij<iban>k<name>mnop");
    }
}
