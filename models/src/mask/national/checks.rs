//! Check digits and letters of national ids. Each function takes digit values and says whether they agree.

use super::super::digits::number;

/// Sum of digits times weights.
fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// Whether all digits are the same.
fn is_repdigit(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}

/// A social security number of the USA: no area 000 or 666, no group 00, no serial 0000. 9xx is a taxpayer number.
pub(super) fn is_us_ssn(digits: &[u8]) -> bool {
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..]));
    area != 0 && area != 666 && group != 0 && serial != 0
}

/// The tax id of Germany: ISO 7064 mod 11,10; among the first ten digits one comes twice or three times.
pub(super) fn is_steuer_id(digits: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    digits[..10].iter().for_each(|digit| counts[usize::from(*digit)] += 1);
    let repeated = counts.iter().filter(|count| **count >= 2).count();
    let most = counts.iter().max().copied().unwrap_or(0);
    let mut product = 10;
    for digit in &digits[..10] {
        let sum = (u32::from(*digit) + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    digits[0] != 0 && repeated == 1 && matches!(most, 2 | 3) && (11 - product) % 10 == u32::from(digits[10])
}

/// The taxpayer number of Brazil: two mod 11 digits.
pub(super) fn is_cpf(digits: &[u8]) -> bool {
    let check = |len: usize| {
        let sum: u32 =
            digits[..len].iter().zip((2..=len as u32 + 1).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
        let rest = sum * 10 % 11 % 10;
        rest == u32::from(digits[len])
    };
    !is_repdigit(digits) && check(9) && check(10)
}

/// The birth number of Norway: a day and two mod 11 digits.
pub(super) fn is_norwegian(digits: &[u8]) -> bool {
    const FIRST: [u32; 10] = [3, 7, 6, 1, 8, 9, 4, 5, 2, 1];
    const SECOND: [u32; 11] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1];
    is_day(&digits[..6]) && weighted(digits, &FIRST).is_multiple_of(11) && weighted(digits, &SECOND).is_multiple_of(11)
}

/// The identity number of Türkiye.
pub(super) fn is_turkish(digits: &[u8]) -> bool {
    let odd: u32 = digits[..9].iter().step_by(2).map(|digit| u32::from(*digit)).sum();
    let even: u32 = digits[1..8].iter().step_by(2).map(|digit| u32::from(*digit)).sum();
    let tenth = (odd * 7 + 90 - even) % 10;
    let sum: u32 = digits[..10].iter().map(|digit| u32::from(*digit)).sum();
    digits[0] != 0 && tenth == u32::from(digits[9]) && sum % 10 == u32::from(digits[10])
}

/// The Aadhaar number of India: Verhoeff's check over the dihedral group of order ten.
pub(super) fn is_aadhaar(digits: &[u8]) -> bool {
    let multiply = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - b + 5) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let check = digits.iter().rev().enumerate().fold(0, |check, (place, digit)| {
        let permuted = (0..place % 8).fold(*digit, |digit, _| PERMUTATION[usize::from(digit)]);
        multiply(check, permuted)
    });
    digits[0] >= 2 && check == 0
}

/// The national number of Belgium: 97 less the remainder, with a 2 in front for those born from 2000.
pub(super) fn is_belgian(digits: &[u8]) -> bool {
    let (body, check) = (number(&digits[..9]), number(&digits[9..]));
    97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check
}

/// The number of the French social security: sex, birth, and where a key is given, 97 less the remainder.
pub(super) fn is_nir(digits: &[u8]) -> bool {
    let month = number(&digits[3..5]);
    let possible = matches!(digits[0], 1..=4 | 7 | 8) && matches!(month, 1..=12 | 20..=42 | 50..=99);
    possible && (digits.len() == 13 || 97 - number(&digits[..13]) % 97 == number(&digits[13..]))
}

/// The identity number of China: a day in full and ISO 7064 mod 11-2. Seventeen digits: the check is X.
pub(super) fn is_chinese(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let check = (12 - weighted(digits, &WEIGHTS) % 11) % 11;
    let century = matches!(number(&digits[6..8]), 18..=20);
    century && is_day_reversed(&digits[8..14]) && digits.get(17).map_or(10, |digit| u32::from(*digit)) == check
}

/// The number of Chile: mod 11 with weights 2 to 7 from the right; 10 stands for K.
pub(super) fn is_rut(digits: &[u8], check: u8) -> bool {
    let sum: u32 = digits.iter().rev().zip((2..=7).cycle()).map(|(digit, weight): (&u8, u32)| u32::from(*digit) * weight).sum();
    (11 - sum % 11) % 11 == u32::from(check)
}

/// Weights 1 and 3 from the left: Switzerland's number, which begins with 756.
pub(super) fn is_ean(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().enumerate().map(|(place, digit)| u32::from(*digit) * if place % 2 == 0 { 1 } else { 3 }).sum();
    sum.is_multiple_of(10)
}

/// The check letter of a Spanish identity number.
pub(super) fn dni_letter(number: u64) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]
}

/// The check letter of a Singaporean identity number with the letter `first`.
pub(super) fn nric_letter(first: u8, digits: &[u8]) -> u8 {
    let offset = match first {
        b'T' | b'G' => 4,
        b'M' => 3,
        _ => 0,
    };
    let rest = ((weighted(digits, &[2, 7, 6, 5, 4, 3, 2]) + offset) % 11) as usize;
    match first {
        b'S' | b'T' => b"JZIHGFEDCBA"[rest],
        b'M' => b"XWUTRQPNJLK"[10 - rest],
        _ => b"XWUTRQPNMLK"[rest],
    }
}

/// Where an Irish public service number ends whose seven digits end at `end`: a check letter, and perhaps a second letter.
pub(super) fn pps_end(bytes: &[u8], end: usize, digits: &[u8]) -> Option<usize> {
    let letters = bytes[end..].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let second = match letters {
        1 => 0,
        2 if bytes[end + 1] <= b'I' || bytes[end + 1] == b'W' => u32::from(bytes[end + 1] - b'A' + 1) % 23,
        _ => return None,
    };
    let rest = (weighted(digits, &[8, 7, 6, 5, 4, 3, 2]) + second * 9) % 23;
    let letter = if rest == 0 { b'W' } else { b'A' + rest as u8 - 1 };
    (bytes[end] == letter && super::ends_word(bytes, end + letters)).then_some(end + letters)
}

/// The check of a Finnish personal code: the nine digits mod 31 pick a character.
pub(super) fn is_hetu(day: &[u8], serial: &[u8]) -> bool {
    let digits: u64 = serial[..3].iter().fold(number(day), |sum, byte| sum * 10 + u64::from(byte - b'0'));
    is_day(day) && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(digits % 31) as usize] == serial[3].to_ascii_uppercase()
}

/// The identity number of Taiwan: the letter's number and weights 8 to 1, mod 10.
pub(super) fn is_taiwanese(token: &[u8]) -> bool {
    const LETTERS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(place) = LETTERS.iter().position(|letter| letter.eq_ignore_ascii_case(&token[0])) else { return false };
    let code = place as u32 + 10;
    let digits: Vec<u8> = token[1..].iter().map(|byte| byte - b'0').collect();
    let sum = code / 10 + code % 10 * 9 + weighted(&digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digits[0], 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// Day and month of `ddmmyy`.
pub(super) fn is_day(digits: &[u8]) -> bool {
    (1..=31).contains(&number(&digits[..2])) && (1..=12).contains(&number(&digits[2..4]))
}

/// Month and day of `yymmdd`; foreigners in Sweden have sixty added to the day.
pub(super) fn is_day_reversed(digits: &[u8]) -> bool {
    (1..=12).contains(&number(&digits[2..4])) && matches!(number(&digits[4..6]), 1..=31 | 61..=91)
}

/// Day and month of `ddmmyy` in ASCII.
pub(super) fn is_day_like(ascii: &[u8]) -> bool {
    let mut digits = [0_u8; 6];
    digits.iter_mut().zip(ascii).for_each(|(digit, byte)| *digit = byte - b'0');
    is_day(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_examples_pass_and_a_changed_digit_fails() {
        type Check = fn(&[u8]) -> bool;
        let examples: [(Check, &str, &str); 9] = [
            (is_steuer_id, "86095742719", "86095742718"),
            (is_cpf, "529.982.247-25", "529.982.247-26"),
            (is_norwegian, "01010750160", "01010750161"),
            (is_turkish, "10000000146", "10000000147"),
            (is_aadhaar, "2234 5678 9018", "2234 5678 9019"),
            (is_belgian, "85.07.30-033.28", "85.07.30-033.29"),
            (is_nir, "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"),
            (is_chinese, "11010519491231002", "11010519491231003"),
            (is_ean, "756.9217.0769.85", "756.9217.0769.86"),
        ];
        for (check, right, wrong) in examples {
            assert!(check(&digits(right)), "{right}");
            assert!(!check(&digits(wrong)), "{wrong}");
        }
        assert!(is_rut(&digits("12345678"), 5) && !is_rut(&digits("12345678"), 4));
        assert_eq!(dni_letter(12_345_678), b'Z');
        assert_eq!(nric_letter(b'S', &digits("1234567")), b'D');
        assert_eq!(pps_end(b"1234567FA", 7, &digits("1234567")), Some(9));
        assert_eq!(pps_end(b"1234567T", 7, &digits("1234567")), Some(8));
        assert!(is_hetu(&digits("131052"), b"308T"));
        assert!(is_taiwanese(b"A123456789"));
        assert!(is_us_ssn(&digits("123456789")) && !is_us_ssn(&digits("000456789")));
    }
}
