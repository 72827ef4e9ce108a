//! Small written checks of what a model must not overlook, in the manner of CheckList (Ribeiro et al. 2020).

use crate::compact::{CompactModel, Scratch};
use crate::features::Input;
use crate::language::identify;

/// Which way the second text of a pair must move the tone against the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// More negative.
    Worse,
    /// More positive.
    Better,
}

/// What is tested, where the tone must go, and the pairs.
type Pairs = (&'static str, Expected, &'static [(&'static str, &'static str)]);

/// Pairs of texts by what they test.
const PAIRS: [Pairs; 6] = [
    (
        "negation",
        Expected::Worse,
        &[
            ("The new park is good.", "The new park is not good."),
            ("I am happy with the service.", "I am not happy with the service."),
            ("The staff were helpful.", "The staff weren't helpful."),
            ("They fixed it and I love it.", "They never fixed it and I don't love it."),
            ("Der Service ist gut.", "Der Service ist nicht gut."),
            ("El parque está bien.", "El parque no está bien."),
            ("Le service est bon.", "Le service n'est pas bon."),
            ("Il servizio è buono.", "Il servizio non è buono."),
        ],
    ),
    (
        "used to",
        Expected::Worse,
        &[
            ("This library is great.", "This library used to be great."),
            ("The bus is reliable.", "The bus used to be reliable."),
            ("The streets are clean.", "The streets used to be clean."),
            ("I love this park.", "I used to love this park."),
        ],
    ),
    (
        "contrast",
        Expected::Worse,
        &[
            ("The app was slow but now it is great.", "The app was great but now it is slow."),
            ("The clerk was rude but solved my problem.", "The clerk solved my problem but was rude."),
            ("It is expensive, but I love it.", "I love it, but it is too expensive."),
        ],
    ),
    (
        "intensity",
        Expected::Worse,
        &[
            ("The bus was bad.", "The bus was absolutely terrible."),
            ("The noise is annoying.", "The noise is SO ANNOYING!!!"),
            ("I am disappointed.", "I am extremely disappointed and angry."),
            ("the street is dirty", "the street is sooooo dirty, disgusting"),
        ],
    ),
    (
        "emoji",
        Expected::Better,
        &[
            ("the new tram 😡", "the new tram 😍"),
            ("waiting for the bus 😭", "waiting for the bus 😊"),
            ("thanks city 🙄", "thanks city ❤️"),
            ("roadworks :(", "roadworks :)"),
        ],
    ),
    (
        "sarcasm",
        Expected::Worse,
        &[
            ("Thanks for the quick repair.", "Thanks for nothing."),
            ("Great, the light works.", "Great, the light is broken again."),
            ("Well done, it took two days.", "Well done, it only took two years."),
            ("I love the new bus stop.", "I just love waiting an hour in the rain."),
        ],
    ),
];

/// Given names that people in English-speaking countries tend to read as of one group. From studies of correspondence
/// (Bertrand & Mullainathan 2004) and censuses; a handful each is enough to see a difference of means.
const NAMES: [(&str, [&str; 6]); 7] = [
    ("European, women", ["Emily", "Anne", "Jill", "Allison", "Laurie", "Sarah"]),
    ("European, men", ["Todd", "Neil", "Geoffrey", "Brett", "Brendan", "Greg"]),
    ("African American, women", ["Aisha", "Keisha", "Tamika", "Lakisha", "Ebony", "Kenya"]),
    ("African American, men", ["Rasheed", "Tremayne", "Kareem", "Darnell", "Tyrone", "Jamal"]),
    ("Hispanic", ["María", "Guadalupe", "Juan", "José", "Luz", "Miguel"]),
    ("Muslim or Asian", ["Fatima", "Mohammed", "Priya", "Wei", "Nguyen", "Yusuf"]),
    // Kept off the list of names that features are blind to: what happens to the names that nobody thought of.
    ("not on the list", ["Thandiwe", "Bronwen", "Ingvild", "Olumide", "Xochitl", "Siegbert"]),
];

const SENTENCES: [&str; 8] = [
    "My name is {} and the street light in front of my house is out.",
    "{} reported the pothole last week.",
    "I spoke with {} at the town hall about my permit.",
    "Please call {} back about the missed collection.",
    "{} lives next door.",
    "My neighbour {} is very friendly.",
    "{} was rude to me at the counter.",
    "Is {} the person who is responsible for the park?",
];

/// How many pairs of a kind moved the right way.
pub struct Behaviour {
    /// What is tested.
    pub name: &'static str,
    /// Pairs that moved the right way.
    pub right: usize,
    /// All pairs.
    pub total: usize,
}

/// Mean tone (positive less negative probability) of a group of names over equal sentences.
pub struct Group {
    /// The group.
    pub name: &'static str,
    /// The mean.
    pub tone: f64,
}

/// Positive less negative probability.
fn polarity(model: &CompactModel, text: &str, scratch: &mut Scratch) -> f64 {
    let (language, _) = identify(text);
    let reading = model.read(&Input { language: language.as_str(), ..Input::text(text) }, scratch);
    f64::from(reading.tone[2] - reading.tone[0])
}

/// Sentences in African American English and in the English of schools, of equal meaning.
const DIALECTS: [(&str, &str); 8] = [
    ("They ain't fixed the light on our block.", "They have not fixed the light on our block."),
    ("The bus be late every day.", "The bus is late every day."),
    ("We been waiting on the trash truck since Monday.", "We have been waiting for the trash truck since Monday."),
    ("Somebody need to come get this tree.", "Somebody needs to come and get this tree."),
    ("It's a pothole on Main Street.", "There is a pothole on Main Street."),
    ("Y'all gonna open the pool this summer?", "Are you going to open the pool this summer?"),
    ("The lady at the desk was real nice to us.", "The lady at the desk was very nice to us."),
    ("Don't nobody answer the phone at that office.", "Nobody answers the phone at that office."),
];

/// Mean tone of eight messages in African American English, and of the same in the English of schools.
pub fn dialects(model: &CompactModel) -> (f64, f64) {
    let mut scratch = Scratch::default();
    let (mut spoken, mut written) = (0.0, 0.0);
    for (a, b) in DIALECTS {
        spoken += polarity(model, a, &mut scratch);
        written += polarity(model, b, &mut scratch);
    }
    (spoken / DIALECTS.len() as f64, written / DIALECTS.len() as f64)
}

/// Runs the pairs.
pub fn pairs(model: &CompactModel) -> Vec<Behaviour> {
    let mut scratch = Scratch::default();
    PAIRS
        .iter()
        .map(|(name, expected, pairs)| {
            let mut right = 0;
            for (first, second) in *pairs {
                let change = polarity(model, second, &mut scratch) - polarity(model, first, &mut scratch);
                right += usize::from((change > 0.0) == (*expected == Expected::Better));
            }
            Behaviour { name, right, total: pairs.len() }
        })
        .collect()
}

/// Swaps names in equal sentences.
pub fn names(model: &CompactModel) -> Vec<Group> {
    let mut scratch = Scratch::default();
    NAMES
        .iter()
        .map(|(name, given)| {
            let mut sum = 0.0;
            for sentence in SENTENCES {
                for given in given {
                    sum += polarity(model, &sentence.replace("{}", given), &mut scratch);
                }
            }
            Group { name, tone: sum / (SENTENCES.len() * given.len()) as f64 }
        })
        .collect()
}
