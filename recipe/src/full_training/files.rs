//! The files of a run over all weights: the model itself, and the state to continue from.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use hyprstream_learning::SavedRun;

use crate::error::{Error, Result};
use crate::full_training::bf16::rounded;
use crate::full_training::trainer::FullTrainer;

impl FullTrainer {
    /// Writes the weights as a safetensors file of bf16 (rounded to nearest even). An older file is replaced
    /// only once the new one is whole and on the disk.
    pub fn save_safetensors(&self, path: &Path) -> Result<()> {
        let tensors = self.base.named_tensors();
        let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
        let mut offset = 0;
        for (name, shape, values) in &tensors {
            let end = offset + values.len() * 2;
            header.extend([
                format!(",\"{name}\":{{\"dtype\":\"BF16\",\"shape\":{shape:?},"),
                format!("\"data_offsets\":[{offset},{end}]}}"),
            ]);
            offset = end;
        }
        header.push('}');
        while header.len() % 8 != 0 {
            header.push(' ');
        }
        replace(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(header.as_bytes())?;
            for (_, _, values) in &tensors {
                let bytes: Vec<u8> = values.iter().flat_map(|value| rounded(*value).to_le_bytes()).collect();
                file.write_all(&bytes)?;
            }
            Ok(())
        })
    }

    /// Writes what a later process needs to continue, replacing an older state only once it is whole.
    pub fn save_state(&self, path: &Path) -> Result<()> {
        let (fingerprint, parameters) = (self.base.shape_fingerprint(), self.base.tensors());
        let bytes = SavedRun::encode(&fingerprint, self.steps, &parameters, &self.adam, &[]);
        replace(path, |file| file.write_all(&bytes))
    }

    /// Continues from [`FullTrainer::save_state`] of a run of the same model shape.
    pub fn restore_state(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        let lengths: Vec<usize> = self.base.tensors().iter().map(|tensor| tensor.len()).collect();
        let saved = SavedRun::decode(&bytes, &self.base.shape_fingerprint(), &lengths)?;
        for (own, saved) in self.base.tensors_mut().into_iter().zip(&saved.parameters) {
            own.copy_from_slice(saved);
        }
        self.adam = saved.adam;
        self.steps = saved.steps;
        Ok(())
    }
}

/// Writes beside the file, syncs, and renames over it.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    let file = File::create(&part).map_err(Error::io("create", &part))?;
    let mut writer = BufWriter::new(file);
    write(&mut writer).map_err(Error::io("write", &part))?;
    let file = writer.into_inner().map_err(|error| Error::io("write", &part)(error.into_error()))?;
    file.sync_all().map_err(Error::io("sync", &part))?;
    fs::rename(&part, path).map_err(Error::io("rename", &part))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))
}
