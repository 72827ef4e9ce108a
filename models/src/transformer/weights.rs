//! The weights file: found, read, and copied into a network only if every tensor is there in the right shape.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tch::nn::VarStore;
use tch::{Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

use super::error::{TransformerError, first_line};

/// The names under which weights are looked for, the best first.
pub(super) const FILES: [&str; 3] = ["model.safetensors", "rust_model.ot", "pytorch_model.bin"];

/// Tensors named in an error, so that it stays readable.
const NAMED: usize = 3;

/// A weights file in memory.
pub(super) struct Weights {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
}

/// The weights file of a directory.
pub(super) fn find(dir: &Path) -> Result<PathBuf, TransformerError> {
    let found = FILES.iter().map(|name| dir.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| TransformerError::missing(dir, FILES.join(" or ")))
}

/// XXH3 of a file.
pub(super) fn checksum(path: &Path) -> Result<u64, TransformerError> {
    let mut file = File::open(path).map_err(TransformerError::reading(path))?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(TransformerError::reading(path))? {
            0 => return Ok(hasher.digest()),
            bytes => hasher.update(&buffer[..bytes]),
        }
    }
}

impl Weights {
    /// Reads a file. Pickles (`.bin`) are read by libtorch's own reader, which builds tensors and runs nothing.
    pub(super) fn read(path: &Path) -> Result<Self, TransformerError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let read = match extension {
            Some("safetensors") => Tensor::read_safetensors(path),
            Some("bin") => Tensor::loadz_multi(path),
            _ => Tensor::load_multi(path),
        };
        let tensors = read.map_err(|error| {
            let problem = format!("not a weights file, or damaged ({}): fetch it again", first_line(&error.to_string()));
            TransformerError::content(path, problem)
        })?;
        // The first versions of BERT called the two halves of a layer norm by other names.
        let modern = |name: String| match name.strip_suffix("LayerNorm.gamma") {
            Some(stem) => format!("{stem}LayerNorm.weight"),
            None => name.strip_suffix("LayerNorm.beta").map(|stem| format!("{stem}LayerNorm.bias")).unwrap_or(name),
        };
        Ok(Self { path: path.to_owned(), tensors: tensors.into_iter().map(|(name, tensor)| (modern(name), tensor)).collect() })
    }

    /// Takes `prefix` off the names that have it.
    pub(super) fn without_prefix(mut self, prefix: &str) -> Self {
        let tensors = std::mem::take(&mut self.tensors).into_iter();
        self.tensors =
            tensors.map(|(name, tensor)| (name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name), tensor)).collect();
        self
    }

    /// Copies every variable of `store` whose name passes `wanted`, as 32-bit numbers. Tensors that the network does not have
    /// are left alone (poolers, positions).
    pub(super) fn copy_into(&self, store: &VarStore, wanted: impl Fn(&str) -> bool) -> Result<(), TransformerError> {
        let mut missing = Vec::new();
        let mut other = Vec::new();
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().filter(|(name, _)| wanted(name)).collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, variable) in &mut variables {
            match self.tensors.get(name.as_str()) {
                None => missing.push(name.clone()),
                Some(tensor) if tensor.size() != variable.size() => {
                    other.push(format!("{name} is {:?} and should be {:?}", tensor.size(), variable.size()));
                }
                Some(tensor) => {
                    let copied = tch::no_grad(|| variable.f_copy_(&tensor.to_kind(Kind::Float)));
                    copied.map_err(TransformerError::torch("copying weights"))?;
                }
            }
        }
        let problem = match (missing.len(), other.len()) {
            (0, 0) => return Ok(()),
            (0, count) => format!("{count} tensors of another shape: {}", some(&other)),
            (count, _) => format!("{count} of {} tensors are missing: {}", variables.len(), some(&missing)),
        };
        Err(TransformerError::Shapes { path: self.path.display().to_string(), problem })
    }
}

fn some(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", ..." } else { "" };
    names[..names.len().min(NAMED)].join(", ") + more
}
