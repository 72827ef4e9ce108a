//! What ran where, and what it used.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Figures with the machine and the command that gave them.
pub fn report(figures: Value) -> Result<String> {
    let report = json!({
        "machine": { "cpu": cpu(), "cores": std::thread::available_parallelism()?.get(), "memory_mib": memory_mib() },
        "command": std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        "figures": figures,
    });
    Ok(serde_json::to_string_pretty(&report)?)
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}

fn memory_mib() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    kib(&info, "MemTotal:").map(|kib| kib / 1024)
}

fn kib(text: &str, field: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

/// Resident memory of this process in MiB: now, and at its highest.
pub fn resident_mib() -> Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| kib(&status, name).map(|kib| kib / 1024).context("this system does not tell memory");
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

/// CPU time of this process so far, all threads, in seconds.
pub fn cpu_s() -> Result<f64> {
    /// Clock ticks a second: fixed at 100 on every Linux that this runs on (`getconf CLK_TCK`).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, a name in parentheses, may hold blanks.
    let after = stat.rsplit_once(')').context("unreadable /proc/self/stat")?.1;
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// The value at a share of the sorted values; nearest rank.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(position).copied().unwrap_or(f64::NAN)
}
