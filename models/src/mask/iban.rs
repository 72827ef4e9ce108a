//! International bank account numbers (ISO 13616): country, length per country, mod 97.

use super::claims::Claims;
use super::scan::{is_word, next_digit, starts_word};
use super::{Kind, Page};

/// Length of the account numbers of each country in the registry.
const LENGTHS: &str = "\
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 \
    ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 \
    LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 \
    PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 \
    YE30";

/// Characters of the longest account number.
const MAX_LEN: usize = 34;

pub(super) fn find(page: &Page<'_>, claims: &mut Claims) {
    let bytes = page.bytes;
    let mut from = 0;
    while let Some(digit) = next_digit(bytes, from) {
        from = digit + 1;
        // The check digits follow the country, perhaps after a space.
        let gap = usize::from(digit > 0 && bytes[digit - 1] == b' ');
        let Some(start) = digit.checked_sub(2 + gap) else { continue };
        let country = bytes[start].is_ascii_alphabetic() && bytes[start + 1].is_ascii_alphabetic();
        if country
            && starts_word(bytes, start)
            && let Some(end) = account_end(bytes, start)
        {
            claims.add(start, end, Kind::Iban);
            from = end;
        }
    }
}

/// Where the account number that starts at `start` ends; `None` when none does.
fn account_end(bytes: &[u8], start: usize) -> Option<usize> {
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let check = start + 2 + usize::from(bytes[start + 2] == b' ');
    if !bytes[check].is_ascii_digit() || !bytes.get(check + 1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let len = length(country)?;
    let mut account = [0_u8; MAX_LEN];
    let (mut count, mut at, mut regular) = (0, start, true);
    while count < len {
        match bytes.get(at)? {
            byte if byte.is_ascii_alphanumeric() => {
                account[count] = byte.to_ascii_uppercase();
                count += 1;
            }
            // One separator between groups.
            b' ' | b'-' | b'.' if bytes[at - 1].is_ascii_alphanumeric() => regular &= count.is_multiple_of(4) || count == 2,
            _ => return None,
        }
        at += 1;
    }
    let whole = bytes.get(at).is_none_or(|byte| !is_word(*byte));
    // Words of a sentence happen to have the right length and remainder; groups of four do not.
    let tidy = regular || bytes[start..at].iter().all(|byte| !byte.is_ascii_lowercase());
    (whole && tidy && mod_97(&account[..len]) == 1).then_some(at)
}

/// Characters of an account number of this country.
fn length(country: [u8; 2]) -> Option<usize> {
    let entry = LENGTHS.as_bytes().chunks(5).find(|entry| entry[..2] == country)?;
    Some(usize::from(entry[2] - b'0') * 10 + usize::from(entry[3] - b'0'))
}

/// The remainder of ISO 7064 mod 97-10 with the first four characters moved to the end.
fn mod_97(account: &[u8]) -> u32 {
    account[4..].iter().chain(&account[..4]).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::account_end;

    #[test]
    fn length_and_checksum_decide() {
        let end = |text: &str| account_end(text.as_bytes(), 0);
        assert_eq!(end("DE89 3704 0044 0532 0130 00 and"), Some(27));
        assert_eq!(end("GB82WEST12345698765432"), Some(22));
        assert_eq!(end("fr14 2004 1010 0505 0001 3m02 606"), Some(33));
        assert_eq!(end("DE88 3704 0044 0532 0130 00"), None);
        assert_eq!(end("DE89 3704 0044 0532 0130 001"), None);
        assert_eq!(end("AB12 3704 0044 0532 0130 00"), None);
    }
}
