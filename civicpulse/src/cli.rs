//! The command line, as `docs/design.md` describes it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report;

/// Listens to a city: feedback from portals and social feeds, understood, counted in event time, there for SQL.
#[derive(Debug, Parser)]
#[command(name = "civicpulse", version, about, propagate_version = true, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a synthetic city, seeded, with known truth, live: SQL, HTTP, metrics.
    Demo(Demo),
    /// Run the service.
    Run(Run),
    /// Bring bulk portal exports into the log, and process them until caught up.
    Import(Import),
    /// Ask a running server or a data directory.
    Sql(Sql),
    /// Print what everybody may see of a month: counts without small cells, released once.
    Publish(Publish),
    /// What people who decide look at: a table, a workbook, a file, with where it comes from.
    Report(Report),
    /// Read texts: one JSON object a line with language, tone, signal, topic and urgency.
    Classify(Classify),
    /// Mask personal data: one text a line in, one JSON object a line out.
    Redact(Redact),
    /// Shares of negative, neutral and positive texts by group, corrected for the reader's errors, with intervals.
    Shares(Shares),
    /// The shipped model: what it is, how it is trained and evaluated.
    #[command(subcommand)]
    Model(Model),
    /// Check a configuration file and print what would be used.
    CheckConfig(ConfigArgs),
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file; see docs/config.md.
    #[arg(long, value_name = "FILE", env = "CIVICPULSE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory for the embedded log, checkpoints and cursors; wins over the configuration.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Reference data of the districts, over that of the configuration: GeoJSON with polygons, or CSV with district, population
    /// and what else is known; give it several times for several.
    #[arg(long, value_name = "FILE")]
    pub districts: Vec<PathBuf>,
    /// The property of the GeoJSON's features that holds a district's name.
    #[arg(long, value_name = "PROPERTY")]
    pub district_name: Option<String>,
}

/// `civicpulse demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Seed of the city: the same seed gives the same city.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Reports a second that the whole city sends on average.
    #[arg(long, value_name = "N", default_value_t = 0.3)]
    pub rate: f64,
    /// Days of history to begin with.
    #[arg(long, value_name = "N", default_value_t = 35)]
    pub history_days: u32,
}

/// `civicpulse run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What this process does; give it several times for several. All, where none is given.
    #[arg(long = "role", value_enum)]
    pub roles: Vec<Role>,
}

/// One part of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Sources and the webhook.
    Ingest,
    /// Enrichment workers.
    Enrich,
    /// Aggregation, SQL and HTTP.
    Serve,
}

/// `civicpulse import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The layout of the files.
    #[arg(long)]
    pub format: String,
    /// For csv, tsv, parquet and jsonl: which column is what.
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Only write the log: somebody else processes it.
    #[arg(long)]
    pub no_process: bool,
    /// The files; .gz is understood.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// `civicpulse sql`.
#[derive(Debug, Args)]
pub struct Sql {
    /// Ask the running server at this URL, for example postgres://127.0.0.1:5433.
    #[arg(long, conflicts_with_all = ["data_dir", "config"])]
    pub url: Option<String>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print the result.
    #[arg(long, default_value = "table")]
    pub format: String,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The query.
    pub query: String,
}

/// `civicpulse publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The month, in UTC, for example 2011-08.
    #[arg(long, value_name = "MONTH")]
    pub month: String,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `civicpulse report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Which report.
    #[arg(value_enum)]
    pub kind: report::Kind,
    /// The window: 1h, 24h, 7d, 28d, or another that is configured.
    #[arg(long, value_name = "LENGTH", default_value = "28d")]
    pub window: String,
    /// End the window at this time instead of the watermark, for example 2011-08-28T18:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// Weights in place of the configured ones, for example 'severity=2, backlog=1' or 'configured, equity=0.5'.
    #[arg(long, value_name = "WEIGHTS")]
    pub weights: Option<String>,
    /// For allocation: the money that there is, in the currency of the budgets.
    #[arg(long, value_name = "N")]
    pub total: Option<f64>,
    /// For allocation: CSV file with the budgets; wins over city.budgets_file.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub budgets: Option<PathBuf>,
    /// Rows at most.
    #[arg(long, value_name = "N")]
    pub top: Option<u64>,
    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    pub format: report::Format,
    /// With csv: begin with lines that say where the figures come from, each after a #.
    #[arg(long)]
    pub comments: bool,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Ask the running server at this URL, for example postgres://127.0.0.1:5433.
    #[arg(long, conflicts_with_all = ["data_dir", "config"])]
    pub url: Option<String>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `civicpulse classify`.
#[derive(Debug, Args)]
pub struct Classify {
    /// A .tsv, .csv or .jsonl file; `-` is JSON lines on standard input.
    #[arg(long, default_value = "-")]
    pub input: PathBuf,
    /// The column with the text.
    #[arg(long, default_value = "text")]
    pub text_column: String,
    /// How to print.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: LinesFormat,
    /// Which tier reads.
    #[arg(long, value_enum, default_value = "compact")]
    pub tier: Tier,
    /// For the transformer: the directory of its model; see docs/transformer.md.
    #[arg(long, value_name = "DIR", required_if_eq("tier", "transformer"))]
    pub model: Option<PathBuf>,
}

/// How lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinesFormat {
    /// One JSON object a line.
    Jsonl,
    /// One CSV row a line, without the lists.
    Csv,
}

/// Which model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// The shipped one.
    Compact,
    /// A larger one from a directory; slower, and better on what it was made for.
    Transformer,
}

/// `civicpulse redact`.
#[derive(Debug, Args)]
pub struct Redact {
    /// One text a line; `-` is standard input.
    #[arg(long, default_value = "-")]
    pub input: PathBuf,
}

/// `civicpulse shares`.
#[derive(Debug, Args)]
pub struct Shares {
    /// A .tsv, .csv or .jsonl file; `-` is JSON lines on standard input.
    #[arg(long, default_value = "-")]
    pub input: PathBuf,
    /// The column with the text.
    #[arg(long, default_value = "text")]
    pub text_column: String,
    /// The column whose values are counted apart.
    #[arg(long, default_value = "topic")]
    pub group_column: String,
    /// How to print.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: SharesFormat,
}

/// How shares are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SharesFormat {
    /// One row a group.
    Csv,
    /// One array of objects, with every method beside the one that is used.
    Json,
}

/// `civicpulse model`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Train: the shipped weights again from the shared data, or a transformer from an encoder.
    Train(ModelTrain),
    /// Evaluate: the shipped weights, with a report, or a transformer.
    Evaluate(ModelEvaluate),
    /// Fetch a transformer from the hub into a directory. Uses HF_TOKEN and HF_ENDPOINT where they are set.
    Fetch {
        /// The model's name there: owner/name.
        name: String,
        /// The directory to make.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// A branch, a tag or a commit.
        #[arg(long, default_value = "main")]
        revision: String,
    },
    /// Version, size and vocabularies.
    Info,
}

/// `civicpulse model train`.
#[derive(Debug, Args)]
pub struct ModelTrain {
    /// What is trained.
    #[arg(long, value_enum, default_value = "compact")]
    pub tier: Tier,
    /// Directory with the training data.
    #[arg(long, value_name = "DIR", default_value = "../shared/data")]
    pub data: PathBuf,
    /// Directory with the project's own training texts.
    #[arg(long, value_name = "DIR", default_value = "models/seeds")]
    pub seeds: PathBuf,
    /// Where to write: the file of the compact weights (what `shares` needs to know of them goes to `quantify.json` beside), or the
    /// directory of the transformer.
    #[arg(long, value_name = "PATH")]
    pub output: PathBuf,
    /// For the transformer: the directory of the encoder to begin from.
    #[arg(long, value_name = "DIR", required_if_eq("tier", "transformer"))]
    pub base: Option<PathBuf>,
    /// For the transformer: passes over the texts.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub epochs: usize,
    /// For the transformer: end after so many batches.
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// For the transformer: only texts of this source, for example tweets; give it several times for several.
    #[arg(long = "source", value_name = "NAME")]
    pub sources: Vec<String>,
    /// For the transformer: every random number follows from it.
    #[arg(long, default_value_t = 311)]
    pub seed: u64,
}

/// `civicpulse model evaluate`.
#[derive(Debug, Args)]
pub struct ModelEvaluate {
    /// What is evaluated.
    #[arg(long, value_enum, default_value = "compact")]
    pub tier: Tier,
    /// Directory with the evaluation data.
    #[arg(long, value_name = "DIR", default_value = "../shared/data")]
    pub data: PathBuf,
    /// Directory with the project's own training texts.
    #[arg(long, value_name = "DIR", default_value = "models/seeds")]
    pub seeds: PathBuf,
    /// Where to write the report on the shipped weights; a transformer's is printed.
    #[arg(long, value_name = "FILE", default_value = "models/REPORT.md")]
    pub output: PathBuf,
    /// Compact weights to evaluate instead of the shipped ones.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// A Python interpreter with the package `vaderSentiment`: VADER is measured in the same run.
    #[arg(long, value_name = "PYTHON")]
    pub vader: Option<PathBuf>,
    /// For the transformer: the directory of its model.
    #[arg(long, value_name = "DIR", required_if_eq("tier", "transformer"))]
    pub model: Option<PathBuf>,
}
