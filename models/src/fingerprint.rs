//! A fingerprint of what a text tells: 64 bits of which few differ when two people report the same thing in their own words.
//!
//! The method is SimHash (Charikar 2002, "Similarity estimation techniques from rounding algorithms"): every feature of the text
//! has a hash of 64 bits, each bit of the fingerprint is the weighted majority of the features' bits, and the share of differing
//! bits estimates the angle between the two texts as vectors of features. b-bit minwise hashing (Li & König 2010) was the
//! alternative; it knows no weights, and weights are what makes short reports comparable: everyday words count nothing, what
//! is rare counts most.
//!
//! Features are the words without case, accents and endings, with words that citizens use for the same thing (lamp, light,
//! farola, Laterne) mapped to one concept. Scripts that write words together give pairs of characters. Two languages share
//! numbers, names and concepts, nothing else.
//!
//! Measured on the reports in `tests/data/paraphrases.tsv`, told in different words: see the test that reads it. By itself a
//! fingerprint says "about the same kind of thing"; whether it is the same incident, place and time decide with it.

// Whoever joins reports compares fingerprints without reading texts: the comparison lives where everybody can use it.
pub use feedback::fingerprint::{Fingerprint, similarity};

/// Words that are looked at; more only repeat what a report is about.
const MAX_WORDS: usize = 256;

/// Letters of a word that are kept: inflection is at the end.
const STEM_CHARS: usize = 5;

/// Weights: of a concept, of a number, of a usual word, of a long and so a rare one.
const CONCEPT: u32 = 6;
const NUMBER: u32 = 3;
const WORD: u32 = 2;
const LONG_WORD: u32 = 3;

/// The fingerprint of a text. Linear in its length, without allocation.
pub fn fingerprint(text: &str) -> Fingerprint {
    let mut majority = Majority::default();
    let mut words = 0;
    let mut stem = Stem::default();
    let mut previous = None;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            stem.push(c.to_ascii_lowercase());
        } else if c.is_ascii() {
            words += usize::from(stem.flush(&mut majority));
        } else if is_written_together(c) {
            words += usize::from(stem.flush(&mut majority));
            if let Some(before) = previous.replace(c) {
                majority.add(mix(u64::from(u32::from(before)) << 32 | u64::from(u32::from(c))), WORD);
                words += 1;
            }
        } else if c.is_alphanumeric() {
            stem.push(fold(c));
        } else if !matches!(u32::from(c), 0x200B..=0x200F | 0xAD | 0x300..=0x36F) {
            words += usize::from(stem.flush(&mut majority));
        }
        if c.is_ascii() {
            previous = None;
        }
        if words >= MAX_WORDS {
            break;
        }
    }
    stem.flush(&mut majority);
    majority.bits()
}

/// Counts of set bits at 64 places at once: plane `p` holds bit `p` of every count.
#[derive(Default)]
struct Majority {
    planes: [u64; PLANES],
    total: u32,
}

/// Enough for [`MAX_WORDS`] of the greatest weight, and pairs of characters.
const PLANES: usize = 12;

impl Majority {
    fn add(&mut self, hash: u64, weight: u32) {
        self.total += weight;
        for first in (0..3).filter(|bit| weight >> bit & 1 == 1) {
            let mut carry = hash;
            for plane in &mut self.planes[first..] {
                (*plane, carry) = (*plane ^ carry, *plane & carry);
                if carry == 0 {
                    break;
                }
            }
        }
    }

    /// The places where more than half of the weight had the bit set.
    fn bits(&self) -> u64 {
        let half = self.total / 2;
        let (mut greater, mut equal) = (0, u64::MAX);
        for (place, plane) in self.planes.iter().enumerate().rev() {
            let threshold = if half >> place & 1 == 1 { u64::MAX } else { 0 };
            greater |= equal & plane & !threshold;
            equal &= !(plane ^ threshold);
        }
        greater
    }
}

/// The hash of the beginning of a word (FNV-1a over its folded characters).
struct Stem {
    hash: u64,
    /// The hash before the last character, for a word that loses its plural.
    shorter: u64,
    chars: usize,
    last: char,
    digits: bool,
}

impl Default for Stem {
    fn default() -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, shorter: 0, chars: 0, last: ' ', digits: false }
    }
}

impl Stem {
    /// Takes the next character of the word, folded.
    fn push(&mut self, c: char) {
        self.chars += 1;
        self.digits |= c.is_numeric();
        self.last = c;
        // Numbers are told apart by their last digit too.
        if self.digits || self.chars <= STEM_CHARS {
            self.shorter = self.hash;
            self.hash = (self.hash ^ u64::from(u32::from(c))).wrapping_mul(0x100_0000_01B3);
        }
    }

    /// What is left of the word: a long one was cut on the way, a short one loses its plural.
    fn cut(&self) -> u64 {
        let plural = self.chars <= STEM_CHARS && self.chars > 3 && self.last == 's' && !self.digits;
        mix(if plural { self.shorter } else { self.hash })
    }

    /// Ends the word. Returns whether it counted.
    fn flush(&mut self, majority: &mut Majority) -> bool {
        if self.chars == 0 {
            return false;
        }
        let word = std::mem::take(self);
        let hash = word.cut();
        let (feature, weight) = match concept(hash) {
            _ if word.chars == 1 && !word.digits => return false,
            Some(0) => return false,
            Some(concept) => (mix(u64::from(concept)), CONCEPT),
            None if word.digits => (hash, NUMBER),
            None if word.chars > 6 => (hash, LONG_WORD),
            None => (hash, WORD),
        };
        majority.add(feature, weight);
        true
    }
}

/// Lower case without the accents of Latin-1; digits of any script stay as they are.
fn fold(c: char) -> char {
    match c {
        'a'..='z' | '0'..='9' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        'à'..='å' | 'À'..='Å' => 'a',
        'ç' | 'Ç' => 'c',
        'è'..='ë' | 'È'..='Ë' => 'e',
        'ì'..='ï' | 'Ì'..='Ï' => 'i',
        'ñ' | 'Ñ' => 'n',
        'ò'..='ö' | 'Ò'..='Ö' => 'o',
        'ù'..='ü' | 'Ù'..='Ü' => 'u',
        'ß' => 's',
        _ => c.to_lowercase().next().unwrap_or(c),
    }
}

fn is_written_together(c: char) -> bool {
    matches!(u32::from(c), 0x0E01..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3041..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x323AF)
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every bit depends on every bit.
const fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

/// Words that mean about the same in a report, a line each; the first line says nothing at all. Folded and cut as stems are.
const CONCEPTS: &str = "\
the a an and or of to in on at is it its are was were be been being has have had do does did this that these those there here i my me we our us you your he she they them their his her with without for from by as not no but so if then than very really just also too can could will would should please thank thanks hello hi dear city since about again still now get got go going one some any all more most much many out up down off over into when where who what which why how last since every time week weeks day days today yesterday morning night hour hours month months year years near next front der die das ein eine einer einem einen und oder von zu zum zur im in am an auf ist sind war hat haben nicht kein keine mit ohne fur aus bei seit sehr auch noch nur schon bitte danke hier wir ich sie es man el la los las un una uno y o de del al en es esta estan hay son no con sin por para muy que se su mi lo le ya desde favor gracias hace le les des du et ou est sont il elle on nous vous je ne pas avec sans pour par sur dans depuis tres plus qui que ce cette il lo gli una di da e che non con per sono ha dal della alla nel si piu molto da do dos os as um uma ao na no em com sem ha muito mais desde semana semanas dias tage woche wochen jour jours semaine giorni settimana
light lights lamp lamps lamppost streetlight streetlights streetlamp lighting bulb lantern laterne strassenlaterne strassenlampe lampe beleuchtung farola farolas luz alumbrado lampadaire eclairage lumiere lampione lampioni luce illuminazione poste candeeiro iluminacao
broken broke out dark dead burnt burned failed failing faulty defective working damaged damage defekt kaputt dunkel aus fundida apagada apagado rota roto averia averiada panne casse eteint cassee guasto guasta spento rotto avariado quebrado quebrada apagada queimada escuro
pothole potholes hole holes crater craters schlagloch schlagloecher schlaglocher loch bache baches hoyo agujero nid trou trous buca buche buraco buracos
road roads street streets roadway pavement asphalt tarmac carriageway avenue strasse strassen fahrbahn calle calles avenida carretera rue chaussee route strada via asfalto rua estrada
sidewalk sidewalks footpath footway pavements gehweg gehsteig burgersteig trottoir acera aceras banqueta marciapiede calcada passeio
trash garbage rubbish refuse waste litter bin bins dumpster mull muell abfall mulltonne tonne basura contenedor cubo poubelle poubelles ordures dechets rifiuti spazzatura cassonetto lixo contentor caixote
collected collection collect pickup picked emptied empty overflowing overflow full abgeholt geleert uberfullt voll recogida recogen lleno llena ramassage ramasse deborde pleine raccolta ritirato pieno recolha coleta cheio
tree trees branch branches limb limbs trunk baum baume ast aste arbol arboles rama ramas arbre branche albero ramo rami arvore galho
fallen fell falling collapsed toppled uprooted umgesturzt umgefallen gefallen gestur caido caida cayo tombe tombee caduto caduta caiu caido
blocked blocking blocks block blockage obstructed obstructing impassable blockiert versperrt bloqueado bloqueada bloquea bloque bloquee bloccato bloccata ostruito
water leak leaking leaks leakage burst hydrant pipe main wasser rohrbruch leck leitung agua fuga tuberia eau fuite canalisation acqua perdita tubo vazamento cano
flood flooded flooding floods drain drains sewer drainage gully puddle uberschwemmt uberflutet gully kanal inundado inundada inundacion alcantarilla inonde inondation egout allagato allagata allagamento tombino alagado alagada bueiro esgoto
noise noisy loud music party blaring hammering jackhammer larm laut ruido ruidoso musica bruit bruyant fete rumore barulho
graffiti tag tags spray sprayed painted vandal vandalism vandalised vandalized schmiererei beschmiert pintada pintadas grafiti tague murales scritte pichacao
dog dogs cat cats stray hund hunde perro perros chien chiens cane cani cao caes cachorro
rat rats mouse mice rodent rodents vermin ratte ratten rata ratas topi ratto ratazana
bus buses coach tram trams autobus autobuses onibus autocarro
late delayed delay delays waiting wait skipped cancelled canceled verspatet verspatung ausgefallen retraso tarde retard annule ritardo cancellato atraso atrasado
car cars vehicle vehicles van truck auto autos wagen fahrzeug coche coches carro carros voiture voitures camion macchina macchine
parked parking illegally parkt geparkt parken aparcado aparcados estacionado gare garee stationnement parcheggiata parcheggiato parcheggio
signal signals ampel semaforo semaforos feu feux
crossing crosswalk crossings zebra kreuzung cruce intersection corner junction incrocio cruzamento esquina carrefour ecke
smoke fire burning flames blaze rauch feuer brennt brand humo fuego incendio fumee incendie feu fumo fuoco fogo
gas smell smells stink stinks stench odor odour geruch stinkt gestank olor huele odeur odore puzza cheiro
snow ice icy plowed plow ploughed slippery schnee eis glatt geraumt nieve hielo neige verglas neve ghiaccio
heat heating boiler hot heizung warm calefaccion chauffage riscaldamento aquecimento
power electricity outage blackout strom stromausfall luz electricidad apagon courant coupure elettricita corrente energia
injured hurt accident crash hit collision unfall verletzt accidente herido accident blesse incidente ferito acidente ferido
child children kid kids school kinder kind schule nino ninos escuela enfant enfants ecole bambino bambini scuola crianca criancas escola
dangerous danger unsafe hazard hazardous risky gefahrlich gefahr peligro peligroso peligrosa dangereux dangereuse pericoloso pericolosa perigoso perigosa perigo
playground swing slide spielplatz schaukel columpio jeux aire giochi altalena parquinho
needle needles syringe syringes spritze spritzen jeringa jeringas seringue seringues siringa siringhe seringa
homeless encampment tent tents camp obdachlos zelt zelte indigente tienda campamento abri tente senzatetto tenda
sign signs signage schild schilder senal senales cartel panneau panneaux cartello segnale placa sinal
";

/// The concept of the stem with this hash: 0 for a word that says nothing, `None` for a word of its own.
fn concept(hash: u64) -> Option<u16> {
    use std::collections::HashMap;
    use std::sync::LazyLock;

    /// Hashes are as good as random: they need no hashing.
    #[derive(Default, Clone)]
    struct AsIs(u64);

    impl std::hash::Hasher for AsIs {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, _: &[u8]) {}

        fn write_u64(&mut self, value: u64) {
            self.0 = value;
        }
    }

    type Table = HashMap<u64, u16, std::hash::BuildHasherDefault<AsIs>>;
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let mut table = Table::default();
        for (line, words) in CONCEPTS.lines().enumerate() {
            for word in words.split(' ') {
                let mut stem = Stem::default();
                word.chars().for_each(|c| stem.push(fold(c)));
                table.entry(stem.cut()).or_insert(line as u16);
            }
        }
        table
    });
    TABLE.get(&hash).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_order_and_everyday_words_change_nothing() {
        let a = fingerprint("The lamp on Tremont Street is broken");
        let b = fingerprint("BROKEN lámp, on the TREMONT street!");
        assert_eq!(a, b);
        assert_eq!(similarity(a, b), 1.0);
    }

    #[test]
    fn what_says_nothing_is_like_nothing() {
        assert_eq!(fingerprint("  the, of 😀 "), 0);
        assert_eq!(similarity(0, 0), 0.0);
        assert_eq!(similarity(fingerprint("pothole"), 0), 0.0);
    }

    #[test]
    fn numbers_tell_reports_apart() {
        assert_ne!(fingerprint("case 123456789"), fingerprint("case 123456788"));
    }

    #[test]
    fn counts_at_every_place_are_exact() {
        let mut majority = Majority::default();
        majority.add(0b1110, 3);
        majority.add(0b0110, 2);
        majority.add(0b0011, 6);
        // Weights of the places from the right: 6, 11, 5, 3 of 11.
        assert_eq!(majority.bits(), 0b0011);
    }
}
