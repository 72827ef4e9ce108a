//! The project's own texts in `models/seeds`: whole messages, and a small grammar that recombines phrases.
//!
//! No licensed corpus of messages to a city with topics exists, so these texts teach most of what the topic, signal and
//! urgency heads know. A fifth of the whole messages is kept aside; nothing that the grammar makes is, since its sentences
//! share phrases and would flatter the model.

use std::path::Path;

use feedback::{Signal, Tone, Topic, Urgency};

use super::random::Random;
use super::sources::Table;
use super::{Example, Labels, TrainError};

/// Sentences that the grammar makes for each topic and language.
const SENTENCES: usize = 400;
/// How much a made sentence counts: it stands for all that can be said with its phrase, and each phrase is one that a city may hear.
const MADE_WEIGHT: f32 = 1.0;
/// How much a category's name counts: whoever picks it says nothing else.
const NAME_WEIGHT: f32 = 2.0;
/// How much the tone of a written message counts: it is told by the author of the words, not by somebody who reads them.
const TONE_WEIGHT: f32 = 0.15;
/// How often a written message stands in an epoch, once with a title: there are few of them and each was written to teach
/// something.
const REPEATS: usize = 3;
/// How much its topic, signal and urgency count each time.
const MESSAGE_WEIGHT: f32 = 1.5;

/// The name under which whole messages are reported.
pub(super) const SOURCE: &str = "seeds";
/// That of messages whose writer knew the rules of labelling and nothing of the project, its texts or its models. Nothing is trained, chosen
/// or calibrated by them.
const STRANGERS: &str = "strangers";
/// Words of a message that a portal's form takes for its title.
const TITLE_WORDS: usize = 5;

/// The languages of the seeds.
const LANGUAGES: [&str; 12] = ["en", "de", "es", "fr", "it", "pt", "nl", "tr", "pl", "ar", "hi", "zh"];

/// Every example that the seeds give, the same for the same `seed`.
///
/// # Errors
/// When a file cannot be read or a word in it is not in a vocabulary.
pub fn read(seeds: &Path, seed: u64) -> Result<Vec<Example>, TrainError> {
    let mut examples = Vec::new();
    let mut number = 0usize;
    messages(&seeds.join("messages.tsv"), SOURCE, |mut example| {
        number += 1;
        example.dev = number % 5 == 3;
        if !example.dev {
            examples.push(titled(&example));
            examples.extend(std::iter::repeat_n(example.clone(), REPEATS - 2));
        }
        examples.push(example);
    })?;
    messages(&seeds.join("strangers.tsv"), STRANGERS, |mut example| {
        (example.dev, example.unseen) = (true, true);
        examples.push(example);
    })?;
    Grammar::read(seeds)?.make(&mut Random::new(seed), &mut examples);
    categories(seeds, &mut examples)?;
    Ok(examples)
}

/// A file of whole messages, one a line.
fn messages(path: &Path, source: &'static str, mut each: impl FnMut(Example)) -> Result<(), TrainError> {
    Table::read(path)?.try_rows(&["topic", "signal", "urgency", "tone", "language", "text"], |row| {
        let labels = Labels::none()
            .topic(row.word::<Topic>("topic")?.code(), MESSAGE_WEIGHT)
            .signal(row.word::<Signal>("signal")?.code(), MESSAGE_WEIGHT)
            .urgency(row.word::<Urgency>("urgency")?.code(), MESSAGE_WEIGHT)
            .tone(row.word::<Tone>("tone")?.code(), TONE_WEIGHT);
        each(Example::new(source, known_language(row.get("language"))?, row.get("text"), labels));
        Ok(())
    })
}

/// A message as many portals hand it over: with its beginning as the title.
pub(super) fn titled(example: &Example) -> Example {
    let words: Vec<&str> = example.text.split_whitespace().take(TITLE_WORDS).collect();
    Example { title: Some(words.join(" ")), ..example.clone() }
}

/// `categories.tsv`: names of portal categories with the topic that they stand for. A name is read as a category with no
/// text, and as a text: the weakest label there is, and the only one for words that nobody writes in a message. Who opens a case by
/// category alone has a problem, unless its name says otherwise.
fn categories(seeds: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    Table::read(&seeds.join("categories.tsv"))?.try_rows(&["topic", "category"], |row| {
        let labels = Labels::none().topic(row.word::<Topic>("topic")?.code(), NAME_WEIGHT);
        examples.push(Example::new("categories", "en", row.get("category"), labels));
        let signal = signal_of_case(row.get("category"));
        let labels = signal.map_or(labels, |signal| labels.signal(signal.code(), NAME_WEIGHT));
        let mut alone = Example::new("categories", "en", "", labels);
        alone.category = Some(row.get("category").to_owned());
        examples.push(alone);
        Ok(())
    })
}

/// What a case wants of which only the category is known; `None` where the name leaves it open.
fn signal_of_case(category: &str) -> Option<Signal> {
    const SAYING: [(Option<Signal>, &[&str]); 4] = [
        (Some(Signal::Praise), &["compliment", "praise", "thank"]),
        (Some(Signal::Question), &["question", "inquiry", "enquiry", "information"]),
        (Some(Signal::Request), &["request", "suggestion"]),
        (None, &["comment", "feedback", "general"]),
    ];
    let category = category.to_lowercase();
    let says = |(_, words): &&(_, &[&str])| words.iter().any(|word| category.contains(word));
    SAYING.iter().find(says).map_or(Some(Signal::Problem), |(signal, _)| *signal)
}

/// Phrases by language, and patterns with gaps.
#[derive(Default)]
struct Grammar {
    /// Phrases by topic, language and whether they name a thing (or an issue).
    terms: Vec<(Topic, &'static str, bool, String)>,
    templates: Vec<(Labels, &'static str, String)>,
    slots: Vec<(String, &'static str, String)>,
}

impl Grammar {
    fn read(seeds: &Path) -> Result<Self, TrainError> {
        let mut grammar = Self::default();
        Table::read(&seeds.join("terms.tsv"))?.try_rows(&["topic", "role", "language", "phrase"], |row| {
            let thing = row.get("role") == "thing";
            grammar.terms.push((row.word("topic")?, known_language(row.get("language"))?, thing, row.get("phrase").to_owned()));
            Ok(())
        })?;
        Table::read(&seeds.join("templates.tsv"))?.try_rows(&["signal", "urgency", "language", "pattern"], |row| {
            let labels = Labels::none()
                .signal(row.word::<Signal>("signal")?.code(), MADE_WEIGHT)
                .urgency(row.word::<Urgency>("urgency")?.code(), MADE_WEIGHT);
            grammar.templates.push((labels, known_language(row.get("language"))?, row.get("pattern").to_owned()));
            Ok(())
        })?;
        Table::read(&seeds.join("slots.tsv"))?.try_rows(&["slot", "language", "phrase"], |row| {
            let language = known_language(row.get("language"))?;
            grammar.slots.push((row.get("slot").to_owned(), language, row.get("phrase").to_owned()));
            Ok(())
        })?;
        Ok(grammar)
    }

    fn make(&self, random: &mut Random, examples: &mut Vec<Example>) {
        for language in LANGUAGES {
            let templates: Vec<_> = self.templates.iter().filter(|(_, of, _)| *of == language).collect();
            for topic in Topic::ALL {
                let phrases = |thing: bool| -> Vec<&str> {
                    let fits = |(of, spoken, role, _): &&(Topic, &str, bool, String)| {
                        of == topic && *spoken == language && *role == thing
                    };
                    self.terms.iter().filter(fits).map(|(.., phrase)| phrase.as_str()).collect()
                };
                let (issues, things) = (phrases(false), phrases(true));
                if templates.is_empty() || issues.is_empty() || things.is_empty() {
                    continue;
                }
                for _ in 0..SENTENCES {
                    let (labels, _, pattern) = templates[random.below(templates.len())];
                    let issue = issues[random.below(issues.len())];
                    let thing = things[random.below(things.len())];
                    let text = self.fill(pattern, language, [issue, thing], random);
                    let labels = match topic {
                        // What is an emergency is not made less of one by the words around it.
                        Topic::Emergencies if pattern.contains("issue}") => {
                            labels.urgency(Urgency::Emergency.code(), MADE_WEIGHT)
                        }
                        // Outside the city's business, a complaint is no report.
                        Topic::Other => Labels::none(),
                        _ => *labels,
                    };
                    examples.push(Example::new("grammar", language, text, labels.topic(topic.code(), MADE_WEIGHT)));
                }
            }
        }
    }

    fn fill(&self, pattern: &str, language: &str, [issue, thing]: [&str; 2], random: &mut Random) -> String {
        let mut slot = |name: &str| {
            let fits: Vec<&str> = (self.slots.iter().filter(|(slot, spoken, _)| slot == name && *spoken == language))
                .map(|(.., phrase)| phrase.as_str())
                .collect();
            // A message seldom says everything: one in five says nothing here.
            if fits.is_empty() || random.chance(0.2) { "" } else { fits[random.below(fits.len())] }
        };
        let (place, duration) = (slot("place"), slot("duration"));
        pattern
            .replace("{issue}", issue)
            .replace("{thing}", thing)
            .replace("{Issue}", &capitalised(issue))
            .replace("{Thing}", &capitalised(thing))
            .replace("{place}", place)
            .replace("{duration}", duration)
    }
}

fn capitalised(phrase: &str) -> String {
    let mut chars = phrase.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn known_language(code: &str) -> Result<&'static str, String> {
    let known = LANGUAGES.into_iter().find(|language| *language == code);
    known.ok_or_else(|| format!("language `{code}` is none of {}", LANGUAGES.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    fn seeds() -> Vec<Example> {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds"), 1).unwrap()
    }

    #[test]
    fn every_topic_has_written_and_made_texts_without_gaps() {
        let examples = seeds();
        for topic in Topic::ALL {
            for source in ["seeds", "grammar"] {
                let own = |example: &&Example| {
                    example.source == source && example.labels.get(2).is_some_and(|(code, _)| code == topic.code())
                };
                assert!(examples.iter().filter(own).count() >= 10, "{topic} {source}");
            }
        }
        assert!(examples.iter().all(|example| !example.text.contains(['{', '}'])));
    }

    /// What is kept aside is worth nothing if a message in other clothes taught the model: reword one of the two.
    #[test]
    fn no_message_kept_aside_repeats_one_that_teaches() {
        const MOST_SHARED_PERCENT: usize = 65;
        let mut texts: Vec<(bool, String, BTreeSet<String>)> = Vec::new();
        let mut uses: HashMap<String, usize> = HashMap::new();
        for example in seeds().into_iter().filter(|example| [SOURCE, STRANGERS].contains(&example.source)) {
            if texts.last().is_some_and(|(_, text, _)| *text == example.text) {
                continue;
            }
            let lower = example.text.to_lowercase();
            let words: BTreeSet<String> =
                lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
            words.iter().for_each(|word| *uses.entry(word.clone()).or_default() += 1);
            texts.push((example.dev, example.text, words));
        }
        // Two texts that share so much share one of their rarest words (prefix filtering, Chaudhuri, Ganti & Kaushik 2006).
        let rarest = |words: &BTreeSet<String>| {
            let mut ordered: Vec<String> = words.iter().cloned().collect();
            ordered.sort_by_key(|word| (uses[word], word.clone()));
            ordered.truncate(words.len() - (MOST_SHARED_PERCENT * words.len()).div_ceil(100) + 1);
            ordered
        };
        let mut taught: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, (_, _, words)) in texts.iter().enumerate().filter(|(_, (dev, ..))| !dev) {
            rarest(words).into_iter().for_each(|word| taught.entry(word).or_default().push(position));
        }
        for (_, text, words) in texts.iter().filter(|(dev, _, words)| *dev && words.len() > 3) {
            for other in rarest(words).iter().filter_map(|word| taught.get(word)).flatten() {
                let (_, taught, others) = &texts[*other];
                let shared = words.intersection(others).count();
                let all = words.len() + others.len() - shared;
                assert!(100 * shared < MOST_SHARED_PERCENT * all, "`{text}` repeats `{taught}`");
            }
        }
    }

    #[test]
    fn a_case_by_category_alone_is_a_problem_unless_its_name_says_otherwise() {
        assert_eq!(signal_of_case("Tree Emergencies"), Some(Signal::Problem));
        assert_eq!(signal_of_case("New Tree Requests"), Some(Signal::Request));
        assert_eq!(signal_of_case("Compliment about staff"), Some(Signal::Praise));
        assert_eq!(signal_of_case("Property tax inquiry"), Some(Signal::Question));
        assert_eq!(signal_of_case("General Comments For An Employee"), None);
    }

    #[test]
    fn a_wrong_word_is_reported_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages.tsv");
        std::fs::write(&path, "topic\tsignal\turgency\ttone\tlanguage\ttext\nrods\tproblem\tsoon\tneutral\ten\thole\n")
            .unwrap();
        let message = read(directory.path(), 1).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("`rods` is not a topic"), "{message}");
    }
}
